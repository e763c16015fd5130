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
}
