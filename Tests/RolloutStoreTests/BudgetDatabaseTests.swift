import Glibc
import RolloutCore
import RolloutTesting
import Synchronization
import Testing

@testable import RolloutStore

@Suite struct BudgetDatabaseTests {
  private let folder = TemporaryFolder()

  private func open() async throws -> (BudgetDatabase, DataDirectory) {
    let directory = try DataDirectory(folder.path)
    return (try await BudgetDatabase(directory, now: Samples.start), directory)
  }

  private func account(_ budget: String = "b", _ scope: String = "") -> BudgetAccount {
    BudgetAccount(budget: budget, scope: scope, windowStart: Samples.start)
  }

  private func line(_ account: BudgetAccount, _ dollars: Int, hard: Bool = true) -> BudgetLine {
    let limit = Money(nanodollars: dollars * 1_000_000_000)
    return BudgetLine(
      account: account, ceiling: hard ? limit : nil, limit: limit, alertAt: [50, 80, 100])
  }

  private let dime = Money(nanodollars: 100_000_000)

  private func balance(_ store: BudgetDatabase, _ budget: String = "b") async throws -> (
    spent: Int, reserved: Int
  ) {
    let all = try await store.balances(since: Samples.start)
    let found = all.first { $0.account.budget == budget }
    return (found?.spent.nanodollars ?? -1, found?.reserved.nanodollars ?? -1)
  }

  @Test func `a thousand at once never get beyond the ceiling`() async throws {
    let (store, _) = try await open()
    let lines = [line(account(), 5)]
    let served = try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<1000 {
        group.addTask {
          try await store.reserve("r\(number)", dime, lines, at: Samples.start) == nil
        }
      }
      return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(served == 50)
    #expect(try await balance(store) == (0, 5_000_000_000))
    await store.close()
  }

  @Test func `a reservation is made in all accounts or in none`() async throws {
    let (store, _) = try await open()
    let lines = [line(account("wide"), 100), line(account("narrow"), 0)]
    #expect(try await store.reserve("r", dime, lines, at: Samples.start) == account("narrow"))
    #expect(try await balance(store, "wide") == (0, 0))
    await store.close()
  }

  @Test func `settling twice counts once, and marks are told once`() async throws {
    let (store, _) = try await open()
    let lines = [line(account(), 1)]
    var marks: [Int] = []
    for number in 0..<10 {
      #expect(try await store.reserve("r\(number)", dime, lines, at: Samples.start) == nil)
      for _ in 0..<2 {
        marks += try await store.settle("r\(number)", [account(): dime], lines).map(\.percent)
      }
    }
    #expect(marks == [50, 80, 100])
    #expect(try await balance(store) == (1_000_000_000, 0))
    #expect(try await store.reserve("more", dime, lines, at: Samples.start) != nil)
    await store.close()
  }

  @Test func `a soft budget refuses nobody`() async throws {
    let (store, _) = try await open()
    let lines = [line(account(), 0, hard: false)]
    #expect(try await store.reserve("r", dime, lines, at: Samples.start) == nil)
    _ = try await store.settle("r", [account(): dime], lines)
    #expect(try await balance(store).spent == dime.nanodollars)
    await store.close()
  }

  @Test func `spending outlives the process, and an account comes back as it was`() async throws {
    let (first, directory) = try await open()
    let lines = [line(account(), 5)]
    for number in 0..<3 {
      _ = try await first.reserve("r\(number)", dime, lines, at: Samples.start)
      _ = try await first.settle("r\(number)", [account(): dime], lines)
    }
    await first.close()
    let again = try await BudgetDatabase(directory, now: Samples.start)
    #expect(try await balance(again) == (3 * dime.nanodollars, 0))
    let refused = try await again.reserve(
      "more", Money(nanodollars: 4_800_000_000), lines, at: Samples.start)
    #expect(refused == account())
    await again.close()
  }

