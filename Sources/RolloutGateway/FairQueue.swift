/// A queue in which users take turns: whoever sends a thousand requests waits behind none of their
/// own, and nobody waits behind the thousand.
package struct FairQueue<Element: Hashable & Sendable>: Sendable {
  private var lanes: [String: [Element]] = [:]
  /// Users who wait, the next one first.
  private var turns: [String] = []
  package private(set) var count = 0

  package init() {}

  package var isEmpty: Bool { count == 0 }

  package mutating func append(_ element: Element, user: String) {
    if lanes[user] == nil { turns.append(user) }
    lanes[user, default: []].append(element)
    count += 1
  }

  /// Whose turn it is.
  package var first: Element? { turns.first.flatMap { lanes[$0]?.first } }

  /// Takes the first element; its user then goes to the end.
  package mutating func popFirst() -> Element? {
    guard let user = turns.first, var lane = lanes[user] else { return nil }
    let element = lane.removeFirst()
    turns.removeFirst()
    lanes[user] = lane.isEmpty ? nil : lane
    if !lane.isEmpty { turns.append(user) }
    count -= 1
    return element
  }

  /// Takes out an element; false when it is not there. O(users + the user's elements).
  @discardableResult
  package mutating func remove(_ element: Element, user: String) -> Bool {
    guard var lane = lanes[user], let index = lane.firstIndex(of: element) else { return false }
    lane.remove(at: index)
    lanes[user] = lane.isEmpty ? nil : lane
    if lane.isEmpty { turns.removeAll { $0 == user } }
    count -= 1
    return true
  }

  /// How many will be served before `element`, with it: 1 is next; nil when it is not there.
  package func position(of element: Element, user: String) -> Int? {
    guard let own = lanes[user]?.firstIndex(of: element),
      let turn = turns.firstIndex(of: user)
    else { return nil }
    // Everybody before it gets one turn more than it has had rounds.
    return turns.enumerated().reduce(0) { sum, other in
      sum + min(lanes[other.element]?.count ?? 0, own + (other.offset <= turn ? 1 : 0))
    }
  }
}
