internal import CPlatform
import Glibc

/// Getting bytes out, and ending connections politely.
extension EventLoop {
  /// Milliseconds that a client may keep sending after its last answer.
  private static let lingerTime = 2000

  /// Sends what the loop has gathered for this connection; keeps what the socket does not take.
  func flush(_ connection: Connection) {
    guard !reply.output.isEmpty else { return }
    defer { reply.output.removeAll() }
    guard connections[connection.slot] === connection else { return }
    var sent = 0
    if connection.outputPending == 0 {
      sent = transmit(connection, reply.output.bytes)
      if sent < 0 {
        drop(connection)
        return
      }
      connection.exchange?.sent(sent)
    }
    if sent < reply.output.count {
      connection.output.append(contentsOf: reply.output.bytes[sent...])
      if connection.writeDeadline == Int.max {
        connection.writeDeadline = now + limits.writeTimeout
        noteDeadline(connection.writeDeadline)
      }
    }
  }

  /// Bytes taken by the socket; -1 when the connection is broken.
  private func transmit(_ connection: Connection, _ bytes: UnsafeRawBufferPointer) -> Int {
    let count = send(
      connection.descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
    if count >= 0 { return count }
    return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1
  }

  func resumeWriting(_ connection: Connection) {
    let sent = connection.output.withUnsafeBytes {
      transmit(connection, UnsafeRawBufferPointer(rebasing: $0[connection.outputSent...]))
    }
    guard sent >= 0 else {
      drop(connection)
      return
    }
    connection.outputSent += sent
    connection.exchange?.sent(sent)
    if connection.outputPending == 0 {
      connection.output = []
      connection.outputSent = 0
      connection.writeDeadline = Int.max
      if connection.exchange == nil { processInput(connection) }
    } else if connection.outputSent > 1 << 20 {
      connection.output.removeFirst(connection.outputSent)
      connection.outputSent = 0
    }
    settle(connection)
  }

  /// After every step: closes what is finished, and watches for what comes next.
  func settle(_ connection: Connection) {
    guard connections[connection.slot] === connection else { return }
    account(connection)
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
