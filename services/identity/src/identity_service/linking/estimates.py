"""How good a run thinks it is, without knowing the truth."""

from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

from identity_service.linking.preparation import PreparedRecords
from identity_service.linking.scoring import Scored


class Estimates(TypedDict):
    """The part of LinkingFigures that is estimated."""

    precision_estimate: float | None
    recall_estimate: float | None
    estimated_by: str


FEWEST_KNOWN_PAIRS = 20
"""Fewer pairs that the rules joined say nothing about how many share no key."""
_BY_SCORES = (
    "Scores taken as probabilities: precision is their mean over the linked pairs, recall their sum over these as a"
    " share of their sum over all pairs looked at"
)


def estimate(
    linked: Sequence[float], candidates: Sequence[float], prepared: PreparedRecords, scored: Scored
) -> Estimates:
    """From the scores of the linked pairs and of all; they hold as far as the scores are the probabilities they claim
    to be.

    What shares no key is never scored. Of the pairs of records that rules joined it is known how many do, so their
    share lowers the recall, when there are enough of them and all records were compared.
    """
    expected = sum(candidates)
    precision = sum(linked) / len(linked) if linked else None
    recall = sum(linked) / expected if expected else None
    known = _known_pairs(prepared)
    if recall is None or known < FEWEST_KNOWN_PAIRS or prepared.changed < len(prepared.rows):
        return Estimates(precision_estimate=precision, recall_estimate=recall, estimated_by=f"{_BY_SCORES}.")
    return Estimates(
        precision_estimate=precision,
        recall_estimate=recall * scored.known_pairs_compared / known,
        estimated_by=f"{_BY_SCORES}, times the share of the {known:,} pairs joined by rules that were looked at too.",
    )


def _known_pairs(prepared: PreparedRecords) -> int:
    """How many pairs of records belong to one customer already."""
    return sum(records * (records - 1) // 2 for records in Counter(prepared.customer_ids).values())
