/// A user id is any non-empty UTF-8 of up to 512 bytes. An empty one counts as missing: it would
/// put every signed-out visitor into one bucket.
package enum UserID {
  /// Bytes.
  package static let lengthMax = 512
}
