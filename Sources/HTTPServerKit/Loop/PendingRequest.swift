import PlatformKit

/// A request whose head is known and whose body is not complete. Apart from the connection, so that
/// an idle one stays small.
final class PendingRequest {
  let head: RequestHead
  /// Whose upload it is.
  let account: Int
  /// Whether its sender gives up after a 4xx, and sends again after a 503.
  let isSentAgain: Bool
  /// The head's bytes, when the body comes in chunks and the input is consumed as it arrives.
  let headBytes: [UInt8]
  /// nil when the body has a length and is waited for in the input.
  var decoder: ChunkedDecoder?

  init(
    _ head: RequestHead, account: Int, isSentAgain: Bool, headBytes: [UInt8] = [],
    decoder: ChunkedDecoder? = nil
  ) {
    self.head = head
    self.account = account
    self.isSentAgain = isSentAgain
    self.headBytes = headBytes
    self.decoder = decoder
  }

  /// Bytes that the whole of it will take in the input; nil where it is consumed as it arrives.
  var lengthInInput: Int? {
    guard case .length(let length) = head.framing else { return nil }
    return head.length + length
  }

  /// Bytes it holds beside the connection's input.
  var held: Int { headBytes.count + (decoder?.body.count ?? 0) }
}
