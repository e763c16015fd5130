"""How other systems decide who is in, written from their sources and from nothing of ours.

flagd core/pkg/evaluator/fractional.go, Unleash feature-evaluator/strategy, GO Feature Flag
modules/core/flag/rule.go, GrowthBook packages/sdk-js/src/{util,core}.ts.
"""


def murmur3(data, seed=0):
    """MurmurHash3 x86_32."""
    mask, h = 0xFFFFFFFF, seed
    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        k = int.from_bytes(data[start:start + 4], "little") * 0xCC9E2D51 & mask
        k = (k << 15 | k >> 17) & mask
        h ^= k * 0x1B873593 & mask
        h = ((h << 13 | h >> 19) & mask) * 5 + 0xE6546B64 & mask
    if data[whole:]:
        k = int.from_bytes(data[whole:], "little") * 0xCC9E2D51 & mask
        k = (k << 15 | k >> 17) & mask
        h ^= k * 0x1B873593 & mask
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & mask
    h = (h ^ h >> 13) * 0xC2B2AE35 & mask
    return h ^ h >> 16


def fnv1a(text):
    h = 0x811C9DC5
    for byte in text.encode():
        h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
    return h


# flagd

def flagd_variant(key, weighted):
    """The variant of `fractional`; `weighted` are (name, weight)."""
    total = sum(weight for _, weight in weighted)
    bucket = murmur3(key.encode()) * total >> 32
    end = 0
    for name, weight in weighted:
        end += weight
        if bucket < end:
            return name


# Unleash

def unleash_value(user, group):
    return murmur3(f"{group}:{user}".encode()) % 100 + 1


def unleash_rollout(user, group, percent):
    return percent > 0 and unleash_value(user, group) <= percent


# GO Feature Flag

def goff_hash(flag, user, most):
    return fnv1a(flag + user) % most


def goff_variation(flag, user, percentages):
    """The variation of `percentage`; `percentages` are name: percent."""
    hashed = goff_hash(flag, user, int(sum(percentages.values()) * 1000))
    end = 0.0
    for name in sorted(percentages, reverse=True):
        start, end = end, end + percentages[name] * 1000.0
        if int(start) <= hashed < int(end):
            return name


def goff_progressive(flag, user, initial, end, seconds, of):
    """Whether the end variation of `progressiveRollout` is served after some seconds of its time."""
    current = seconds * ((end * 1000.0 - initial * 1000.0) / of) + initial * 1000.0
    return goff_hash(flag, user, 100_000) < int(current)


# GrowthBook

def growthbook_hash(seed, value, version):
    if version == 2:
        return fnv1a(str(fnv1a(seed + value))) % 10000 / 10000
    return fnv1a(value + seed) % 1000 / 1000


def growthbook_rollout(user, seed, coverage, version):
    return coverage > 0 and growthbook_hash(seed, user, version) <= coverage


def growthbook_variation(user, seed, weights, coverage, version):
    """The number of the variation, or -1 outside of the experiment."""
    n = growthbook_hash(seed, user, version)
    start = 0.0
    for number, weight in enumerate(weights):
        if start <= n < start + coverage * weight:
            return number
        start += weight
    return -1
