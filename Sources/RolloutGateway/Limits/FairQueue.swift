/// A queue in which apps take turns, and the users of each app among themselves: whoever sends a
/// thousand requests waits behind none of their own, and nobody waits behind the thousand, however
/// many names they are sent under.
package struct FairQueue<Element: Hashable & Sendable>: Sendable {
  private var apps: [String: Turns<Element>] = [:]
  /// Apps that wait, the next one first.
  private var order: [String] = []
  package private(set) var count = 0

  package init() {}

  package var isEmpty: Bool { count == 0 }

  package mutating func append(_ element: Element, app: String = "", user: String) {
    if apps[app] == nil { order.append(app) }
    apps[app, default: Turns()].append(element, user)
    count += 1
  }

  /// Whose turn it is.
  package var first: Element? { order.first.flatMap { apps[$0]?.first } }

  /// Takes the first element; its app then goes to the end, and its user to the end of the app's.
  package mutating func popFirst() -> Element? {
    guard let app = order.first, let element = apps[app]?.popFirst() else { return nil }
    order.removeFirst()
    if apps[app]?.isEmpty == true { apps[app] = nil } else { order.append(app) }
    count -= 1
    return element
  }

  /// Takes out an element; false when it is not there. O(apps + users + the user's elements).
  @discardableResult
  package mutating func remove(_ element: Element, app: String = "", user: String) -> Bool {
    guard apps[app]?.remove(element, user) == true else { return false }
    if apps[app]?.isEmpty == true {
      apps[app] = nil
      order.removeAll { $0 == app }
    }
    count -= 1
    return true
  }

  /// How many will be served before `element`, with it: 1 is next; nil when it is not there.
  package func position(of element: Element, app: String = "", user: String) -> Int? {
    guard let own = apps[app]?.position(of: element, user),
      let turn = order.firstIndex(of: app)
    else { return nil }
    // Everybody before it gets one turn more than it has had rounds.
    return order.enumerated().reduce(0) { sum, other in
      sum + min(apps[other.element]?.count ?? 0, own - 1 + (other.offset <= turn ? 1 : 0))
    }
  }

  /// How many of an app wait.
  package func count(of app: String) -> Int { apps[app]?.count ?? 0 }

  /// The last that would be served of the app that has most waiting; nil when nobody waits. O(apps
  /// + the app's users).
  package var lastOfLargest: (element: Element, app: String, user: String)? {
    guard let (app, turns) = apps.max(by: { $0.value.count < $1.value.count }),
      let (element, user) = turns.last
    else { return nil }
    return (element, app, user)
  }
}

/// The users of one app.
private struct Turns<Element: Hashable & Sendable>: Sendable {
  private var lanes: [String: [Element]] = [:]
  /// Users who wait, the next one first.
  private var order: [String] = []
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }
  var first: Element? { order.first.flatMap { lanes[$0]?.first } }

  /// The last element of the user who has most.
  var last: (element: Element, user: String)? {
    guard let user = order.max(by: { (lanes[$0]?.count ?? 0) < (lanes[$1]?.count ?? 0) }),
      let element = lanes[user]?.last
    else { return nil }
    return (element, user)
  }

  mutating func append(_ element: Element, _ user: String) {
    if lanes[user] == nil { order.append(user) }
    lanes[user, default: []].append(element)
    count += 1
  }

  mutating func popFirst() -> Element? {
    guard let user = order.first, let element = lanes[user]?.first else { return nil }
    lanes[user]?.removeFirst()
    order.removeFirst()
    if lanes[user]?.isEmpty == true { lanes[user] = nil } else { order.append(user) }
    count -= 1
    return element
  }

  mutating func remove(_ element: Element, _ user: String) -> Bool {
    guard let index = lanes[user]?.firstIndex(of: element) else { return false }
    lanes[user]?.remove(at: index)
    if lanes[user]?.isEmpty == true {
      lanes[user] = nil
      order.removeAll { $0 == user }
    }
    count -= 1
    return true
  }

  func position(of element: Element, _ user: String) -> Int? {
    guard let own = lanes[user]?.firstIndex(of: element), let turn = order.firstIndex(of: user)
    else { return nil }
    return order.enumerated().reduce(0) { sum, other in
      sum + min(lanes[other.element]?.count ?? 0, own + (other.offset <= turn ? 1 : 0))
    }
  }
}
