package import DocumentKit

extension OpeningHours {
  /// Of one plan or stage.
  package static let countMax = 10
  private static let zoneLengthMax = 64

  /// Reads `hours`: one of them, or a list.
  static func list(_ reader: inout ObjectReader, _ key: String) throws(DocumentError)
    -> [OpeningHours]?
  {
    guard let value = reader.optional(key) else { return nil }
    let path = reader.path(to: key)
    guard let elements = value.array else {
      return [try OpeningHours(value, path, isStored: reader.isStored)]
    }
    guard reader.isStored || (1...countMax).contains(elements.count) else {
      throw reader.error(
        key, "Expected 1–\(countMax) entries; an empty list would never be open: leave it out.")
    }
    var hours: [OpeningHours] = []
    for (index, element) in elements.enumerated() {
      hours.append(try OpeningHours(element, "\(path)[\(index)]", isStored: reader.isStored))
    }
    return hours
  }

  /// `hours` as a plan file has it, for people. Throws for anything else.
  package static func words(_ hours: Document) throws(DocumentError) -> String {
    var reader = try ObjectReader(.object(["hours": hours]))
    return (try list(&reader, "hours") ?? []).map(\.words).joined(separator: "; ")
  }

  private init(_ document: Document, _ path: String, isStored: Bool) throws(DocumentError) {
    var reader = try ObjectReader(document, path: path, isStored: isStored)
    days = try Self.days(&reader)
    from = try Self.time(&reader, "from") ?? 0
    to = try Self.time(&reader, "to") ?? Self.minutesOfDay
    zone = try reader.requiredText("zone")
    try reader.finish()
    guard isStored || Self.isZoneName(zone) else {
      throw reader.error(
        "zone", "Expected the IANA name of a time zone, such as Europe/Berlin or UTC.")
    }
    guard isStored || from != to else {
      throw reader.error(
        "to", "from and to are the same time, which is never or always; leave both out for all day."
      )
    }
  }

  private static func days(_ reader: inout ObjectReader) throws(DocumentError) -> [Day] {
    guard let value = reader.optional("days") else { return Day.all }
    func wrong(_ position: Position) -> DocumentError {
      DocumentError(
        "Expected a list of days: \(Day.names.joined(separator: ", ")).",
        at: position, path: reader.path(to: "days"))
    }
    guard let elements = value.array, !elements.isEmpty else { throw wrong(value.position) }
    var days: Set<Day> = []
    for element in elements {
      guard let day = element.scalarText.flatMap({ Day(name: $0) }) else {
        throw wrong(element.position)
      }
      guard days.insert(day).inserted || reader.isStored else {
        throw DocumentError(
          "\(day.name) stands twice.", at: element.position, path: reader.path(to: "days"))
      }
    }
    return Day.all.filter(days.contains)
  }

  /// `09:00` as minutes; the day ends at `24:00`.
  private static func time(_ reader: inout ObjectReader, _ key: String) throws(DocumentError)
    -> Int?
  {
    guard let text = try reader.text(key) else { return nil }
    let bytes = Array(text.utf8)
    func digit(_ index: Int) -> Int? {
      (0x30...0x39).contains(bytes[index]) ? Int(bytes[index] - 0x30) : nil
    }
    guard bytes.count == 5, bytes[2] == UInt8(ascii: ":"), let a = digit(0), let b = digit(1),
      let c = digit(3), let d = digit(4), c < 6, a * 10 + b < 24 || key == "to" && text == "24:00"
    else {
      throw reader.error(key, "Expected a time of day from 00:00 to 23:59, such as \"09:00\".")
    }
    return (a * 10 + b) * 60 + c * 10 + d
  }

  /// Whether it may be the name of a zone, and of no other file of the machine.
  private static func isZoneName(_ name: String) -> Bool {
    guard (1...zoneLengthMax).contains(name.utf8.count) else { return false }
    return name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
      guard let first = part.utf8.first, (0x61...0x7A).contains(first | 0x20) else { return false }
      return part.utf8.allSatisfy { byte in
        (0x61...0x7A).contains(byte | 0x20) || (0x30...0x39).contains(byte)
          || [UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "+")].contains(byte)
      }
    }
  }

  /// Where a plan file names a zone; nothing is asked of the rest of it.
  package static func zones(in file: Document) -> [ZoneMention] {
    func mentions(_ hours: Document?, _ path: String) -> [ZoneMention] {
      let entries =
        hours?.array.map { $0.enumerated().map { ($0.element, "\(path)[\($0.offset)]") } }
        ?? hours.map { [($0, path)] } ?? []
      return entries.compactMap { entry, path in
        guard let zone = entry["zone"], let name = zone.scalarText, isZoneName(name) else {
          return nil
        }
        return ZoneMention(name: name, position: zone.position, path: "\(path).zone")
      }
    }
    let stages = (file["stages"]?.array ?? []).enumerated().flatMap { index, stage in
      mentions(stage["hours"], "stages[\(index)].hours")
    }
    return stages + mentions(file["hours"], "hours")
  }

  /// What to say of a zone that a machine does not know.
  package static func unknownZone(_ name: String, isMachineEmpty: Bool) -> String {
    isMachineEmpty
      ? "No time zone but UTC is known here: install tzdata (apt-get install tzdata), or write UTC."
      : "There is no time zone \(quoted(name)) here; names are those of IANA, such as "
        + "Europe/Berlin, and capital letters count. A new one comes with an update of tzdata."
  }

  private var document: Document {
    .object([
      "days": days.count == Day.all.count
        ? nil : .array(days.map { .string($0.name) }),
      "from": from == 0 ? nil : .string(Self.clock(from)),
      "to": to == Self.minutesOfDay ? nil : .string(Self.clock(to)),
      "zone": .string(zone),
    ])
  }

  /// As plan files write them.
  static func document(_ hours: [OpeningHours]?) -> Document? {
    guard let hours else { return nil }
    return hours.count == 1 ? hours[0].document : .array(hours.map(\.document))
  }
}
