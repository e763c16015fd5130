package import DocumentKit
package import RolloutCore
package import RolloutEvaluation

/// Providers, prices and routes, as `rollout.yaml` states them.
package struct GatewayConfiguration: Sendable {
  package enum ProviderKind: String, Sendable, CaseIterable {
    case openai, anthropic, echo
  }

  package struct ProviderKey: Sendable, Equatable {
    /// The environment variable or the file that holds it; what people are told.
    package var name: String
    package var secret: String
  }

  package struct ProviderSettings: Sendable, Equatable {
    package var name: String
    package var kind: ProviderKind
    package var baseURL = ""
    /// Empty for a provider that needs none. Several share the calls, and stand in for each other.
    package var keys: [ProviderKey] = []
    /// Calls at once; more wait.
    package var maxInFlight = 500
    /// What it allows each key, where that is known beforehand; its answers may say less.
    package var requestLimit: RateLimit?
    package var tokenLimit: RateLimit?
    /// For `echo`: how long it thinks, and which share of calls fails on purpose.
    package var latency = TimeSpan.zero
    package var failing = Share.none
    /// Whether it is asked a neutral question before a feature is blamed for its failures.
    package var isProbed = true
  }

  package struct Target: Sendable {
    package var provider: String
    package var model: String
    /// The whole attempt; nil leaves it to the route's deadline.
    package var timeout: TimeSpan?
    package var connect = TimeSpan.seconds(5)
    /// For streams: from the start to the first piece of content.
    package var firstContent: TimeSpan?
    /// Between two pieces of an answer.
    package var idle = TimeSpan.seconds(15)
    /// Members put into the request body, over what the caller sent.
    package var params: [Document.Member] = []
  }

  package struct Route: Sendable {
    package var name: String
    package var deadline = TimeSpan.seconds(30)
    package var targets: [Target]
    /// nil caches nothing.
    package var cache: CachePolicy?
  }

  /// How long answers are given again.
  package struct CachePolicy: Sendable, Equatable {
    package var ttl: TimeSpan
    /// How long beyond that they stand in for providers that fail.
    package var staleIfError = TimeSpan.zero
    /// Whether one user's answer may be given to another.
    package var isPublic = false
  }

  /// Who may wait for a provider that has no room.
  package struct Queue: Sendable, Equatable {
    /// Requests that wait at one provider.
    package var length = 1000
    package var wait = TimeSpan.seconds(20)
  }

  /// Which prompts and answers are kept for people to judge. Off unless it is configured.
  package struct Capture: Sendable {
    package var share: Share
    package var keepFor = TimeSpan.days(7)
    /// nil for all.
    package var features: Set<String>?
    package var redactor: Redactor
  }

  /// Requests that are answered later.
  package struct Jobs: Sendable, Equatable {
    /// Processed at once.
    package var concurrency = 10
    /// Waiting at most; more are refused.
    package var length = 10_000
    /// How long a result can be fetched.
    package var keepFor = TimeSpan.days(1)
  }

  /// Per million tokens.
  package struct Price: Sendable {
    package var input: Money
    package var output: Money
    /// Tokens that an image counts.
    package var imageTokens = Attachments.imageTokensDefault
  }

  package var providers: [String: ProviderSettings] = [:]
  package var prices: [String: Price] = [:]
  package var routes: [String: Route] = [:]
  package var budgets: [Budget] = []
  /// Requests of one user, and of one token; nil for no limit.
  package var userLimit: RateLimit?
  package var appLimit: RateLimit?
  package var queue = Queue()
  package var jobs = Jobs()
  /// nil keeps nothing.
  package var capture: Capture?

  package init() {}

  /// Reads the gateway's part of the configuration. `secrets` looks them up by name.
  package init(
    _ file: inout ObjectReader, secrets: SecretSource
  ) throws(DocumentError) {
    if var list = try file.object("providers") {
      for member in list.all() {
        providers[member.key] = try decodeProvider(member, list.path(to: member.key), secrets)
      }
    }
    if var list = try file.object("prices") {
      for member in list.all() {
        var price = try ObjectReader(member.value, path: list.path(to: member.key))
        var new = Price(
          input: try perMillion(&price, "input"), output: try perMillion(&price, "output"))
        new.imageTokens = try price.int("image", in: 0...1_000_000) ?? new.imageTokens
        prices[member.key] = new
        try price.finish()
      }
    }
    if var limits = try file.object("limits") {
      userLimit = try rate(&limits, "per_user")
      appLimit = try rate(&limits, "per_app")
      if var reader = try limits.object("queue") {
        queue.length = try reader.int("length", in: 0...100_000) ?? queue.length
        queue.wait = try span(&reader, "wait") ?? queue.wait
        try reader.finish()
      }
      try limits.finish()
    }
    if var reader = try file.object("jobs") {
      jobs.concurrency = try reader.int("concurrency", in: 1...1000) ?? jobs.concurrency
      jobs.length = try reader.int("length", in: 0...1_000_000) ?? jobs.length
      jobs.keepFor = try span(&reader, "keep") ?? jobs.keepFor
      try reader.finish()
    }
    if var reader = try file.object("capture") { capture = try decodeCapture(&reader) }
    for item in try file.list("budgets") ?? [] {
      let budget = try decodeBudget(item)
      guard !budgets.contains(where: { $0.name == budget.name }) else {
        throw file.error("budgets", "Two budgets are named \(quoted(budget.name)).")
      }
      budgets.append(budget)
    }
    if var list = try file.object("routes") {
      for member in list.all() {
        routes[member.key] = try decodeRoute(member, list.path(to: member.key), Set(providers.keys))
      }
    }
  }
}

