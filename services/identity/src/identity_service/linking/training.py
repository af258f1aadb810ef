"""Learn the model from the pairs themselves: expectation maximisation over one person, one household, two strangers.

The pairs that share a key teach what one person's records and a household's have in common; random pairs teach what
strangers have. Whether a pair shares a key follows from how it compares, so the prior over all pairs stays right for
those looked at. Pairs are counted by pattern (the level of every trait, and how rare the values were), which makes a
round cheap. Starting values count as much as a few pairs, so that a level which a base does not show keeps a sensible
value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log2

from identity_service.linking.comparisons import Trait
from identity_service.linking.households import Households, power_of_two
from identity_service.linking.model import Model, Probabilities

ROUNDS = 8
_PAIRS_BEHIND_M = 60.0
"""The starting m of a trait count as so many pairs of one person."""
_PAIRS_BEHIND_U = 20_000.0
"""The starting u of a trait count as so many random pairs: exact agreement is rare."""
_PAIRS_BEHIND_SHARES = 30.0
_MOST_HOUSEHOLDS_PER_MATCH = 20.0
_MOST_TWINS = 0.1
"""Household pairs with one birth date are twins, of which there are few (1 birth in 90); a base that shows many more
is a base whose
names are often wrong."""
_CONTACTS = ("email", "phone")
"""By these the rules join customers, so pairs that the rules joined say nothing about how often they stay."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Pairs that compare alike. `labels` by trait, None where nothing could be said; `surprises` by trait, bits of the
    values' rarity."""

    labels: tuple[str | None, ...]
    surprises: tuple[float | None, ...]
    pairs: float
    is_random: bool
    is_known: bool
    """The rules joined these: they are one person."""


@dataclass(frozen=True)
class TrainingPairs:
    """The patterns, and of how many pairs they are a sample."""

    patterns: Sequence[Pattern]
    sampled: float
    """The share of the pairs with a common key that the patterns hold."""
    all_pairs: float
    """How many pairs of records there are at all."""


@dataclass
class _Counts:
    """Expected numbers of one round, by trait."""

    one_person: dict[str, dict[str, float]]
    strangers: dict[str, dict[str, float]]
    shared: dict[str, float]
    household: dict[str, float]
    matches: float = 0.0
    households: float = 0.0


def train(start: Model, traits: tuple[Trait, ...], pairs: TrainingPairs) -> Model:
    """The model after ROUNDS rounds."""
    model = start
    for _ in range(ROUNDS):
        model = _next_model(start, traits, _expect(model, traits, pairs), pairs)
    return model


def _expect(model: Model, traits: tuple[Trait, ...], pairs: TrainingPairs) -> _Counts:
    """The expectation step: share every pattern's pairs out among the three classes."""
    counts = _Counts(
        one_person={name: dict.fromkeys(levels, 0.0) for name, levels in model.levels.items()},
        strangers={name: dict.fromkeys(levels, 0.0) for name, levels in model.levels.items()},
        shared=dict.fromkeys(model.levels, 0.0),
        household=dict.fromkeys(model.levels, 0.0),
    )
    names = [trait.name for trait in traits]
    prior = log2(model.prior / (1 - model.prior))
    weights = {
        name: {label: log2(each.m / each.u) for label, each in levels.items()} for name, levels in model.levels.items()
    }
    log_m = {name: {label: log2(each.m) for label, each in levels.items()} for name, levels in model.levels.items()}
    shares = model.households.shares
    for pattern in pairs.patterns:
        seen = list(_seen(names, pattern, weights, log_m))
        match = power_of_two(prior + sum(weight for _, _, weight in seen))
        parts = [shares[name] * power_of_two(weight) for name, _, weight in seen]
        household = model.households.pairs_per_match * power_of_two(prior)
        for (name, _, _), part in zip(seen, parts, strict=True):
            household *= part + 1 - shares[name]
        total = 1 + match + household
        if pattern.is_random:
            _count_strangers(counts, seen, pattern.pairs / total)
        else:
            is_match = pattern.pairs * (1.0 if pattern.is_known else match / total)
            _count_matches(counts, seen, is_match, is_known=pattern.is_known)
            if not pattern.is_known:
                _count_households(counts, seen, parts, shares, pattern.pairs * household / total)
    return counts


def _seen(
    names: list[str],
    pattern: Pattern,
    weights: Mapping[str, Mapping[str, float]],
    log_m: Mapping[str, Mapping[str, float]],
) -> Iterator[tuple[str, str, float]]:
    """(trait, level, weight in bits) of what both records have."""
    for name, label, surprise in zip(names, pattern.labels, pattern.surprises, strict=True):
        if label is not None:
            yield name, label, weights[name][label] if surprise is None else log_m[name][label] + surprise


def _count_strangers(counts: _Counts, seen: list[tuple[str, str, float]], pairs: float) -> None:
    for name, label, _ in seen:
        counts.strangers[name][label] += pairs


def _count_matches(counts: _Counts, seen: list[tuple[str, str, float]], pairs: float, *, is_known: bool) -> None:
    counts.matches += pairs
    for name, label, _ in seen:
        if not (is_known and name in _CONTACTS):
            counts.one_person[name][label] += pairs


def _count_households(
    counts: _Counts,
    seen: list[tuple[str, str, float]],
    parts: list[float],
    shares: Mapping[str, float],
    pairs: float,
) -> None:
    counts.households += pairs
    for (name, _, _), part in zip(seen, parts, strict=True):
        counts.household[name] += pairs
        counts.shared[name] += pairs * part / (part + 1 - shares[name]) if part else 0.0


def _next_model(start: Model, traits: tuple[Trait, ...], counts: _Counts, pairs: TrainingPairs) -> Model:
    """The maximisation step, starting values counting as a few pairs."""
    matches = counts.matches / pairs.sampled
    households = Households(
        pairs_per_match=min(
            (counts.households + _PAIRS_BEHIND_SHARES * start.households.pairs_per_match)
            / (counts.matches + _PAIRS_BEHIND_SHARES),
            _MOST_HOUSEHOLDS_PER_MATCH,
        ),
        shares={name: _next_share(name, share, counts) for name, share in start.households.shares.items()},
    )
    return Model(
        prior=min(max((matches + 1) / (pairs.all_pairs + 1), start.prior / 100), 0.5),
        levels={trait.name: _next_levels(trait.name, start, counts) for trait in traits},
        households=households,
        is_trained=True,
    )


def _next_share(name: str, before: float, counts: _Counts) -> float:
    share = (counts.shared[name] + _PAIRS_BEHIND_SHARES * before) / (counts.household[name] + _PAIRS_BEHIND_SHARES)
    return min(share, _MOST_TWINS) if name == "birth_date" else share


def _next_levels(name: str, start: Model, counts: _Counts) -> dict[str, Probabilities]:
    m = _shares_of(
        counts.one_person[name], {label: each.m for label, each in start.levels[name].items()}, _PAIRS_BEHIND_M
    )
    u = _shares_of(
        counts.strangers[name], {label: each.u for label, each in start.levels[name].items()}, _PAIRS_BEHIND_U
    )
    return {label: Probabilities(m[label], u[label]) for label in m}


def _shares_of(counted: Mapping[str, float], before: Mapping[str, float], weight: float) -> dict[str, float]:
    """The share of each level, what was expected before counting as `weight` pairs."""
    total = sum(counted.values()) + weight * sum(before.values())
    return {label: (count + weight * before[label]) / total for label, count in counted.items()}
