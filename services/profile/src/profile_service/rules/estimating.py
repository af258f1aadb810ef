"""From a random sample to everybody, with how far it may be off."""

import math

Z = 1.959964
"""Standard deviations that leave out 5 % of a normal distribution."""


def estimate_count(*, matching: int, sampled: int, total: int) -> tuple[int, int, int]:
    """Estimate how many of `total` match when `matching` of `sampled` do: (estimate, low, high), a 95 % interval.

    Wilson's score interval (Wilson 1927), with the sample's size corrected for drawing without replacement
    (Cochran, Sampling Techniques, 2.6): with everybody sampled, it is exact.
    """
    if sampled >= total or sampled == 0:
        return matching, matching, matching
    share = matching / sampled
    size = sampled * (total - 1) / (total - sampled)
    shift = Z * Z / size
    middle = (share + shift / 2) / (1 + shift)
    margin = Z / (1 + shift) * math.sqrt(share * (1 - share) / size + shift / (4 * size))
    low = max(matching, math.floor((middle - margin) * total))
    high = min(total - (sampled - matching), math.ceil((middle + margin) * total))
    return min(max(round(share * total), low), high), low, high