private func perMillion(
  _ reader: inout ObjectReader, _ key: String
) throws(DocumentError) -> Money {
  let text = try reader.requiredText(key)
  guard let money = Money(text) else {
    throw reader.error(key, "Expected US dollars per million tokens, such as 2.50.")
  }
  return money
}

private func decodeProvider(
  _ member: Document.Member, _ path: String, _ secrets: SecretSource
) throws(DocumentError) -> GatewayConfiguration.ProviderSettings {
  var reader = try ObjectReader(member.value, path: path)
  guard let kind: GatewayConfiguration.ProviderKind = try reader.choice("kind") else {
    throw DocumentError(
      "A provider needs a kind: openai, anthropic or echo.", at: reader.position, path: path)
  }
  var settings = GatewayConfiguration.ProviderSettings(name: member.key, kind: kind)
  settings.maxInFlight = try reader.int("max_in_flight", in: 1...100_000) ?? 500
  if let probe = try reader.text("probe") {
    guard ["on", "off", "true", "false"].contains(probe) else {
      throw reader.error("probe", "Expected on or off.")
    }
    settings.isProbed = probe == "on" || probe == "true"
  }
  if var limits = try reader.object("limits") {
    settings.requestLimit = try rate(&limits, "requests")
    settings.tokenLimit = try rate(&limits, "tokens")
    try limits.finish()
  }
  switch kind {
  case .openai, .anthropic:
    settings.baseURL = try reader.requiredText("base_url")
    while settings.baseURL.hasSuffix("/") { settings.baseURL.removeLast() }
    guard settings.baseURL.hasPrefix("http://") || settings.baseURL.hasPrefix("https://") else {
      throw reader.error("base_url", "Expected an http or https URL.")
    }
    settings.keys = try decodeKeys(&reader, secrets)
  case .echo:
    settings.latency = try span(&reader, "latency") ?? .zero
    if let text = try reader.text("failing") {
      if let doubt = Share.doubt(about: text) { throw reader.error("failing", doubt) }
      guard let share = Share(text) else {
        throw reader.error("failing", "Expected a share such as 30%.")
      }
      settings.failing = share
    }
  }
  try reader.finish()
  return settings
}

/// `api_key_env` and `api_key_file`: where one key is, or several.
private func decodeKeys(
  _ reader: inout ObjectReader, _ secrets: SecretSource
) throws(DocumentError) -> [GatewayConfiguration.ProviderKey] {
  let keys = try secrets.readAll(&reader, "api_key")
  guard keys.count <= 16, Set(keys.map(\.name)).count == keys.count else {
    throw reader.error("api_key_env", "Expected at most 16 names, each once.")
  }
  // A line break in it would break every call's head.
  if let bad = keys.first(where: { !$0.text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } }) {
    throw reader.error(
      "api_key_env",
      "The key in \(quoted(bad.name)) holds a space, a line break or what is not ASCII.")
  }
  return keys.map { .init(name: $0.name, secret: $0.text) }
}

