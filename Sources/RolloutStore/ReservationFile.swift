import Glibc
import RolloutCore

/// What is reserved for requests under way, in a file of equal slots: a reservation is in the page
/// cache the moment it is made, by one `pwrite` of 64 bytes, and outlives the process however it
/// ends.
///
/// Not mapped: whoever truncates a mapped file ends the process. What counts is in memory; the file
/// is written only, and made whole again when somebody has cut it.
///
/// A slot is `reserved`, then `settled` with what was really spent, then `free` once an account's
/// row has taken it in. Which settled slots a row has taken in is told by the flush's number, which
/// row and slot both keep: so a crash between the two counts nothing twice. Each slot has a
/// checksum that covers its place and the directory's identity: what is not ours is no money.
///
/// Not thread-safe: its owner has a mutex. `@unchecked Sendable`: nobody but that one owner has its
/// memory.
struct ReservationFile: ~Copyable, @unchecked Sendable {
  /// A slot's number.
  typealias Slot = Int32

  /// Slots there are: accounts of requests under way, and of those settled since the last flush.
  static let capacity = 65_536
  private static let slotSize = 64
  private static let headerSize = 64
  private static let size = headerSize + capacity * slotSize
  private static let sizeWithoutHeader = capacity * slotSize
  private static let magic: UInt64 = 0x3230_736C_6F68_6F72

  private enum State {
    static let free = 0
    static let reserved = 1
    static let settled = 2
  }

  /// Where a slot's numbers stand, in bytes.
  private enum Offset {
    static let state = 0
    static let account = 8
    static let reserved = 16
    static let spent = 24
    static let flush = 32
    static let checksum = 40
  }

  /// What stands for an account that has no row yet.
  static let rowless = 0
  private static let generationOffset = 16

  private let path: String
  private var descriptor: Int32
  private let base: UnsafeMutableRawPointer
  /// Begins every checksum.
  private let seed: UInt64
  private var unused: [Slot] = []
  /// What was wrong with the file as it was found; nil when it could be read whole.
  let damage: String?
  /// Whether there was no file, or one in which nothing was ever written: whoever makes it may be
  /// ended between the room and the first byte.
  let isNew: Bool
  /// Why the file cannot be written now; nil when the last write went well.
  private(set) var trouble: String?

  /// Which start of a server began the file; 0 for what no start has begun.
  var generation: Int { Int(base.load(fromByteOffset: Self.generationOffset, as: Int64.self)) }

  /// Opens or creates. `identity` is that of the data directory. Throws `StoreError`.
  init(path: String, identity: String = "") throws {
    let (opened, content, found) = try Self.load(path)
    let seed = Self.hash(identity)
    let isNew = found <= Self.size && Self.isBlank(content, found)
    let isOld = found == Self.sizeWithoutHeader && !isNew
    // Everything is known before the first property is set: optimised, a property that is set in
    // one of several branches was released before it was there.
    let damage = isNew || isOld ? nil : Self.damage(content, found, seed)
    self.path = path
    descriptor = opened
    base = content
    self.seed = seed
    self.isNew = isNew
    self.damage = damage
    if isOld {
      // Written before slots had checksums.
      for slot in 0..<Slot(Self.capacity) where number(slot, Offset.state) != State.free {
        set(slot, Offset.checksum, Int(bitPattern: UInt(checksum(slot))))
      }
    }
    base.storeBytes(of: Self.magic, as: UInt64.self)
    base.storeBytes(of: seed, toByteOffset: 8, as: UInt64.self)
    // Allocated, not sparse: a full disk is told here. What is there already needs no room.
    let result = found < Self.size ? posix_fallocate(opened, 0, off_t(Self.size)) : 0
    if result != 0 { trouble = "\(path): \(String(cString: strerror(result)))" }
  }

  /// Stands for a file that cannot be opened yet: it takes no reservation, and `why` is its
  /// trouble.
  init(unopened path: String, why: String) {
    self.path = path
    descriptor = -1
    base = UnsafeMutableRawPointer.allocate(byteCount: Self.size, alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: 0, count: Self.size)
    seed = 0
    isNew = true
    damage = nil
    trouble = why
  }

