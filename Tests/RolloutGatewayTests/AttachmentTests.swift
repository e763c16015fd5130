import DocumentKit
import Testing

@testable import RolloutGateway

/// What a request's content counts in the bound of its cost.
@Suite struct AttachmentTests {
  /// Tokens beyond the request's own bytes.
  private func tokens(_ body: String) throws -> Int? {
    let raw = try RawObject(Array(body.utf8))
    return try ChatRequest(raw).inputBound(imageTokens: 765).map { $0 - body.utf8.count }
  }

  private func content(_ part: String) -> String {
    #"{"messages":[{"role":"user","content":[\#(part)]}]}"#
  }

  @Test(arguments: [
    #"{"type":"audio_url","audio_url":{"url":"https://a.example/b.mp3"}}"#,
    #"{"type":"document_url","document_url":"https://a.example/b.pdf"}"#,
    #"{"type":"input_video","input_video":{"url":"https://a.example/b.mp4"}}"#,
    #"{"type":"file","file":{"file_id":"f"}}"#,
    #"{"type":"input_file","file_url":"https://a.example/b","data":"x"}"#,
    #"{"type":"container_upload","file_id":"f","content":""}"#,
    #"{"type":"hologram","where":"there"}"#, #"{"fileData":{"fileUri":"gs://a/b"}}"#,
    #"{"type":"document","source":{"type":"file","file_id":"f"}}"#,
    #"{"type":"document","source":{"type":"url","url":"https://a.example","data":""}}"#,
    #"{"type":"tool_result","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}"#,
  ])
  func `whatever is not known to be text is a file that is named, and one file is one`(
    part: String
  ) throws {
    #expect(try tokens(content(part)) == 100_000)
    #expect(try tokens(content("\(part),\(part)")) == 200_000)
    #expect(try tokens(#"{"messages":[{"role":"user","content":\#(part)}]}"#) == 100_000)
    #expect(
      try tokens(#"{"system":[\#(part)],"messages":[{"role":"user","content":"x"}]}"#) == 100_000)
  }

  @Test func `a message may name a file beside its content`() throws {
    let audio = #"{"messages":[{"role":"assistant","audio":{"id":"a"}}]}"#
    #expect(try tokens(audio) == 100_000)
    let files =
      #"{"messages":[{"role":"user","content":"x","attachments":[{"file_id":"f"},{"file_id":"g"}]}]}"#
    #expect(try tokens(files) == 200_000)
    #expect(try tokens(#"{"messages":[{"role":"assistant","audio":null,"content":"x"}]}"#) == 0)
  }

  @Test(arguments: [
    #"{"type":"text","text":"https://a.example/b.pdf","cache_control":{"type":"ephemeral"}}"#,
    #"{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}"#,
    #"{"type":"file","file":{"filename":"b","file_data":"data:application/pdf;base64,AAAA"}}"#,
    #"{"type":"video_url","video_url":{"url":"data:video/mp4;base64,AAAA"}}"#,
    #"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"}}"#,
    #"{"type":"document","source":{"type":"content","content":[{"type":"text","text":"x"}]}}"#,
    #"{"type":"tool_use","id":"t","name":"n","input":{"content":[{"type":"paragraph"}]}}"#,
    #"{"type":"tool_result","tool_use_id":"t","content":"x"}"#,
    #"{"type":"thinking","thinking":"x","signature":"y"}"#,
  ])
  func `what is text, or is sent along, counts its bytes`(part: String) throws {
    #expect(try tokens(content(part)) == 0)
  }

  @Test func `texts alone count nothing more, and pictures count as pictures`()
    throws
  {
    #expect(try tokens(#"{"messages":[{"role":"user","content":"hi"}]}"#) == 0)
    let image = #"{"type":"image_url","image_url":{"url":"https://a.example/b.png"}}"#
    #expect(try tokens(content(image)) == 765)
    let result = #"{"type":"tool_result","content":[\#(image)]}"#
    #expect(try tokens(content(result)) == 765)
  }

  private func beside(_ members: String) -> String {
    #"{"messages":[{"role":"user","content":"x"}],\#(members)}"#
  }

  @Test(arguments: [
    (#""files":["file-1","file-2"]"#, 2),
    (#""files":[{"url":"https://a.example/b"}]"#, 1),
    (#""files":[{"name":"b"}]"#, 1),
    (#""attachments":[{"file_id":"f"},{"file_id":"g"},{"id":"h"}]"#, 3),
    (#""file_ids":["f","g"]"#, 2),
    (#""fileIds":["f"]"#, 1),
    (#""documents":[{"url":"https://a.example/b.pdf"}]"#, 1),
    (#""documents":["https://a.example/b.pdf"]"#, 1),
    (#""prompt":{"id":"pmpt_1","variables":{"a":"b"}}"#, 1),
    (#""cached_content":"cachedContents/1""#, 1),
    (#""cachedContent":"cachedContents/1""#, 1),
    (#""tool_resources":{"code_interpreter":{"file_ids":["f","g"]}}"#, 2),
    (#""tool_resources":{"file_search":{"vector_store_ids":["v"]}}"#, 1),
    (#""tools":[{"type":"file_search","vector_store_ids":["v"]}]"#, 1),
    (#""previous_response_id":"resp_1""#, 1),
    (#""conversation":"conv_1""#, 1),
    (#""conversation":{"id":"conv_1"}"#, 1),
    (#""container":"cntr_1""#, 1),
    (
      #""data_sources":[{"type":"azure_search","parameters":{"endpoint":"https://a.example"}},{"kind":"b"}]"#,
      2
    ),
    (#""extra":{"deep":[{"look":"HTTPS://a.example/b"}]}"#, 1),
    (#""image_url":"gs://a/b""#, 1),
  ])
  func `a file that is named beside the messages counts as one inside them`(
    members: String, files: Int
  ) throws {
    let extra = members.contains("\"tools\"") ? 700 : 0
    #expect(try tokens(beside(members)) == files * 100_000 + extra, "\(members)")
  }

  @Test(arguments: [
    #""user":"u","metadata":{"user_id":"u","session_id":"s"}"#, #""session_id":"s""#,
    #""documents":[{"title":"a","text":"b"}]"#, #""documents":[]"#, #""files":null"#,
    #""files":["data:text/plain;base64,AAAA"]"#, #""prompt":"hi""#, #""service_tier":"auto""#,
    #""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"$id":"https://a.example"}}}"#,
    #""prediction":{"type":"content","content":"x"}"#, #""audio":{"voice":"alloy","format":"mp3"}"#,
    #""reasoning":{"effort":"low"}"#, #""modalities":["text"],"seed":1"#,
  ])
  func `what names no file beside the messages counts its bytes`(members: String) throws {
    #expect(try tokens(beside(members)) == 0, "\(members)")
  }

  @Test func `a tool that describes what it takes names nothing`() throws {
    let tool =
      #"{"type":"function","function":{"name":"f","parameters":{"properties":{"url":{"default":"https://a.example"}}}}}"#
    #expect(try tokens(beside(#""tools":[\#(tool)]"#)) == 700)
  }

  @Test(arguments: [
    #"{"type":"text","text":"x","source":{"type":"url","url":"https://a.example/b.pdf"}}"#,
    #"{"type":"text","text":"x","source":"https://a.example/b.pdf"}"#,
    #"{"text":"x","source":{"file_id":"f"}}"#, #"{"type":"text","text":"x","file_id":"f"}"#,
    #"{"type":"input_text","text":"x","file":{"file_id":"f"}}"#,
    #"{"type":"text","text":"x","files":["f"]}"#,
    #"{"type":"tool_result","content":"x","source":{"type":"url","url":"https://a.example"}}"#,
  ])
  func `a text that names a file as well counts as a file`(part: String) throws {
    #expect(try tokens(content(part)) == 100_000, "\(part)")
  }

  @Test(arguments: [
    #"{"type":"text","text":"x","citations":[{"type":"url","url":"https://a.example","file_id":"f"}]}"#,
    #"{"type":"search_result","source":"https://a.example","title":"t","content":[{"type":"text","text":"x"}]}"#,
    #"{"type":"text","text":"x","id":"msg_1"}"#,
  ])
  func `a text that says where it is from is a text`(part: String) throws {
    #expect(try tokens(content(part)) == 0, "\(part)")
  }

  @Test func `a key that stands twice beside the messages is refused`() {
    #expect(throws: (any Error).self) {
      try tokens(beside(#""files":[{"url":"a","url":"b"}]"#))
    }
  }
}
