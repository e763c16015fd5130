import DocumentKit

/// How much is used, in the mean and in the busiest minute.
package struct UsageRate: Sendable, Equatable {
  package var requestsPerMinute = 0.0
  package var tokensPerMinute = 0.0
  package var peakRequests = 0.0
  package var peakTokens = 0.0
  package var dollarsPerHour = 0.0
  /// The standard error of that, by how the minutes differ.
  var dollarsPerHourError = 0.0
  /// Minutes that were looked at.
  var minutes = 0
  /// Effective users behind it.
  package var people = 0.0
  /// Whether no request said what it cost.
  package var isUnpriced = false

  package init() {}

  package static func + (a: UsageRate, b: UsageRate) -> UsageRate {
    var sum = a
    sum.requestsPerMinute += b.requestsPerMinute
    sum.tokensPerMinute += b.tokensPerMinute
    sum.peakRequests += b.peakRequests
    sum.peakTokens += b.peakTokens
    sum.dollarsPerHour += b.dollarsPerHour
    sum.people += b.people
    return sum
  }

  package static func * (rate: UsageRate, factor: Double) -> UsageRate {
    var scaled = rate
    scaled.requestsPerMinute *= factor
    scaled.tokensPerMinute *= factor
    scaled.peakRequests *= factor
    scaled.peakTokens *= factor
    scaled.dollarsPerHour *= factor
    return scaled
  }
}