  @Test func `rows that cannot be written are told of once, and nothing is lost meanwhile`()
    async throws
  {
    let told = Mutex<[StoreError?]>([])
    let directory = try DataDirectory(folder.path)
    let store = try await BudgetDatabase(directory, now: Samples.start) { error in
      told.withLock { $0.append(error) }
    }
    let lines = [line(account(), 5)]
    func spend(_ request: String) async throws {
      #expect(try await store.reserve(request, dime, lines, at: Samples.start) == nil)
      _ = try await store.settle(request, [account(): dime], lines)
    }
    try await spend("before")
    #expect(try await balance(store) == (dime.nanodollars, 0))
    try await store.database.write {
      try $0.execute(
        """
        CREATE TRIGGER fault BEFORE UPDATE ON account
        BEGIN
          SELECT RAISE(ABORT, 'the disk is on fire');
        END
        """)
    }
    for number in 0..<10 { try await spend("amid \(number)") }
    for _ in 0..<200 where told.withLock({ $0.isEmpty }) {
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(told.withLock { $0.count } == 1)
    #expect(told.withLock { $0.first.map { "\($0!)" } }?.contains("on fire") == true)
    // The ceiling holds without a disk.
    for number in 0..<39 { try await spend("more \(number)") }
    #expect(try await store.reserve("last", dime, lines, at: Samples.start) == account())
    #expect(try await balance(store) == (dime.nanodollars * 50, 0))
    try await takeRows(store)
    for _ in 0..<300 where told.withLock({ $0.count < 2 }) {
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(told.withLock { $0.count } == 2)
    #expect(told.withLock { $0.last == .some(nil) })
    #expect(try await balance(store) == (dime.nanodollars * 50, 0))
    await store.close()
  }

  /// Makes rows of new accounts fail, as a full disk does, while the file can be read.
  private func takeNoRows(_ store: BudgetDatabase) async throws {
    try await store.database.write {
      try $0.execute(
        """
        CREATE TRIGGER fault BEFORE INSERT ON account
        BEGIN
          SELECT RAISE(ABORT, 'the disk is full');
        END
        """)
    }
  }

  private func takeRows(_ store: BudgetDatabase) async throws {
    try await store.database.write { try $0.execute("DROP TRIGGER fault") }
  }

  @Test(arguments: [true, false])
  func `an account that can get no row begins in memory, and has one later`(isHard: Bool)
    async throws
  {
    let (store, directory) = try await open()
    let known = [line(account("known"), 1)]
    _ = try await store.reserve("first", dime, known, at: Samples.start)
    _ = try await store.settle("first", [account("known"): dime], known)
    #expect(try await balance(store, "known").spent == dime.nanodollars)
    try await takeNoRows(store)
    let lines = [line(account("new"), 1, hard: isHard), line(account("known"), 1)]
    for number in 0..<9 {
      #expect(try await store.reserve("r\(number)", dime, lines, at: Samples.start) == nil)
      _ = try await store.settle(
        "r\(number)", [account("new"): dime, account("known"): dime], lines)
    }
    #expect(try await store.reserve("beyond", dime, lines, at: Samples.start) == account("known"))
    #expect(try await balance(store, "new") == (9 * dime.nanodollars, 0))
    try await takeRows(store)
    for _ in 0..<300 {
      let rows = try await store.reading {
        try $0.query("SELECT budget FROM account") { $0.text(0) }
      }
      if rows.contains("new") { break }
      try await Task.sleep(for: .milliseconds(10))
    }
    let last = [line(account("new"), 1, hard: isHard)]
    #expect(try await store.reserve("last", dime, last, at: Samples.start) == nil)
    _ = try await store.settle("last", [account("new"): dime], last)
    await store.close()
    let again = try await BudgetDatabase(directory, now: Samples.start)
    #expect(try await balance(again, "new") == (10 * dime.nanodollars, 0))
    #expect(try await balance(again, "known") == (10 * dime.nanodollars, 0))
    await again.close()
  }

  @Test func `holds of an account without a row are lost spending after a crash`() async throws {
    let (store, directory) = try await open()
    try await takeNoRows(store)
    let lines = [line(account(), 1)]
    #expect(try await store.reserve("r", dime, lines, at: Samples.start) == nil)
    // It can write as little at its end as a crash does.
    await store.close()
    let file = try Connection(path: "\(folder.path)/budget.db", durability: .normal)
    try file.execute("DROP TRIGGER fault")
    file.close()
    let again = try await BudgetDatabase(directory, now: Samples.start)
    #expect(again.loss?.why.contains("no row") == true)
    #expect(try await again.reserve("more", dime, lines, at: Samples.start) == account())
    #expect(try await BudgetLossStoreContract.broken(by: again) == [])
    await again.close()
  }

  @Test func `what a crash left behind is paid in full`() async throws {
    let (first, directory) = try await open()
    let lines = [line(account(), 5)]
    _ = try await first.reserve("gone", dime, lines, at: Samples.start)
    await first.close()
    let again = try await BudgetDatabase(directory, now: Samples.start)
    #expect(try await balance(again) == (dime.nanodollars, 0))
    #expect(try await again.settle("gone", [account(): dime], lines).isEmpty)
    #expect(try await balance(again) == (dime.nanodollars, 0))
    await again.close()
  }
}

/// What a process that dies leaves in the file, at every step.
@Suite struct ReservationFileTests {
  private let folder = TemporaryFolder()
  private var path: String { "\(folder.path)/holds.bin" }
  private let dime = Money(nanodollars: 100_000_000)
  private let cent = Money(nanodollars: 10_000_000)

  private func leftOver(_ lastFlush: Int) throws -> [Int: Money] {
    var file = try ReservationFile(path: path)
    return file.leftOver(lastFlush: lastFlush)
  }

  /// A file in which account 1 holds a dime, account 2 has settled for a cent, account 3 was taken
  /// in by flush 7, and account 4 is free again.
  private func leave() throws {
    var file = try ReservationFile(path: path)
    file.clear(generation: 1)
    let slots = (1...4).compactMap { file.reserve(account: $0, dime) }
    try #require(slots.count == 4)
    for slot in slots.dropFirst() { file.settle(slot, cent) }
    file.mark(slots[2], flush: 7)
    file.release(slots[3])
  }

  @Test func `holds count in full, settled ones as spent, what a row has taken in not again`()
    throws
  {
    try leave()
    #expect(try leftOver(7) == [1: dime, 2: cent])
  }

  @Test func `a flush that did not get to its row is counted`() throws {
    try leave()
    #expect(try leftOver(6) == [1: dime, 2: cent, 3: cent])
  }

  @Test func `a crash amid the recovery counts nothing twice`() throws {
    try leave()
    _ = try leftOver(7)
    // The rows have it with flush 8; the file was not cleared.
    #expect(try leftOver(8).isEmpty)
    // The rows do not have it.
    #expect(try leftOver(7) == [1: dime, 2: cent])
  }

  @Test func `a cleared file holds nothing, and a full one says so`() throws {
    try leave()
    var file = try ReservationFile(path: path)
    file.clear(generation: 1)
    #expect(try leftOver(0).isEmpty)
    let held = (0..<ReservationFile.capacity).count { _ in file.reserve(account: 1, cent) != nil }
    #expect(held == ReservationFile.capacity)
    let more = file.reserve(account: 1, cent)
    #expect(more == nil)
    file.release(5)
    let again = file.reserve(account: 1, cent)
    #expect(again == 5)
  }

  @Test func `a foreign, cut or forged file is told from ours`() throws {
    folder.write(String(repeating: "\u{1}garbage", count: 10_000), to: "holds.bin")
    #expect(try ReservationFile(path: path).damage != nil)
    folder.write("", to: "holds.bin")
    try leave()
    #expect(try ReservationFile(path: path).damage == nil)
    #expect(try ReservationFile(path: path).strangers { _ in true } == 0)
    #expect(try ReservationFile(path: path).strangers { $0 != 2 } == 1)
    #expect(try ReservationFile(path: path, identity: "other").damage?.contains("another") == true)
    // Billions, in the place of the amount of the first hold.
    var bytes = folder.read("holds.bin")
    let first = try #require(bytes.indices.dropFirst(64).first { bytes[$0] != 0 }) & ~63
    bytes.replaceSubrange((first + 16)..<(first + 24), with: [0, 0, 0, 0, 0, 0, 0, 0x7F])
    try bytes.withUnsafeBytes { bytes in
      let descriptor = open(path, O_WRONLY)
      defer { close(descriptor) }
      try #require(pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count)
    }
    #expect(try ReservationFile(path: path).strangers { _ in true } == 1)
    truncate(path, 1000)
    #expect(try ReservationFile(path: path).damage?.contains("1000 bytes") == true)
  }

  @Test(arguments: [0, 1, 4096, 64 + 65_536 * 64, 65_536 * 64])
  func `a file in which nothing was ever written is a new one`(size: Int) throws {
    folder.write("", to: "holds.bin")
    truncate(path, size)
    var file = try ReservationFile(path: path)
    let (isNew, damage) = (file.isNew, file.damage)
    #expect(isNew)
    #expect(damage == nil)
    file.clear(generation: 1)
    let slot = file.reserve(account: 1, dime)
    #expect(slot != nil)
    #expect(try leftOver(0) == [1: dime])
  }

  @Test func `a file that is cut while it is in use ends nothing, and is made whole`() throws {
    var file = try ReservationFile(path: path)
    file.clear(generation: 1)
    let before = file.reserve(account: 1, dime)
    truncate(path, 0)
    let amid = file.reserve(account: 2, cent)
    let isRepaired = file.repair()
    #expect(isRepaired)
    let after = file.reserve(account: 3, cent)
    #expect([before, amid, after].allSatisfy { $0 != nil })
    #expect(file.trouble == nil)
    #expect(try leftOver(0) == [1: dime, 2: cent, 3: cent])
  }
}
