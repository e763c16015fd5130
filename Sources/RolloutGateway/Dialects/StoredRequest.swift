package import DocumentKit

/// What a job was asked, as it is kept until it is processed: the native request's body, and what
/// stood in fields beside it.
package struct StoredRequest: Sendable, Equatable {
  package var body: Document
  /// `X-Rollout-User`, which wins over the body.
  package var headerUser: String?
  /// `X-Rollout-Attributes`, as it was sent.
  package var attributes: String?

  package init(body: Document, headerUser: String?, attributes: String?) {
    self.body = body
    self.headerUser = headerUser
    self.attributes = attributes
  }

  /// From what `stored` was; nil for anything else.
  package init?(stored: [UInt8]) {
    guard let document = try? JSONReader.read(stored), let body = document["body"] else {
      return nil
    }
    self.init(
      body: body, headerUser: document["user"]?.string, attributes: document["attributes"]?.string)
  }

  package var stored: [UInt8] {
    Document.object([
      "body": body, "user": headerUser.map { .string($0) },
      "attributes": attributes.map { .string($0) },
    ]).json
  }
}
