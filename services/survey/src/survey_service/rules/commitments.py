"""What becomes of promises when answers change or somebody reports on them."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from survey_service.rules.answers import Value
from survey_service.rules.questionnaire import CommitmentOption, CommitmentQuestion, Questionnaire

Status = Literal["open", "kept", "breached", "withdrawn"]

ALLOWED: dict[Status, frozenset[Status]] = {
    "open": frozenset({"kept", "breached", "withdrawn"}),
    "kept": frozenset({"kept", "breached", "open", "withdrawn"}),
    "breached": frozenset({"kept", "open", "withdrawn"}),
    "withdrawn": frozenset(),
}
"""Present status -> what people may set. A standing promise is kept again and again (each time with its proof); a
mistaken report goes back to open; a withdrawn promise comes back only when the customer ticks it again."""


class Ticked(NamedTuple):
    """One offered promise in one questionnaire."""

    question_key: str
    option_key: str


class Plan(NamedTuple):
    """What to do after an answer: promises ticked now and not before, and the other way round."""

    ticked: dict[Ticked, CommitmentOption]
    unticked: dict[Ticked, CommitmentOption]


def plan_commitments(questionnaire: Questionnaire, *, before: Mapping[str, Value], after: Mapping[str, Value]) -> Plan:
    """Compare the ticks of two revisions. What did not change is left alone, whatever became of it since."""
    offered = dict(_offered(questionnaire))
    had, has = _ticks(offered, before), _ticks(offered, after)
    return Plan(
        ticked={tick: offered[tick] for tick in offered if tick in has - had},
        unticked={tick: offered[tick] for tick in offered if tick in had - has},
    )


def _offered(questionnaire: Questionnaire) -> Iterator[tuple[Ticked, CommitmentOption]]:
    for question in questionnaire.questions:
        if isinstance(question, CommitmentQuestion):
            for option in question.options:
                yield Ticked(question.key, option.key), option


def _ticks(offered: Mapping[Ticked, CommitmentOption], answers: Mapping[str, Value]) -> set[Ticked]:
    chosen = {key: value for key, value in answers.items() if isinstance(value, list)}
    return {tick for tick in offered if tick.option_key in chosen.get(tick.question_key, [])}


def commitment_id_of(response_id: UUID, ticked: Ticked) -> UUID:
    """Return the promise's id: one per response and option, whatever is revised or posted twice."""
    return uuid5(response_id, f"commitment:{ticked.question_key}:{ticked.option_key}")


def due_on(option: CommitmentOption, *, made_at: datetime, zone: ZoneInfo) -> date | None:
    """Return the calendar day, in the customers' zone, the promise is due."""
    return None if option.due_days is None else made_at.astimezone(zone).date() + timedelta(days=option.due_days)