private func decodeRoute(
  _ member: Document.Member, _ path: String, _ providers: Set<String>
) throws(DocumentError) -> GatewayConfiguration.Route {
  var reader = try ObjectReader(member.value, path: path)
  let deadline = try span(&reader, "deadline") ?? .seconds(30)
  guard let list = try reader.list("targets"), !list.isEmpty, list.count <= 10 else {
    throw reader.error("targets", "A route needs 1–10 targets.")
  }
  let cache = try decodeCache(&reader)
  try reader.finish()
  var targets: [GatewayConfiguration.Target] = []
  for (element, path) in list {
    var target = try ObjectReader(element, path: path)
    let provider = try target.requiredText("provider")
    guard providers.contains(provider) else {
      throw target.error(
        "provider",
        "There is no provider \(quoted(provider)); known: \(providers.sorted().joined(separator: ", "))."
      )
    }
    var new = GatewayConfiguration.Target(
      provider: provider, model: try target.requiredText("model"))
    new.timeout = try span(&target, "timeout")
    new.connect = try span(&target, "connect") ?? new.connect
    new.firstContent = try span(&target, "first_content")
    new.idle = try span(&target, "idle") ?? new.idle
    if var params = try target.object("params") {
      new.params = params.all()
      try OutputBound.check(new.params)
    }
    try target.finish()
    targets.append(new)
  }
  return .init(name: member.key, deadline: deadline, targets: targets, cache: cache)
}

private enum CacheScope: String, CaseIterable {
  case user
  case everyone = "public"
}

private func decodeCache(
  _ route: inout ObjectReader
) throws(DocumentError) -> GatewayConfiguration.CachePolicy? {
  guard var reader = try route.object("cache") else { return nil }
  guard let ttl = try span(&reader, "ttl") else {
    throw reader.error("ttl", "Say how long an answer is fresh, such as 10m.")
  }
  var policy = GatewayConfiguration.CachePolicy(ttl: ttl)
  policy.staleIfError = try span(&reader, "stale_if_error") ?? .zero
  let scope: CacheScope? = try reader.choice("scope")
  policy.isPublic = scope == .everyone
  try reader.finish()
  return policy
}

private func decodeCapture(
  _ reader: inout ObjectReader
) throws(DocumentError) -> GatewayConfiguration.Capture {
  let sample = try reader.requiredText("sample")
  if let doubt = Share.doubt(about: sample) { throw reader.error("sample", doubt) }
  guard let share = Share(sample) else {
    throw reader.error("sample", "Expected a share of the requests such as 1%.")
  }
  let patterns = try reader.texts("redact") ?? []
  let redactor: Redactor
  do throws(Redactor.BadPattern) { redactor = try Redactor(patterns) } catch {
    throw reader.error(
      "redact",
      "\(quoted(error.pattern)) is no regular expression that is known here: "
        + "\(error.reason).")
  }
  var capture = GatewayConfiguration.Capture(share: share, redactor: redactor)
  capture.keepFor = try span(&reader, "ttl") ?? capture.keepFor
  capture.features = try reader.texts("features").map(Set.init)
  try reader.finish()
  return capture
}

private func rate(
  _ reader: inout ObjectReader, _ key: String
) throws(DocumentError) -> RateLimit? {
  guard let text = try reader.text(key) else { return nil }
  guard let limit = RateLimit(text) else {
    throw reader.error(key, "Expected a rate such as 20/min; units are s, min, h and d.")
  }
  return limit
}

private func decodeBudget(
  _ item: (element: Document, path: String)
) throws(DocumentError) -> Budget {
  var reader = try ObjectReader(item.element, path: item.path)
  let name = try reader.requiredText("name")
  guard isName(name) else { throw reader.error("name", "A name is 1–128 of a–z A–Z 0–9 . _ -") }
  guard let limit = Money(try reader.requiredText("limit_usd")) else {
    throw reader.error("limit_usd", "Expected US dollars, such as 500 or 0.50.")
  }
  var budget = Budget(name: name, limit: limit)
  budget.period = try reader.choice("window") ?? .month
  budget.division = try reader.choice("per")
  budget.isHard = try reader.bool("hard") ?? true
  if var match = try reader.object("match") {
    budget.feature = try match.requiredText("feature")
    try match.finish()
  }
  if let marks = try reader.list("alert_at") {
    budget.alertAt = []
    for (element, path) in marks {
      guard let percent = element.int, (1...1000).contains(percent) else {
        throw DocumentError("Expected a percent from 1 to 1000.", at: element.position, path: path)
      }
      budget.alertAt.append(percent)
    }
  }
  try reader.finish()
  return budget
}

private func span(_ reader: inout ObjectReader, _ key: String) throws(DocumentError) -> TimeSpan? {
  guard let text = try reader.text(key) else { return nil }
  guard let span = TimeSpan(text), span > .zero else {
    throw reader.error(
      key,
      TimeSpan.refusal(of: text, "Expected a duration above zero, such as 200ms, 10s or 1m."))
  }
  return span
}
