/// Help as a terminal of 80 columns shows it.
private enum HelpPage {
  static let columns = 80
  /// Where what explains begins at the latest; a longer name has a line of its own.
  private static let nameColumnMax = 36

  /// Names with what they mean beside them.
  static func rows(_ rows: [(String, String)], width: Int? = nil) -> [String] {
    let width = width ?? nameColumn(rows.map(\.0))
    return rows.flatMap { name, text -> [String] in
      let lines = broken(text, columns - width - 4)
      let isLong = name.count > width
      let first = isLong ? ["  \(name)"] : ["  \(padded(name, width))  \(lines[0])"]
      let rest = isLong ? lines[...] : lines.dropFirst()
      return first + rest.map { padded("", width + 4) + $0 }
    }
  }

  static func nameColumn(_ names: [String]) -> Int {
    names.map(\.count).filter { $0 <= nameColumnMax }.max() ?? nameColumnMax
  }

  /// At words; a longer one stays whole.
  static func broken(_ text: String, _ width: Int) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
      let last = lines[lines.count - 1]
      if last.isEmpty {
        lines[lines.count - 1] = String(word)
      } else if last.count + 1 + word.count <= width {
        lines[lines.count - 1] = "\(last) \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }

  static func section(_ title: String, _ lines: [String]) -> [String] {
    lines.isEmpty ? [] : ["", title] + lines
  }
}

extension Subcommand.Option {
  /// What help says of it.
  var explained: String { help + (isRequired ? " (required)" : "") }
}

extension Subcommand {
  var help: String {
    func rows(_ options: [Option]) -> [String] {
      HelpPage.rows(options.map { ($0.usage, $0.explained) })
    }
    let lines =
      HelpPage.broken(sentence, HelpPage.columns)
      + [""] + HelpPage.broken("usage: \(usage)", HelpPage.columns)
      + HelpPage.section("Options", rows(options))
      + HelpPage.section("Options of every command", rows(Self.globalOptions))
      + HelpPage.section("Examples", examples.map { "  \($0)" })
    return lines.joined(separator: "\n") + "\n"
  }

  /// The summary as a sentence.
  var sentence: String { summary.prefix(1).uppercased() + summary.dropFirst() + "." }
}

extension CommandTable {
  static func help(under words: [String]) -> String {
    let shown = groups.compactMap { group -> Group? in
      let commands = group.commands.filter { $0.path.starts(with: words) }
      return commands.isEmpty ? nil : Group(title: group.title, commands: commands)
    }
    func title(_ command: Subcommand) -> String {
      (command.path + command.operandWords).joined(separator: " ")
    }
    let width = HelpPage.nameColumn(shown.flatMap(\.commands).map(title))
    let lines =
      ["Staged rollouts of AI features.", "", "usage: rollout COMMAND [options]"]
      + shown.flatMap { group in
        HelpPage.section(
          group.title,
          HelpPage.rows(group.commands.map { (title($0), $0.summary) }, width: width))
      } + ["", "rollout COMMAND --help explains one of them, with examples."]
    return lines.joined(separator: "\n") + "\n"
  }
}
