internal import CZlib
package import HTTPKit

/// How a request's body is coded (RFC 9110 §8.4.1), as far as it is decoded here.
package enum ContentCoding: Sendable {
  case gzip, deflate

  /// What `Accept-Encoding` says of a coding that is not one of them.
  package static let accepted = "gzip, deflate"

  /// Not decoded, and why.
  package enum Failure: Error, Equatable {
    /// More than was allowed; decoding stopped there.
    case tooLarge
    /// Damaged, cut off, or something else altogether.
    case malformed
  }

  /// A single known coding; nil for all else, lists too.
  package init?(_ field: ByteView) {
    if field.equalsIgnoringCase("gzip") || field.equalsIgnoringCase("x-gzip") {
      self = .gzip
    } else if field.equalsIgnoringCase("deflate") {
      self = .deflate
    } else {
      return nil
    }
  }

  /// zlib's way to ask for one format and no other: gzip's header, or its own.
  private var windowBits: Int32 {
    switch self {
    case .gzip: 15 + 16
    case .deflate: 15
    }
  }

  /// Bytes decoded in one step.
  private static let stepSize = 64 * 1024

  /// The decoded body. Nothing is made beyond `sizeMax` and a step, whatever the input promises.
  package func decode(_ coded: [UInt8], sizeMax: Int) throws(Failure) -> [UInt8] {
    // zlib keeps the stream's address.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    guard cz_inflate_init(stream, windowBits) == Z_OK else { throw .malformed }
    defer { inflateEnd(stream) }
    var coded = coded
    var decoded: [UInt8] = []
    var step = [UInt8](repeating: 0, count: Self.stepSize)
    var failure: Failure?
    coded.withUnsafeMutableBufferPointer { input in
      stream.pointee.next_in = input.baseAddress
      // No body is that large: the caller has limited what it received.
      stream.pointee.avail_in = UInt32(clamping: input.count)
      repeat {
        let (code, count) = inflateOnce(stream, &step)
        decoded.append(contentsOf: step[..<count])
        if decoded.count > sizeMax { failure = .tooLarge }
        switch code {
        case Z_OK where count > 0 || stream.pointee.avail_in > 0: continue
        // A gzip file may have several members, one after the other (RFC 1952 §2.2).
        case Z_STREAM_END where stream.pointee.avail_in > 0 && self == .gzip:
          if inflateReset(stream) != Z_OK { failure = .malformed }
        case Z_STREAM_END where stream.pointee.avail_in == 0: return
        default: failure = failure ?? .malformed
        }
      } while failure == nil
    }
    if let failure { throw failure }
    return decoded
  }

  private func inflateOnce(
    _ stream: UnsafeMutablePointer<z_stream>, _ step: inout [UInt8]
  ) -> (code: Int32, count: Int) {
    step.withUnsafeMutableBufferPointer { output in
      stream.pointee.next_out = output.baseAddress
      stream.pointee.avail_out = UInt32(clamping: output.count)
      let code = inflate(stream, Z_NO_FLUSH)
      return (code, output.count - Int(stream.pointee.avail_out))
    }
  }
}
