import HTTPKit
import HTTPServerKit
import RolloutCore

/// The cookie of a browser that is signed in.
enum SessionCookie {
  private static let name = "rollout_session"
  /// Bytes of a `Cookie` field that are looked at.
  private static let fieldMax = 4096

  /// What it holds; nil where it was not sent.
  static func secret(in request: RequestView) -> [UInt8]? {
    guard let field = request.field("cookie"), field.count <= fieldMax else { return nil }
    for pair in field.string.split(separator: ";") {
      let pair = pair.drop { $0 == " " }
      if pair.hasPrefix("\(name)=") { return Array(pair.dropFirst(name.count + 1).utf8) }
    }
    return nil
  }

  /// Set until it expires. A secure one is kept and sent over TLS only.
  static func setting(_ secret: String, isSecure: Bool) -> String {
    attributes(secret, maxAge: SessionDirectory.lifetime.milliseconds / 1000, isSecure)
  }

  static func clearing(isSecure: Bool) -> String { attributes("", maxAge: 0, isSecure) }

  private static func attributes(_ value: String, maxAge: Int64, _ isSecure: Bool) -> String {
    "\(name)=\(value); Path=/; Max-Age=\(maxAge); HttpOnly; SameSite=Strict"
      + (isSecure ? "; Secure" : "")
  }
}

extension RequestView {
  /// Whether it changes something, by its method.
  var isUnsafe: Bool { ![.get, .head, .options, .trace].contains(method) }

  /// Whether our own page's script sent it: a field that no form can send, and a browser's word
  /// that the page is of this origin.
  var isFromOwnPage: Bool {
    field("x-rollout")?.equals("1") == true && (isOfSameOrigin ?? false)
  }

  /// What the browser says of the page behind it; nil where it says nothing, as programs do.
  var isOfSameOrigin: Bool? {
    if let site = field("sec-fetch-site") { return site.equals("same-origin") }
    guard let origin = field("origin") else { return nil }
    let text = origin.string.lowercased()
    guard let host = field("host")?.string.lowercased(),
      let scheme = ["http://", "https://"].first(where: { text.hasPrefix($0) })
    else { return false }
    return text.dropFirst(scheme.count) == host
  }
}
