"""Intervals against published values, and against what must hold for any input."""

from itertools import pairwise
from statistics import fmean, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.rules.measurement import (
    Sample,
    difference_of_means,
    difference_of_proportions,
    student_quantile,
    wilson,
)


# R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998) 857-872,
# table I, method 3.
@pytest.mark.parametrize(
    ("successes", "size", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_values(successes: int, size: int, low: float, high: float) -> None:
    interval = wilson(successes, size)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


# R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17
# (1998) 873-890, table II, method 10.
@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_newcombe_gives_the_published_values(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    interval = difference_of_proportions(*one, *other)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


# NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, critical values of Student's t.
@pytest.mark.parametrize(
    ("probability", "degrees", "value"),
    [
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 5, 2.571),
        (0.975, 10, 2.228),
        (0.975, 30, 2.042),
        (0.975, 100, 1.984),
        (0.95, 7, 1.895),
        (0.995, 20, 2.845),
        (0.975, 1e7, 1.960),
    ],
)
def test_student_quantiles_are_those_of_the_table(probability: float, degrees: float, value: float) -> None:
    assert student_quantile(probability, degrees) == pytest.approx(value, abs=6e-4)


def test_welch_gives_what_r_gives_for_the_sleep_data() -> None:
    """R's own example `t.test(extra ~ group, data = sleep)`, after Student (1908): -3.3654832, 0.2054832."""
    one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    other = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    interval = difference_of_means(*(Sample(len(group), fmean(group), variance(group)) for group in (one, other)))
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((-3.3654832, 0.2054832), abs=1e-6)


def test_nothing_is_said_about_empty_groups() -> None:
    assert difference_of_proportions(0, 0, 3, 10) is None
    assert difference_of_proportions(3, 10, 0, 0) is None
    assert difference_of_means(Sample(1, 5.0, 0.0), Sample(10, 5.0, 2.0)) is None


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(min_value=1, max_value=10_000_000))
    return draw(st.integers(min_value=0, max_value=size)), size


@given(counts(), counts())
def test_a_difference_lies_in_its_interval_and_turns_with_the_groups(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    interval, turned = difference_of_proportions(*one, *other), difference_of_proportions(*other, *one)
    assert interval is not None
    assert turned is not None
    assert -1 <= interval.low <= interval.estimate <= interval.high <= 1
    assert (turned.low, turned.high) == pytest.approx((-interval.high, -interval.low), abs=1e-12)


@given(counts())
def test_more_confidence_is_a_wider_interval(one: tuple[int, int]) -> None:
    intervals = [wilson(*one, confidence=confidence) for confidence in (0.5, 0.9, 0.95, 0.999)]
    assert all(wide.low <= narrow.low and narrow.high <= wide.high for narrow, wide in pairwise(intervals))


samples = st.builds(
    Sample,
    size=st.integers(min_value=2, max_value=10_000_000),
    mean=st.floats(min_value=-1e9, max_value=1e9),
    variance=st.floats(min_value=0, max_value=1e15),
)


@given(samples, samples)
def test_a_difference_of_means_lies_in_its_interval(one: Sample, other: Sample) -> None:
    interval = difference_of_means(one, other)
    assert interval is not None
    assert interval.low <= interval.estimate <= interval.high


@given(st.floats(min_value=1, max_value=1e6), st.floats(min_value=0.55, max_value=0.999))
def test_a_heavier_tail_has_the_larger_quantile(degrees: float, probability: float) -> None:
    assert student_quantile(probability, degrees) >= student_quantile(probability, degrees * 2) - 1e-9
