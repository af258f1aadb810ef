"""Traits' policies read in plain Python, one trait of one customer at a time: what the fold is held against."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

NOTHING = (None, UUID(int=0))
"""The value and the event of a trait of which nothing counts."""


@dataclass(frozen=True)
class Said:
    """An observation."""

    anchor_id: UUID
    source_id: str
    observed_at: datetime
    received_at: datetime
    event_id: UUID
    value: Any

    @property
    def place(self) -> tuple[datetime, datetime, UUID]:
        """In the order of time."""
        return self.observed_at, self.received_at, self.event_id


@dataclass(frozen=True)
class SourceTold:
    """A version of a source."""

    source_id: str
    version: int
    department: str
    changed_at: datetime


def department_at(source_id: str, moment: datetime, told: Sequence[SourceTold]) -> str | None:
    """Whose the source was: the last version that had begun, or else the first one."""
    versions = sorted((each for each in told if each.source_id == source_id), key=lambda each: each.version)
    if not versions:
        return None
    holding, begun = versions[0], versions[0].changed_at
    for version in versions[1:]:
        begun = max(begun, version.changed_at)
        if begun <= moment:
            holding = version
    return holding.department


def fits(value: Any, of_type: str | None) -> bool:
    """Whether a value is of the type, or null."""
    if value is None or of_type is None:
        return True
    if of_type == "date":
        if (
            not isinstance(value, str)
            or (found := re.fullmatch(r"[0-9]{4}-([0-9]{2})-([0-9]{2})(T.*)?", value)) is None
        ):
            return False
        return 1 <= int(found[1]) <= 12 and 1 <= int(found[2]) <= 31
    if of_type == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, {"text": str, "bool": bool, "list": list}[of_type])


def folded(said: Sequence[Said], definition: dict[str, Any], told: Sequence[SourceTold]) -> tuple[Any, UUID]:
    """The value and the event that won, of what counts (nothing retracted) of one customer's trait."""
    policy, of_type = definition["policy"], definition.get("type")
    words: dict[str, Said] = {}
    for each in sorted(said, key=lambda each: each.place):
        if fits(each.value, of_type):
            words[each.source_id] = each
    standing = sorted(words.values(), key=lambda each: each.place)
    if policy in {"max", "min", "union"}:
        standing = [each for each in standing if each.value is not None]
    if not standing:
        return NOTHING
    if policy == "union":
        return _union(standing), standing[-1].event_id
    if policy == "most_trusted":
        best = min(_trust(each, definition["trusted"], told) for each in standing)
        standing = [each for each in standing if _trust(each, definition["trusted"], told) == best]
    if policy in {"max", "min"}:
        weights = [each.value[:10] if of_type == "date" else each.value for each in standing]
        best_weight = max(weights) if policy == "max" else min(weights)
        standing = [each for each, weight in zip(standing, weights, strict=True) if weight == best_weight]
    return standing[-1].value, standing[-1].event_id


def _trust(said: Said, trusted: list[dict[str, str]], told: Sequence[SourceTold]) -> int:
    department = department_at(said.source_id, said.observed_at, told)
    for position, entry in enumerate(trusted):
        if entry in ({"source": said.source_id}, {"department": department}):
            return position
    return len(trusted)


def _union(standing: list[Said]) -> list[Any]:
    found: dict[str, Any] = {}
    for each in standing:
        for element in each.value if isinstance(each.value, list) else [each.value]:
            if element is not None:
                found.setdefault(json.dumps(element), element)
    return list(found.values())
