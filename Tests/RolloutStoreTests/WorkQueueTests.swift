import Testing

@testable import RolloutStore

/// The order in which a database's thread takes its work.
@Suite struct WorkQueueTests {
  private let queue = WorkQueue<String>()

  @Test func `a commit waits for one page of history at most, however many are asked for`() {
    for page in 1...20 { #expect(queue.append("page \(page)", isAside: true)) }
    #expect(queue.takeAll() == ["page 1"])
    #expect(queue.append("pause"))
    #expect(queue.append("kill"))
    #expect(queue.takeAll() == ["pause", "kill"])
    #expect(queue.append("resume"))
    #expect(queue.takeAll() == ["page 2"])
    #expect(queue.takeAll() == ["resume"])
  }

  @Test func `pages have their turn, however many commits there are`() {
    for page in 1...3 { #expect(queue.append("page \(page)", isAside: true)) }
    var taken: [String] = []
    for _ in 0..<6 {
      #expect(queue.append("commit"))
      taken += queue.takeAll() ?? []
    }
    #expect(taken.filter { $0 != "commit" } == ["page 1", "page 2", "page 3"])
  }

  @Test func `what was taken in before the end is still done`() {
    #expect(queue.append("commit"))
    #expect(queue.append("page", isAside: true))
    queue.close()
    #expect(!queue.append("late"))
    #expect([queue.takeAll(), queue.takeAll(), queue.takeAll()] == [["commit"], ["page"], nil])
  }
}
