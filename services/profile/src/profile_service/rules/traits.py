"""Rules of traits: policies that make sense, and why an observation does not count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Policy = Literal["latest", "most_trusted", "max", "min", "union"]
TraitType = Literal["text", "number", "bool", "date", "list"]
Reason = Literal[
    "older", "less_trusted", "smaller", "larger", "corrected", "retracted", "other_type", "says_nothing"
]  # fmt: skip
"""Why an observation does not count."""

SHAPES: Mapping[str, str] = {
    "text": 'strict $ ? (@ == null || @.type() == "string")',
    "number": 'strict $ ? (@ == null || @.type() == "number")',
    "bool": 'strict $ ? (@ == null || @.type() == "boolean")',
    # not 0000-00-00 and the like, which systems send for none
    "date": 'strict $ ? (@ == null || @ like_regex "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T.*)?$")',
    "list": 'strict $ ? (@ == null || @.type() == "array")',
}
"""By type the SQL/JSON path that matches its values and null."""


@dataclass(frozen=True)
class Retracted:
    """By whom an observation was taken back, when, and why."""

    retraction_id: UUID
    why: str
    asked_by: str
    asked_at: datetime


@dataclass(frozen=True)
class Observation:
    """What a source said of a trait, with what weighs it."""

    event_id: UUID
    observed_at: datetime
    received_at: datetime
    """For the order only: before everything where it is not known."""
    known_received_at: datetime | None
    value: Any  # any JSON value
    source_id: str
    department: str | None
    brand: str | None
    legal_entity: str | None
    retracted: Retracted | None
    is_fitting: bool
    """Of the trait's type."""
    is_corrected: bool
    """Its source said something else later."""
    trust: int | None
    """The place of its source or department among the trusted ones."""


def why_lost(observation: Observation, winner: Observation | None, policy: Policy) -> Reason | None:
    """Why an observation does not count; None: it does. `winner` is the (latest) one that does, if there is any."""
    if observation.retracted is not None:
        return "retracted"
    if not observation.is_fitting:
        return "other_type"
    if observation.is_corrected:
        return "corrected"
    if observation.value is None and policy in {"max", "min", "union"}:
        return "says_nothing"
    if policy == "union" or winner is None or observation.event_id == winner.event_id:
        return None
    if policy == "most_trusted" and observation.trust != winner.trust:
        return "less_trusted"
    if policy in {"max", "min"} and _weight(observation.value) != _weight(winner.value):
        return "smaller" if policy == "max" else "larger"
    return "older"


def _weight(value: Any) -> Any:  # a number, or a text that begins with a day
    return value[:10] if isinstance(value, str) else value


def problems_of(
    *, of_type: TraitType | None, policy: Policy, trusted: Sequence[Mapping[str, str]]
) -> list[tuple[str, str]]:
    """What does not go together in a definition, as (field, detail)."""
    found = []
    if policy in {"max", "min"} and of_type not in {"number", "date"}:
        found.append(("type", f"{policy} compares values: the type must be number or date."))
    if policy == "union" and of_type not in {None, "list"}:
        found.append(("type", "union joins lists: the type must be list, or left out."))
    if policy == "most_trusted" and not trusted:
        found.append(("trusted", "most_trusted needs sources or departments, the most trusted first."))
    if policy != "most_trusted" and trusted:
        found.append(("trusted", f"{policy} trusts everybody alike: leave it out, or choose most_trusted."))
    seen: list[Mapping[str, str]] = []
    for position, entry in enumerate(trusted):
        if entry in seen:
            found.append((f"trusted.{position}", "It is there twice."))
        seen.append(entry)
    return found
