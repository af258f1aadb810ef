"""Members of one household are the trap of record linkage: they share surname, address and telephone, and are not one
person.

Fellegi-Sunter knows two classes of pairs, one person and two strangers, and takes a household for the first. Here a
third class stands beside them. Of trait k two members of a household agree either as one person's records would (they
share it, probability s_k) or as strangers' would:  h_k = s_k m_k + (1 - s_k) u_k.  Given the match weight W (bits,
prior included) and each trait's weight w_k, and r = how many household pairs there are for each pair of one person,
the probability that a pair is one person is

    1 / (1 + 2^-W + r * prod_k (s_k + (1 - s_k) 2^-w_k)).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identity_service.linking.comparisons import Trait

PAIRS_PER_MATCH = 0.5
_LARGEST_POWER = 900.0
"""2.0 ** 900 is still a float; more evidence than that changes nothing."""


@dataclass(frozen=True)
class Households:
    """r and s_k of the formula above."""

    pairs_per_match: float
    shares: Mapping[str, float]
    """Trait -> s_k."""

    @classmethod
    def starting(cls, traits: tuple[Trait, ...]) -> "Households":
        """What is plausible before anything was seen."""
        return cls(PAIRS_PER_MATCH, {trait.name: trait.household_share for trait in traits})

    def to_json(self) -> dict[str, Any]:
        """The inverse of `from_json`."""
        return {"pairs_per_match": self.pairs_per_match, "shares": dict(self.shares)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Households":
        """Read what `to_json` wrote."""
        return cls(stored["pairs_per_match"], dict(stored["shares"]))

    def probability_of_one_person(self, match_weight: float, weights: Mapping[str, float]) -> float:
        """The formula above; `weights` holds each trait's weight in bits, for the traits that both records have."""
        household = self.pairs_per_match
        for trait, weight in weights.items():
            share = self.shares[trait]
            household *= share + (1 - share) * power_of_two(-weight)
        return 1 / (1 + power_of_two(-match_weight) + household)


def power_of_two(exponent: float) -> float:
    """2 ** exponent, as large as a float allows."""
    return float(2.0 ** min(exponent, _LARGEST_POWER))
