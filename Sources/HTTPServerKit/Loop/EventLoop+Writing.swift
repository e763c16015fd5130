import Glibc
import PlatformKit

/// Getting bytes out, and ending connections politely.
extension EventLoop {
  /// Milliseconds that a client may keep sending after its last answer.
  private static let lingerTime = 2000

  /// Sends what the loop has gathered for this connection; keeps what the socket does not take.
  func flush(_ connection: HTTPConnection) {
    guard reply.hasOutput else { return }
    defer { reply.clear() }
    guard connections[connection.slot] === connection else { return }
    let bytes = reply.output.bytes
    guard let sent = pass(connection, bytes, hasMore: reply.tail != nil) else { return }
    connection.output.append(copying: UnsafeRawBufferPointer(rebasing: bytes[sent...]))
    if let tail = reply.tail {
      let sent = tail.bytes.withUnsafeBytes { pass(connection, $0) }
      guard let sent else { return }
      connection.output.append(tail.bytes, skipping: sent, isShared: tail.isKept)
    }
    if connection.outputPending > 0, connection.writeDeadline == .never {
      connection.writeDeadline = now.after(milliseconds: limits.writeTimeout)
      noteDeadline(connection.writeDeadline)
    }
  }

  /// Hands bytes to the socket where none wait before them; returns how many it took, nil when the
  /// connection is gone.
  private func pass(
    _ connection: HTTPConnection, _ bytes: UnsafeRawBufferPointer, hasMore: Bool = false
  ) -> Int? {
    guard connection.output.isEmpty, !bytes.isEmpty else { return 0 }
    let sent = transmit(connection, bytes, hasMore: hasMore)
    guard sent >= 0 else {
      drop(connection)
      return nil
    }
    connection.exchange?.sent(sent)
    return sent
  }

  /// Bytes taken by the socket; -1 when the connection is broken.
  private func transmit(
    _ connection: HTTPConnection, _ bytes: UnsafeRawBufferPointer, hasMore: Bool = false
  ) -> Int {
    // A head waits in the kernel for its body, so that one packet takes both.
    let flags = Int32(MSG_NOSIGNAL) | (hasMore ? Int32(MSG_MORE) : 0)
    let count = send(connection.descriptor, bytes.baseAddress, bytes.count, flags)
    if count >= 0 { return count }
    return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1
  }

  func resumeWriting(_ connection: HTTPConnection) {
    let before = connection.outputPending
    let isWhole = connection.output.drain { transmit(connection, $0) }
    guard isWhole else {
      drop(connection)
      return
    }
    connection.exchange?.sent(before - connection.outputPending)
    if connection.output.isEmpty {
      connection.writeDeadline = .never
      if connection.exchange == nil { processInput(connection) }
    }
    settle(connection)
  }

  /// Counts what waits for a slow reader.
  func accountOutput(_ connection: HTTPConnection) {
    unread += connection.output.held - connection.outputHeld
    connection.outputHeld = connection.output.held
    guard unread > limits.unreadMax else { return }
    let goal = limits.unreadMax - limits.unreadMax / 16
    let worst = connections.compactMap(\.self).filter { $0.outputHeld > 0 }
      .sorted { ($0.outputHeld, $1.writeDeadline) > ($1.outputHeld, $0.writeDeadline) }
    for connection in worst where unread > goal { drop(connection) }
  }

  /// After every step: closes what is finished, and watches for what comes next.
  func settle(_ connection: HTTPConnection) {
    guard connections[connection.slot] === connection else { return }
    account(connection)
    accountOutput(connection)
    // Whoever holds too much is closed, which may be this one.
    guard connections[connection.slot] === connection else { return }
    if connection.closeAfterOutput, connection.outputPending == 0, connection.exchange == nil,
      !connection.isLingering
    {
      // Closing with unread bytes would reset the connection and could take the answer with it.
      shutdown(connection.descriptor, Int32(SHUT_WR))
      forget(connection)
      connection.phase = .lingering
      setDeadline(connection, in: Self.lingerTime)
    }
    updateInterest(connection)
  }
}
