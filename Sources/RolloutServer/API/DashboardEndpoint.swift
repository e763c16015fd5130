import DigestKit
import HTTPKit
import HTTPServerKit
import RolloutAPI

/// The dashboard: one page for all its addresses, and what that loads. All of it is compiled in and
/// needs no token; what it shows it asks the API for.
struct DashboardEndpoint: Sendable {
  /// Addresses of the page. It is one and the same: its script reads the address.
  private static let pages = [
    "/", "/plans/{feature}", "/activity", "/providers", "/money", "/tokens", "/jobs",
    "/act/{link}",
  ]

  var routes: [Route] {
    Self.pages.map { path in
      Route(
        .get, path, .open, query: .ignored,
        .inline { request, reply in Self.page.send(request, reply) })
    } + [
      Route(
        .get, "/assets/{name}", .open, query: .ignored,
        .inline { request, reply in
          guard let asset = Self.assets[request.parameter(0).string] else {
            let problem = Problem(.notFound, "The dashboard has no such file.")
            return reply.send(Dialect.native.error(problem))
          }
          asset.send(request, reply)
        })
    ]
  }

  /// A file that is compiled in.
  private struct Asset: Sendable {
    /// Nothing is loaded from elsewhere, nothing is written into the page as script or style, and
    /// no other page may frame it.
    private static let policy = """
      default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
      connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'
      """

    let type: StaticString
    let body: [UInt8]
    private let tag: String

    init(_ type: StaticString, _ body: [UInt8]) {
      self.type = type
      self.body = body
      tag = "\"\(Digest.hexadecimal(Array(Digest.sha256(body).prefix(12))))\""
    }

    /// Asked for anew each time, so that a new server is never shown with an old script; what has
    /// not changed is not sent again.
    func send(_ request: InlineRequest, _ reply: Reply) {
      if request.view.field("if-none-match")?.string == tag {
        return reply.sendNotModified(entityTag: Array(tag.utf8))
      }
      reply.send(
        HTTPResponse(
          status: 200, contentType: type,
          headers: [
            ("Content-Security-Policy", Self.policy), ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"), ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cache-Control", "no-cache"), ("ETag", tag),
          ], body: body, isBodyKept: true))
    }
  }

  private static let page = Asset("text/html; charset=utf-8", PackageResources.index_html)

  /// Each file of `Dashboard/` but the page, by its name.
  private static let assets: [String: Asset] = {
    func script(_ body: [UInt8]) -> Asset { Asset("text/javascript; charset=utf-8", body) }
    return [
      "style.css": Asset("text/css; charset=utf-8", PackageResources.style_css),
      "icon.svg": Asset("image/svg+xml", PackageResources.icon_svg),
      "app.js": script(PackageResources.app_js),
      "act.js": script(PackageResources.act_js),
      "actions.js": script(PackageResources.actions_js),
      "activity.js": script(PackageResources.activity_js),
      "figures.js": script(PackageResources.figures_js),
      "jobs.js": script(PackageResources.jobs_js),
      "money.js": script(PackageResources.money_js),
      "page.js": script(PackageResources.page_js),
      "plan.js": script(PackageResources.plan_js),
      "plancharts.js": script(PackageResources.plancharts_js),
      "plandata.js": script(PackageResources.plandata_js),
      "planparts.js": script(PackageResources.planparts_js),
      "providers.js": script(PackageResources.providers_js),
      "rollouts.js": script(PackageResources.rollouts_js),
      "server.js": script(PackageResources.server_js),
      "tokens.js": script(PackageResources.tokens_js),
      "words.js": script(PackageResources.words_js),
    ]
  }()
}
