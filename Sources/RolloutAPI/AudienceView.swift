package import RolloutCore

/// Who joins and who leaves by a file: told from how the plans are written, by rule, cohort, list
/// and share.
package struct AudienceView: Codable, Sendable, Equatable {
  package struct Part: Codable, Sendable, Equatable {
    /// `share`, `rule`, `cohort`, `list`, `eligible`, `holdout`, `force_off` or `values`.
    package var by: String
    /// The stage whose audience it is; absent for what is about the whole plan.
    package var stage: String?
    package var what: String
  }

  package var joins: [Part]
  package var leaves: [Part]
  /// Persons other than the one who applies the file that must approve it.
  package var approvalsNeeded: Int

  package init(_ change: AudienceChange) {
    joins = change.joins.map(Part.init)
    leaves = change.leaves.map(Part.init)
    approvalsNeeded = change.approvals
  }
}

extension AudienceView.Part {
  fileprivate init(_ part: AudienceChange.Part) {
    by = part.by.rawValue
    stage = part.stage
    what = part.what
  }
}

/// A file that is approved and not applied yet.
package struct FileApprovalView: Codable, Sendable, Equatable {
  /// `sha256:` and the digest of the file in its canonical form.
  package var file: String
  package var approvedBy: [String]

  /// In the order of the first approvals.
  static func all(_ plan: Plan) -> [FileApprovalView] {
    var views: [FileApprovalView] = []
    for approval in plan.fileApprovals {
      if let index = views.firstIndex(where: { $0.file == approval.digest }) {
        views[index].approvedBy.append(approval.name)
      } else {
        views.append(FileApprovalView(file: approval.digest, approvedBy: [approval.name]))
      }
    }
    return views
  }
}
