import DigestKit
import DocumentKit
import RolloutCore
import RolloutStore

extension PlanDefinition {
  /// Names the file: SHA-256 of its canonical form, whatever it was written in.
  var digest: String { "sha256:" + Digest.hexadecimal(Digest.sha256(document.json)) }
}
