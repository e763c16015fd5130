package import DocumentKit

/// A place of a plan file that names a time zone.
package struct ZoneMention: Sendable, Equatable {
  package var name: String
  package var position: Position
  package var path: String
}
