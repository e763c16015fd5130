import HTTPKit
import Testing

@testable import HTTPServerKit

@Suite struct ByteViewTests {
  @Test func `the end of a field value is where the first control byte stands, at any alignment`() {
    for length in 0...25 {
      for position in 0..<max(length, 1) {
        for byte in UInt8.min...UInt8.max {
          var bytes = [UInt8](repeating: UInt8(ascii: "v"), count: length)
          // A tab before it is part of a value and must not end the search.
          if length > 0 { bytes[position] = byte }
          if position > 2 { bytes[position - 2] = 0x09 }
          let plain = bytes.firstIndex { !FieldGrammar.isFieldValue($0) } ?? length
          let found = bytes.withUnsafeBufferPointer { ByteView($0).endOfFieldValue(from: 0) }
          #expect(found == plain, "\(bytes)")
        }
      }
    }
  }
}
