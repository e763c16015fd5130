/// Bytes that the unfinished requests of one loop hold, by whose they are.
struct UploadRoom {
  private(set) var taken = 0
  private var byAccount: [Int: Int] = [:]

  mutating func add(_ count: Int, to account: Int) {
    guard count != 0 else { return }
    taken += count
    let sum = byAccount[account, default: 0] + count
    byAccount[account] = sum == 0 ? nil : sum
  }

  /// Who holds the most; nil when nobody holds anything.
  var heaviest: Int? { byAccount.max { $0.value < $1.value }?.key }
}
