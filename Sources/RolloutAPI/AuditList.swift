package import DocumentKit

/// `GET /v1/audit`: who changed what beside the plans, newest first.
package struct AuditList: Codable, Sendable {
  package var audit: [AuditView]
  package var next: Nullable<String>

  package init(audit: [AuditView], next: String?) {
    self.audit = audit
    self.next = Nullable(next)
  }
}
