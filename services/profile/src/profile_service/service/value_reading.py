"""What is computed when it is read: computed traits, lifecycle, RFM scores, the way to the next rank."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Case, CaseValue, ComputedValue, ConstantValue, DistanceValue, PointsValue, Value
from profile_service.conditions import LIFECYCLE, CompiledConditions, Compiler, Library, expand_value
from profile_service.repository.definitions import list_thresholds
from profile_service.repository.library import Published, read_published
from profile_service.rules.rfm import MEASURES, Measure, score
from profile_service.service.policy import Sight
from profile_service.service.references import OF_RANKS
from servicekit.database import raw
from servicekit.errors import Invalid

log = structlog.get_logger(__name__)
_AT_A_TIME = 250
"""Values of one statement: a SELECT has at most 1,664 columns."""

_Asked = tuple[str, str]
"""A kind (`computed`, `rfm`, `lifecycle`, `points`, `distance`) and a key."""


@dataclass(frozen=True)
class NextRank:
    """The rank with the next threshold above the rank that is held, and what is missing."""

    key: str
    name: str
    missing: Decimal


@dataclass
class ComputedView:
    """What is computed of one customer; what is missing is not there."""

    computed: dict[str, Any] = field(default_factory=dict)
    """Key -> number, text, or moment."""
    lifecycle: str | None = None
    points: Decimal | None = None
    """What the table of ranks measures."""
    distance: Decimal | None = None
    """What that lacks to the next rank."""
    next_rank: NextRank | None = None
    scores: dict[Measure, int] = field(default_factory=dict)


class ValueReader:
    """Computes Values of many customers in one statement, remembered as long as nothing is published."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._published = Published()
        self._values: dict[_Asked, Any] = {}
        self._thresholds: list[tuple[str, str, Decimal]] = []
        self._statements: dict[tuple[_Asked, ...], list[tuple[tuple[_Asked, ...], CompiledConditions]]] = {}

    async def library(self, session: AsyncSession) -> Library:
        """What is published now."""
        published = await read_published(session, known=self._published)
        if published is not self._published:
            self._published, self._statements = published, {}
            self._values = dict(_expanded(published.library))
            self._thresholds = await list_thresholds(session)
        return published.library

    async def read(
        self,
        session: AsyncSession,
        customer_ids: Sequence[UUID],
        *,
        sight: Sight,
        now: datetime,
        names: Sequence[str] | None = None,
    ) -> dict[UUID, ComputedView]:
        """By customer, of what the asker may see. With `names` only computed traits of these keys."""
        library = await self.library(session)
        asked = tuple(each for each in self._values if _is_asked(each, names) and _is_seen(each, sight, library))
        views = {customer_id: ComputedView() for customer_id in customer_ids}
        connection = await raw(session)
        for part, compiled in self._compiled(asked):
            for row in await connection.fetch(compiled.sql, now, list(views), *compiled.parameters):
                view = views[row["customer_id"]]
                for position, each in enumerate(part):
                    _put(view, each, row[f"x{position}"], library)
        for view in views.values():
            view.next_rank = self._next_rank(view)
        return views

    def _next_rank(self, view: ComputedView) -> NextRank | None:
        if view.points is None or view.distance is None:
            return None
        reached = view.points + view.distance
        return next((NextRank(key, name, view.distance) for key, name, at in self._thresholds if at >= reached), None)

    def _compiled(self, asked: tuple[_Asked, ...]) -> list[tuple[tuple[_Asked, ...], CompiledConditions]]:
        if asked not in self._statements:
            parts = [asked[start : start + _AT_A_TIME] for start in range(0, len(asked), _AT_A_TIME)]
            self._statements[asked] = [
                (part, self._compiler.values([self._values[each] for each in part])) for part in parts
            ]
        return self._statements[asked]


def _expanded(library: Library) -> list[tuple[_Asked, Any]]:  # with its expression
    values: dict[_Asked, Value] = {
        ("computed", key): ComputedValue(kind="computed", key=key) for key in sorted(library.computed)
    }
    for measure in MEASURES:
        if measure in library.cuts:
            values["rfm", measure] = library.cuts[measure].value
    if library.lifecycle:
        values["lifecycle", ""] = _lifecycle_value(library)
    if library.ranks["default"].measure is not None:
        values["points", "default"] = PointsValue(kind="points")
        values["distance", "default"] = DistanceValue(kind="distance_to_next_rank")
    found = []
    for each, value in values.items():
        try:
            found.append((each, expand_value(value, library)))
        except Invalid as refusal:
            log.error("value_leads_nowhere", kind=each[0], key=each[1], why=refusal.detail)
    return found


def _lifecycle_value(library: Library) -> Value:
    cases = [
        Case(condition=condition, value=ConstantValue(kind="constant", value=state))
        for state, condition in library.lifecycle
    ]
    return CaseValue(kind="case", cases=cases)


def _is_asked(each: _Asked, names: Sequence[str] | None) -> bool:
    return names is None or (each[0] == "computed" and each[1] in names)


def _is_seen(each: _Asked, sight: Sight, library: Library) -> bool:
    kind, key = each
    if kind == "computed":
        return sight.sees_definition(("computed", key))
    if kind == "rfm":
        return sight.sees_tree(library.cuts[key].value)
    return sight.sees_definition(LIFECYCLE if kind == "lifecycle" else OF_RANKS)


def _put(view: ComputedView, each: _Asked, value: Any, library: Library) -> None:  # a column's
    if value is None:
        return
    match each:
        case ("computed", key):
            view.computed[key] = value
        case ("lifecycle", _):
            view.lifecycle = value
        case ("points", _):
            view.points = value
        case ("distance", _):
            view.distance = value
        case ("rfm", measure) if library.cuts[measure].at:  # none: there were no buyers to compare with
            view.scores[measure] = score(value, library.cuts[measure].at)  # type: ignore[index]  # one of MEASURES


def plain(value: Any) -> Any:
    """A computed value as JSON holds it: whole numbers whole, others to 15 digits, moments in ISO 8601."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if isinstance(value, datetime) else value
