/// What stands for our signs where the locale knows ASCII only.
extension Terminal {
  /// Whether the locale was set to one without them. One that nobody set says nothing: programs
  /// that start others often leave it out.
  static func isPlain(_ environment: (String) -> String?) -> Bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"]
    guard let locale = names.lazy.compactMap(environment).first(where: { !$0.isEmpty }) else {
      return false
    }
    let name = locale.lowercased()
    return !name.contains("utf-8") && !name.contains("utf8")
  }

  private static let plainSigns: [Character: Character] = [
    "━": "=", "─": "-", "╌": "~", "│": "|", "●": "*", "○": "o", "▶": ">", "·": ".", "→": ">",
    "✗": "x", "◷": "o", "✓": "v", "…": ".", "–": "-", "×": "x", "▁": "_", "▂": ".", "▃": "-",
    "▄": "=", "▅": "+", "▆": "*", "▇": "%", "█": "#", "░": ".", "≤": "<", "↑": "^", "↓": "v",
  ]

  /// The same, each of our signs as one of ASCII; what others wrote stays as it is.
  func plain(_ text: String) -> String {
    guard isPlain else { return text }
    return String(text.map { Self.plainSigns[$0] ?? $0 })
  }
}
