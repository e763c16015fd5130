package import DocumentKit
import RolloutCore

/// A file of another system, and what would become of its flags.
package struct FlagFile: Sendable {
  /// In the order of the file.
  package private(set) var plans: [ImportedPlan]

  /// Throws where it is no file of that system at all; what is wrong with one flag is said of it.
  package init(
    _ document: Document, of system: ForeignSystem, _ settings: ImportSettings
  ) throws(DocumentError) {
    let flags: [ForeignFlag]
    switch system {
    case .flagd: flags = try FlagdReader.flags(document, settings)
    case .unleash: flags = try UnleashReader.flags(document, settings)
    case .goff: flags = try GOFFReader.flags(document, settings)
    case .growthbook: flags = try GrowthBookReader.flags(document, settings)
    }
    guard !flags.isEmpty else {
      throw DocumentError("The file holds no flags of \(system.title).", at: document.position)
    }
    plans = flags.map { ImportedPlan($0, of: system) }
    refuseTwins()
  }

  /// Keys that differ there, and are the same feature here.
  private mutating func refuseTwins() {
    var count: [String: Int] = [:]
    for plan in plans { if let name = plan.definition?.feature { count[name, default: 0] += 1 } }
    for index in plans.indices {
      guard let name = plans[index].definition?.feature, count[name] ?? 0 > 1 else { continue }
      plans[index].refuse("several flags of the file would be called \(name); rename them first")
    }
  }

  /// Only the flags of these keys.
  package mutating func keep(_ keys: [String]) { plans.removeAll { !keys.contains($0.key) } }
}
