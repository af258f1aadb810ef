"""How good a run thinks it is, without knowing the truth."""

from collections.abc import Sequence
from typing import TypedDict

from identity_service.linking.preparation import PreparedRecords
from identity_service.linking.scoring import Scored


class Estimates(TypedDict):
    """The part of LinkingFigures that is estimated."""

    precision_estimate: float | None
    recall_estimate: float | None
    estimated_by: str


def estimate(
    linked: Sequence[float], candidates: Sequence[float], prepared: PreparedRecords, scored: Scored
) -> Estimates:
    """Precision is the mean score of what was linked; recall the linked scores over all scores: both hold when the scores are probabilities."""
    expected = sum(candidates)
    return Estimates(
        precision_estimate=sum(linked) / len(linked) if linked else None,
        recall_estimate=sum(linked) / expected if expected else None,
        estimated_by="Scores taken as probabilities: precision is the mean score of the linked pairs, recall their sum over that of all"
        " pairs looked at; pairs that share no key are not counted.",
    )