  /// The descriptor, what the file holds in the places of today, and how long it is.
  private static func load(_ path: String) throws -> (Int32, UnsafeMutableRawPointer, Int) {
    var opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    if opened < 0, errno == EROFS { opened = open(path, O_RDONLY | O_CLOEXEC) }
    guard opened >= 0 else { throw failure(path, "open") }
    fchmod(opened, 0o600)
    var info = stat()
    fstat(opened, &info)
    let found = Int(info.st_size)
    let base = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    base.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    let target = found == sizeWithoutHeader ? base + headerSize : base
    let length = min(found, size)
    guard pread(opened, target, length, 0) == length else {
      let error = failure(path, "read")
      base.deallocate()
      close(opened)
      throw error
    }
    return (opened, base, found)
  }

  /// What is wrong with a file of `length` bytes, in words; nil for one of ours.
  private static func damage(
    _ content: UnsafeMutableRawPointer, _ length: Int, _ seed: UInt64
  ) -> String? {
    if length != size { return "it is \(length) bytes long, not \(size)" }
    if content.load(as: UInt64.self) != magic { return "it is no file of ours" }
    if content.load(fromByteOffset: 8, as: UInt64.self) != seed {
      return "it belongs to another data directory"
    }
    let generation = Int(content.load(fromByteOffset: generationOffset, as: Int64.self))
    return DirectoryMark.isCount(generation) ? nil : "no start can have begun it"
  }

  private static func isBlank(_ content: UnsafeMutableRawPointer, _ length: Int) -> Bool {
    UnsafeRawBufferPointer(start: content, count: min(length, size)).allSatisfy { $0 == 0 }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    base.deallocate()
  }

  private static func failure(_ path: String, _ call: String) -> StoreError {
    .unavailable("\(path): \(call): \(String(cString: strerror(errno)))")
  }

