// Whether what users meet with is told at all, in words.
extension FeatureHealth {
  /// Whether nobody can tell of most outcomes of this stage whose they are.
  var isMostlyUnattributed: Bool {
    unattributed.requests > treatment.requests + control.requests
  }

  /// Why nobody can tell how a guard does; nil when it is fed.
  func unfed(_ rule: Guard, _ index: Int, _ now: Instant) -> String? {
    if isMostlyUnattributed {
      return "most outcomes belong to no arm, since the attributes that the plan's rules ask for "
        + "were not sent with them"
    }
    let judged = treatment.requests >= rule.minRequests
    if let carrier = rule.carrier, judged, let share = reporting.carriedShare(index), share < 0.5 {
      return share == 0
        ? "no outcome carries \(carrier); report it or remove the guard"
        : "only \(percent(share)) of the outcomes carry \(carrier)"
    }
    if rule.metric == .thumbsDownRate, detectors[index].requests < rule.judgedFrom {
      return "\(detectors[index].requests) of \(rule.judgedFrom) votes needed to judge"
    }
    if rule.feedbackKind != nil, !reporting.hasFeedback(now) {
      return "no feedback has arrived within seven days"
    }
    return nil
  }

  /// The treatment's share of this stage's requests; nil without control traffic.
  package var treatmentShare: Double? {
    guard control.requests > 0 else { return nil }
    return Double(treatment.requests) / Double(treatment.requests + control.requests)
  }

  /// What people should know beside the verdicts.
  package var notes: [String] {
    var notes: [String] = []
    let all = treatment.all
    if all >= 20, treatment[.excluded] * 5 > all {
      notes.append(
        "\(percent(Double(treatment[.excluded]) / Double(all))) of the requests were given up, "
          + "refused or wrong, and are not counted.")
    }
    if leftBehind > 0 {
      notes.append(
        "\(leftBehind) failed requests are not held against this stage: they are of what came before "
          + "it, or may be (told just after the step, without a time; a provider that earlier "
          + "failures had barred; a quota that was used up)."
      )
    }
    if unattributed.all > 0 {
      let total = unattributed.all + all + control.all
      notes.append(
        "\(percent(Double(unattributed.all) / Double(total))) of the outcomes belong to no arm and "
          + "are not counted: send the attributes that the plan's rules ask for, or the arm.")
    }
    return notes + reporting.notes(treatment: treatment, control: control)
  }
}
