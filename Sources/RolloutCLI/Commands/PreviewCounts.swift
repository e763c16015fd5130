import DocumentKit
import RolloutAPI
import RolloutCore

/// What a list of users comes to: how many of them each stage has, and who has another feature too.
struct PreviewCounts {
  private let view: UserPreviewView
  private let users: [UserPreviewView.User]
  /// Of whom the list is taken for a sample; nil where it is all there are.
  private let population: Int?
  /// Users of the list, stage by stage.
  private var sizes: [(stage: String, users: Int)] = []

  init(_ users: [UserPreviewView.User], _ view: UserPreviewView, population: Int?) {
    self.users = users
    self.view = view
    self.population = population
    var counts: [String: Int] = [:]
    for user in users { counts[user.cohort, default: 0] += 1 }
    var sum = 0
    for stage in view.stages {
      sum += counts[stage] ?? 0
      sizes.append((stage, sum))
    }
  }

  private var both: Int { users.count { $0.then && $0.other == true } }
  private var only: Int { users.count { $0.then && $0.other != true } }
  private var onlyOther: Int { users.count { !$0.then && $0.other == true } }
  private var neither: Int { users.count - both - only - onlyOther }

  /// If the list is drawn fairly from the population.
  private func scaled(_ count: Int) -> EstimateView? {
    population.map { EstimateView(Estimate.share(count, of: users.count) * Double($0)) }
  }

  // MARK: For people

  var sentences: [String] {
    let then = users.count { $0.then }
    let joins = users.count { $0.then && !$0.now }
    let leaves = users.count { $0.now && !$0.then }
    let share = Figures.share(Double(then) / Double(max(1, users.count)))
    var lines = [
      "\(then) of \(users.count) (\(share)) have \(clean(view.feature)) at stage "
        + "\(clean(view.stage)): \(joins) join, \(leaves) leave.",
      "Stage by stage: \(sizes.map { "\(clean($0.stage)) \($0.users)" }.joined(separator: ", ")).",
    ]
    if let population, let size = scaled(then) {
      lines.append(
        "If the list is a fair sample of \(Figures.about(Double(population))) users, "
          + "\(PreviewSizes.words(size.about, size.low, size.high)) of them have it there.")
    }
    if let other = view.other {
      lines.append(
        "\(both) have \(clean(other.feature)) at \(clean(other.stage)) as well, \(only) only "
          + "\(clean(view.feature)), \(onlyOther) only \(clean(other.feature)), \(neither) neither."
      )
    }
    return lines
  }

  // MARK: For programs

  var members: [(key: String, value: Document)] {
    func estimate(_ count: Int) -> Document? {
      scaled(count).map {
        .object(["about": .int($0.about), "low": .int($0.low), "high": .int($0.high)])
      }
    }
    let stages = sizes.map { size in
      Document.object([
        "stage": .string(size.stage), "users": .int(size.users),
        "of_population": estimate(size.users),
      ])
    }
    var members: [(key: String, value: Document)] = [("sizes", .array(stages))]
    if view.other != nil {
      members.append(
        (
          "overlap",
          .object([
            "both": .int(both), "only": .int(only), "only_other": .int(onlyOther),
            "neither": .int(neither),
          ])
        ))
    }
    return members
  }
}
