import Glibc
import PlatformKit

/// A key that was pressed.
enum WatchKey: Sendable, Equatable {
  case character(Character)
  case enter, escape, backspace, up, down
  /// Ctrl-C, or nobody is there any more.
  case interrupt
}

/// The whole terminal while something is watched; whatever ends that, it is as it was before.
struct WatchScreen {
  private static let enter = "\u{1B}[?1049h\u{1B}[?25l"

  private let terminal: Terminal

  init(_ terminal: Terminal) {
    self.terminal = terminal
    tcgetattr(STDIN_FILENO, &settingsBefore)
    var raw = settingsBefore
    // Ctrl-C comes as a key: what it ends is put in order first.
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG | IEXTEN)
    raw.c_iflag &= ~tcflag_t(IXON | ICRNL)
    tcsetattr(STDIN_FILENO, TCSANOW, &raw)
    for number in [SIGTERM, SIGHUP, SIGINT, SIGQUIT] {
      signal(number) { number in
        restoreTerminal()
        _exit(128 + number)
      }
    }
    terminal.draw(Self.enter)
  }

  func leave() { restoreTerminal() }

  /// Replaces what stands there, without flicker.
  func show(_ lines: [String]) {
    terminal.draw(
      "\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J")
  }

  /// Tells every key, from a thread of its own: reading blocks.
  static func readKeys(_ tell: @escaping @Sendable (WatchNews) -> Void) {
    startThread(named: "keys") {
      var buffer = [UInt8](repeating: 0, count: 256)
      while true {
        let count = read(STDIN_FILENO, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return tell(.key(.interrupt)) }
        for key in keys(Array(buffer[..<count])) { tell(.key(key)) }
      }
    }
  }

  private static func keys(_ bytes: [UInt8]) -> [WatchKey] {
    switch bytes {
    case [0x1B]: return [.escape]
    case [0x1B, 0x5B, 0x41], [0x1B, 0x4F, 0x41]: return [.up]
    case [0x1B, 0x5B, 0x42], [0x1B, 0x4F, 0x42]: return [.down]
    // Other keys with names of several bytes do nothing.
    case _ where bytes.first == 0x1B: return []
    default: break
    }
    return String(decoding: bytes, as: UTF8.self).compactMap { character in
      switch character {
      case "\r", "\n", "\r\n": .enter
      case "\u{7F}", "\u{8}": .backspace
      case "\u{3}", "\u{4}": .interrupt
      case _ where character.unicodeScalars.contains { $0.value < 0x20 }: nil
      default: .character(character)
      }
    }
  }
}

/// How the terminal was set before. Written once, before the handlers that read it are there.
private nonisolated(unsafe) var settingsBefore = termios()

/// Calls only what a handler of a signal may call.
private func restoreTerminal() {
  let leave: StaticString = "\u{1B}[?25h\u{1B}[?1049l"
  _ = write(STDOUT_FILENO, leave.utf8Start, leave.utf8CodeUnitCount)
  tcsetattr(STDIN_FILENO, TCSANOW, &settingsBefore)
}