  private static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
  }

  // MARK: One slot

  private func at(_ slot: Slot) -> Int {
    precondition(slot >= 0 && Int(slot) < Self.capacity, "no such slot")
    return Self.headerSize + Int(slot) * Self.slotSize
  }

  private func number(_ slot: Slot, _ offset: Int) -> Int {
    Int(base.load(fromByteOffset: at(slot) + offset, as: Int64.self))
  }

  private func set(_ slot: Slot, _ offset: Int, _ value: Int) {
    base.storeBytes(of: Int64(value), toByteOffset: at(slot) + offset, as: Int64.self)
  }

  private func checksum(_ slot: Slot) -> UInt64 {
    var hash = seed ^ UInt64(truncatingIfNeeded: slot)
    for offset in stride(from: Offset.state, to: Offset.checksum, by: 8) {
      hash ^= UInt64(bitPattern: Int64(number(slot, offset)))
      hash = (hash ^ hash >> 29) &* 0x9E37_79B9_7F4A_7C15
    }
    return hash ^ hash >> 32
  }

  private mutating func write(_ slot: Slot) {
    set(slot, Offset.checksum, Int(bitPattern: UInt(checksum(slot))))
    write(at(slot), Self.slotSize)
  }

  private mutating func write(_ start: Int, _ count: Int) {
    let written = pwrite(descriptor, base + start, count, off_t(start))
    trouble = written == count ? nil : "\(path): \(String(cString: strerror(errno)))"
  }

  // MARK: One reservation

  /// Writes a reservation; nil when every slot is taken.
  mutating func reserve(account: Int, _ amount: Money) -> Slot? {
    guard let slot = unused.popLast() else { return nil }
    set(slot, Offset.state, State.reserved)
    set(slot, Offset.account, account)
    set(slot, Offset.reserved, amount.nanodollars)
    set(slot, Offset.spent, 0)
    set(slot, Offset.flush, 0)
    write(slot)
    return slot
  }

  /// Writes what was really spent.
  mutating func settle(_ slot: Slot, _ spent: Money) {
    set(slot, Offset.state, State.settled)
    set(slot, Offset.spent, spent.nanodollars)
    write(slot)
  }

  /// Says that the flush of this number takes the slot in.
  mutating func mark(_ slot: Slot, flush: Int) {
    set(slot, Offset.flush, flush)
    write(slot)
  }

  /// Makes the slot free.
  mutating func release(_ slot: Slot) {
    set(slot, Offset.state, State.free)
    write(slot)
    unused.append(slot)
  }

  /// Makes the file whole again after somebody has cut it. Whether it had to.
  mutating func repair() -> Bool {
    var info = stat()
    guard descriptor >= 0, fstat(descriptor, &info) == 0, Int(info.st_size) < Self.size else {
      return false
    }
    write(0, Self.size)
    return true
  }

  /// Makes the file anew, from memory, where it is not at its place any more or not as it was
  /// written. Whether it had to.
  mutating func keep() -> Bool {
    guard descriptor >= 0 else { return false }
    guard let size = FileIdentity(descriptor: descriptor)?.size else { return false }
    let isThere = FileIdentity.isInPlace(descriptor, path)
    var header: UInt64 = 0
    // What cannot be read says nothing of what is there.
    let isWhole =
      size == Self.size && (pread(descriptor, &header, 8, 0) != 8 || header == Self.magic)
    guard !isThere || !isWhole else { return false }
    if !isThere {
      let new = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      guard new >= 0 else {
        trouble = "\(path): \(String(cString: strerror(errno)))"
        return false
      }
      close(descriptor)
      descriptor = new
    }
    ftruncate(descriptor, off_t(Self.size))
    write(0, Self.size)
    return trouble == nil
  }

  // MARK: After a start

  /// Slots that are neither free nor as this directory's server wrote them, or of an account that
  /// is not among `accounts`.
  func strangers(_ isAccount: (Int) -> Bool) -> Int {
    (0..<Slot(Self.capacity)).count { slot in
      let state = number(slot, Offset.state)
      guard state != State.free else { return false }
      let isOurs =
        UInt64(bitPattern: Int64(number(slot, Offset.checksum))) == checksum(slot)
        && (state == State.reserved || state == State.settled)
        && number(slot, Offset.reserved) >= 0 && number(slot, Offset.spent) >= 0
      let account = number(slot, Offset.account)
      return !isOurs || account != Self.rowless && !isAccount(account)
    }
  }

  /// Slots that no row has taken in and of which nobody knows whose they are.
  func withoutRow(lastFlush: Int) -> Int {
    (0..<Slot(Self.capacity)).count { slot in
      number(slot, Offset.state) != State.free && number(slot, Offset.account) == Self.rowless
        && !isTakenIn(slot, lastFlush)
    }
  }

  private func isTakenIn(_ slot: Slot, _ lastFlush: Int) -> Bool {
    let flush = number(slot, Offset.flush)
    return flush != 0 && flush <= lastFlush
  }

  /// What an earlier process left that no row has taken in, in whole by account: reservations
  /// nobody settled count in full. Marks it as taken in by flush `lastFlush + 1`.
  mutating func leftOver(lastFlush: Int) -> [Int: Money] {
    var sums: [Int: Money] = [:]
    for slot in 0..<Slot(Self.capacity) {
      let state = number(slot, Offset.state)
      guard state == State.reserved || state == State.settled else { continue }
      guard !isTakenIn(slot, lastFlush) else { continue }
      let amount = number(slot, state == State.reserved ? Offset.reserved : Offset.spent)
      let account = number(slot, Offset.account)
      sums[account] = (sums[account] ?? .zero).adding(Money(nanodollars: max(0, amount)))
      mark(slot, flush: lastFlush + 1)
    }
    return sums
  }

  /// Makes every slot free, and says which start of a server it was.
  mutating func clear(generation: Int) {
    base.storeBytes(
      of: Int64(generation), toByteOffset: Self.generationOffset, as: Int64.self)
    (base + Self.headerSize).initializeMemory(
      as: UInt8.self, repeating: 0, count: Self.capacity * Self.slotSize)
    write(0, Self.size)
    // The lowest first, so that few pages are touched.
    unused = (0..<Slot(Self.capacity)).reversed()
  }
}
