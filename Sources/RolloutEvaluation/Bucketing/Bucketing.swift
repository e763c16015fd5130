/// By whose formula a plan draws its users: ours, or that of the system it came from, so that
/// moving in takes the feature from nobody and gives it to nobody.
///
/// Never change a formula: every user's bucket hangs on it. How the classes of a system map onto
/// our 100,000 buckets is decision 44.
package enum Bucketing: String, Sendable, CaseIterable {
  /// `(murmur3_32(salt + ":" + user) × 100,000) >> 32`
  case rollout
  /// `(murmur3_32(salt + user) × 100,000) >> 32`; the salt is the flag's key.
  case flagd
  /// Of a variant that has the upper end of flagd's range.
  case flagdReversed = "flagd-reversed"
  /// `murmur3_32(salt + ":" + user) % 100`, each class in a thousand parts; the salt is the group's
  /// id.
  case unleash
  /// `fnv1a_32(salt + user) % 100,000`; the salt is the flag's name.
  case goff
  /// Of a variation that has the upper end of GO Feature Flag's range.
  case goffReversed = "goff-reversed"
  /// `fnv1a_32(user + salt) % 1,000`, whole classes; the salt is the seed.
  case growthbook1 = "growthbook-1"
  case growthbook1Reversed = "growthbook-1-reversed"
  /// `fnv1a_32(decimal(fnv1a_32(salt + user))) % 10,000`, whole classes; the salt is the seed.
  case growthbook2 = "growthbook-2"
  case growthbook2Reversed = "growthbook-2-reversed"
}
