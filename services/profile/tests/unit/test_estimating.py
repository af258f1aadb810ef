"""An estimate from a sample: the interval holds the truth about 95 times in 100, also at the edges."""

from random import Random

import pytest

from profile_service.rules.estimating import estimate_count


@pytest.mark.parametrize(("share", "sampled"), [(0.001, 1000), (0.02, 1000), (0.5, 1000), (0.97, 1000), (0.3, 8000)])
def test_the_interval_holds_the_truth(share: float, sampled: int) -> None:
    random, total, hits = Random(7), 10_000, 0
    everybody = range(total)
    matching = round(share * total)
    for _ in range(400):
        found = sum(1 for each in random.sample(everybody, sampled) if each < matching)
        estimate, low, high = estimate_count(matching=found, sampled=sampled, total=total)
        assert found <= low <= estimate <= high <= total - (sampled - found)
        hits += low <= matching <= high
    assert hits >= 0.92 * 400


def test_everybody_sampled_is_exact_and_nobody_is_nothing() -> None:
    assert estimate_count(matching=7, sampled=20, total=20) == (7, 7, 7)
    assert estimate_count(matching=0, sampled=0, total=0) == (0, 0, 0)


def test_nobody_found_does_not_mean_that_there_is_nobody() -> None:
    estimate, low, high = estimate_count(matching=0, sampled=1000, total=1_000_000)
    assert (estimate, low) == (0, 0)
    assert 3000 < high < 5000
