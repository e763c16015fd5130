package import DocumentKit

/// Jobs, the last one made first; without their answers.
package struct JobPage: Codable, Sendable {
  package var jobs: [JobView]
  package var next: Nullable<String>

  package init(jobs: [JobView], next: String?) {
    self.jobs = jobs
    self.next = Nullable(next)
  }
}
