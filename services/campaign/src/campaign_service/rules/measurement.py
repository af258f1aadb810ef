"""Did it work: the difference between treatment and holdout, and how sure we are of it.

Sources:
    Wilson score interval: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
        JASA 22 (1927) 209-212.
    Difference of proportions: R. G. Newcombe, "Interval estimation for the difference between independent proportions:
        comparison of eleven methods", Statistics in Medicine 17 (1998) 873-890, method 10 (hybrid score, no continuity
        correction).
    Difference of means: B. L. Welch, "The generalization of 'Student's' problem when several different population
        variances are involved", Biometrika 34 (1947) 28-35; degrees of freedom by Satterthwaite (1946).
    Incomplete beta function by its continued fraction: NIST Digital Library of Mathematical Functions, 8.17.22,
        evaluated with Lentz's algorithm.
"""

from dataclasses import dataclass
from math import exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds that hold it with the stated confidence."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Sample:
    """A sample of numbers by its size, mean and (unbiased) variance."""

    size: int
    mean: float
    variance: float


def wilson(successes: int, size: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of a proportion. `0 <= successes <= size`, `size >= 1`."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / size
    centre = successes + z * z / 2
    spread = z * sqrt(successes * (1 - share) + z * z / 4)
    low, high = (centre - spread) / (size + z * z), (centre + spread) / (size + z * z)
    # Rounding must not push a bound past the estimate it belongs to, or past what a proportion can be.
    return Interval(share, max(0.0, min(low, share)), min(1.0, max(high, share)))


def difference_of_proportions(
    successes: int, size: int, other_successes: int, other_size: int, *, confidence: float = CONFIDENCE
) -> Interval | None:
    """Interval of `successes / size - other_successes / other_size`; None when one of the groups is empty."""
    if size < 1 or other_size < 1:
        return None
    one = wilson(successes, size, confidence=confidence)
    other = wilson(other_successes, other_size, confidence=confidence)
    difference = one.estimate - other.estimate
    below = sqrt((one.estimate - one.low) ** 2 + (other.high - other.estimate) ** 2)
    above = sqrt((one.high - one.estimate) ** 2 + (other.estimate - other.low) ** 2)
    return Interval(difference, max(-1.0, difference - below), min(1.0, difference + above))


def difference_of_means(one: Sample, other: Sample, *, confidence: float = CONFIDENCE) -> Interval | None:
    """Interval of `one.mean - other.mean` by Welch; None when one of the samples holds fewer than two."""
    if one.size < 2 or other.size < 2:
        return None
    difference = one.mean - other.mean
    squared_error, other_squared_error = one.variance / one.size, other.variance / other.size
    total = squared_error + other_squared_error
    if total <= 0:
        return Interval(difference, difference, difference)
    # Satterthwaite's degrees of freedom, with the shares of the error, which cannot underflow when squared
    share, other_share = squared_error / total, other_squared_error / total
    degrees = 1 / (share**2 / (one.size - 1) + other_share**2 / (other.size - 1))
    margin = student_quantile((1 + confidence) / 2, degrees) * sqrt(total)
    return Interval(difference, difference - margin, difference + margin)


def student_quantile(probability: float, degrees: float) -> float:
    """The value a Student t variable with `degrees` degrees of freedom stays below with `probability` (0.5 to 1)."""
    low, high = 0.0, 2.0
    while student_below(high, degrees) < probability:
        low, high = high, high * 2
    for _ in range(80):
        middle = (low + high) / 2
        if student_below(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_below(value: float, degrees: float) -> float:
    """The probability that a Student t variable is below `value` (>= 0)."""
    return 1 - incomplete_beta(degrees / 2, 0.5, degrees / (degrees + value * value)) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(a, b, x) / a
    return 1 - front * _beta_fraction(b, a, 1 - x) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    smallest = 1e-300
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1), smallest)
    value = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d, smallest)
            c = _not_zero(1 + term / c, smallest)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _not_zero(value: float, smallest: float) -> float:
    return value if abs(value) > smallest else smallest
