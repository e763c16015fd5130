import Glibc
import RolloutCore
import Synchronization

/// The holds of requests under way, in a file that is mapped into memory: a hold is on its way to
/// the disk the moment it is written, without a system call, and outlives the process however it
/// ends.
///
/// A table of equal slots, one for each account of each request. A slot is `held`, then `settled`
/// with what was really spent, then `free` once an account's row has taken it in. Which settled
/// slots a row has taken in is told by the flush's number, which row and slot both keep: so a crash
/// between the two counts nothing twice.
///
/// Not thread-safe: its owner has a mutex.
struct HoldFile: ~Copyable {
  /// A slot's number.
  typealias Slot = Int32

  /// Slots there are: accounts of requests under way, and of those settled since the last flush.
  static let capacity = 65_536
  private static let slotSize = 64

  private enum State {
    static let free: UInt64 = 0
    static let held: UInt64 = 1
    static let settled: UInt64 = 2
  }

  /// Where a slot's numbers stand, in bytes.
  private enum Offset {
    static let state = 0
    static let account = 8
    static let held = 16
    static let spent = 24
    static let flush = 32
  }

  private let base: UnsafeMutableRawPointer
  private var unused: [Slot]

  /// Opens or creates. Throws `StoreError`.
  init(path: String) throws {
    let size = Self.capacity * Self.slotSize
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Self.failure(path, "open") }
    defer { close(descriptor) }
    // Allocated, not sparse: a full disk must be told here, and not by a signal later.
    let result = posix_fallocate(descriptor, 0, off_t(size))
    guard result == 0 else {
      errno = result
      throw Self.failure(path, "posix_fallocate")
    }
    let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let mapped, mapped != MAP_FAILED else { throw Self.failure(path, "mmap") }
    base = mapped
    unused = []
  }

  deinit { munmap(base, Self.capacity * Self.slotSize) }

  private static func failure(_ path: String, _ call: String) -> StoreError {
    .unavailable("\(path): \(call): \(String(cString: strerror(errno)))")
  }

  private func at(_ slot: Slot) -> UnsafeMutableRawPointer {
    precondition(slot >= 0 && Int(slot) < Self.capacity, "no such slot")
    return base + Int(slot) * Self.slotSize
  }

  /// The state is written last and read first: what it vouches for is there.
  private func state(_ slot: Slot) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (at(slot) + Offset.state).assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  private func number(_ slot: Slot, _ offset: Int) -> Int {
    Int(at(slot).load(fromByteOffset: offset, as: Int64.self))
  }

  private func set(_ slot: Slot, _ offset: Int, _ value: Int) {
    at(slot).storeBytes(of: Int64(value), toByteOffset: offset, as: Int64.self)
  }

  // MARK: One hold

  /// Writes a hold; nil when every slot is taken.
  mutating func hold(account: Int, _ amount: Money) -> Slot? {
    guard let slot = unused.popLast() else { return nil }
    set(slot, Offset.account, account)
    set(slot, Offset.held, amount.nanodollars)
    set(slot, Offset.spent, 0)
    set(slot, Offset.flush, 0)
    state(slot).pointee.store(State.held, ordering: .releasing)
    return slot
  }

  /// Writes what was really spent.
  func settle(_ slot: Slot, _ spent: Money) {
    set(slot, Offset.spent, spent.nanodollars)
    state(slot).pointee.store(State.settled, ordering: .releasing)
  }

  /// Says that the flush of this number takes the slot in.
  func mark(_ slot: Slot, flush: Int) { set(slot, Offset.flush, flush) }

  /// Makes the slot free.
  mutating func release(_ slot: Slot) {
    state(slot).pointee.store(State.free, ordering: .releasing)
    unused.append(slot)
  }

  // MARK: After a start

  /// What an earlier process left that no row has taken in, in whole by account: holds nobody
  /// settled count in full. Marks it as taken in by flush `lastFlush + 1`.
  func leftOver(lastFlush: Int) -> [Int: Money] {
    var sums: [Int: Money] = [:]
    for slot in 0..<Slot(Self.capacity) {
      let found = state(slot).pointee.load(ordering: .acquiring)
      guard found == State.held || found == State.settled else { continue }
      let flush = number(slot, Offset.flush)
      guard flush == 0 || flush > lastFlush else { continue }
      let amount = number(slot, found == State.held ? Offset.held : Offset.spent)
      let account = number(slot, Offset.account)
      sums[account] = (sums[account] ?? .zero).adding(Money(nanodollars: max(0, amount)))
      mark(slot, flush: lastFlush + 1)
    }
    return sums
  }

  /// Makes every slot free.
  mutating func clear() {
    for slot in 0..<Slot(Self.capacity) {
      let isFree = state(slot).pointee.load(ordering: .acquiring) == State.free
      if !isFree { state(slot).pointee.store(State.free, ordering: .releasing) }
    }
    // The lowest first, so that few pages are touched.
    unused = (0..<Slot(Self.capacity)).reversed()
  }
}
