"""Trying a condition before it is published: exactly, or in a moment on a sample; and refusing what reads too much."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Condition
from profile_service.conditions import CompiledConditions, Compiler, Predicate
from profile_service.repository import previews, segments
from profile_service.repository.previews import Cost
from profile_service.repository.segments import SegmentRow
from profile_service.rules.estimating import estimate_count
from profile_service.service.references import as_json, of_segment, resolve
from profile_service.settings import Settings
from servicekit.errors import Invalid

SHOWN = 10
"""Customers shown by a preview."""


@dataclass(frozen=True)
class Preview:
    """How many customers fulfil a condition, of how many, and some of them at random (the same ones while they do).

    An estimate lies between `low` and `high` in 95 of 100 cases; counted exactly, all three are the same.
    """

    count: int
    low: int
    high: int
    total: int
    is_estimate: bool
    sample: list[UUID]


class Previewer:
    """Counts and estimates."""

    def __init__(self, settings: Settings, *, compiler: Compiler) -> None:
        self._settings = settings
        self._compiler = compiler

    async def preview(
        self,
        session: AsyncSession,
        condition: Condition,
        *,
        mode: Literal["exact", "estimate"],
        now: datetime,
        is_forced: bool = False,
    ) -> Preview:
        """Who fulfils a condition now: everybody is looked at, or a sample of `estimate_sample` customers.

        Raises:
            Invalid: the condition, with the path in its tree; to be exact it would have to read too much.
        """
        expanded = await resolve(session, condition, own=None)
        if mode == "estimate":
            return await self._estimate(session, expanded, now=now)
        compiled = self._compiler.members(expanded)
        if not is_forced:
            await self._check_cost(session, compiled, as_json(condition), now=now)
        count, sample = await previews.count_matching(session, compiled, now=now, sample=SHOWN)
        total, _ = await previews.count_customers(session)
        return Preview(count, count, count, total, is_estimate=False, sample=sample)

    async def _estimate(self, session: AsyncSession, condition: Predicate, *, now: datetime) -> Preview:
        sampled = await previews.sample_customers(session, limit=self._settings.estimate_sample)
        compiled = self._compiler.live([condition])
        matching = await previews.matching_among(session, sampled, compiled, now=now)
        total, _ = await previews.count_customers(session)
        count, low, high = estimate_count(matching=len(matching), sampled=len(sampled), total=total)
        return Preview(count, low, high, total, is_estimate=len(sampled) < total, sample=matching[:SHOWN])

    async def check_cost_of(self, session: AsyncSession, segment: SegmentRow, *, now: datetime) -> None:
        """Refuse to publish a segment whose edited condition reads too much when everybody is evaluated.

        Raises:
            Invalid: with the estimate, and what to narrow by its path in the tree.
        """
        if segment.kind == "dynamic":
            await self._check_cost_of_next(session, segment, segment.condition, now=now)

    async def check_cost_of_version(
        self, session: AsyncSession, segment: SegmentRow, version: int, *, now: datetime
    ) -> None:
        """Refuse to restore a version, if there is such, that reads too much now when everybody is evaluated.

        Raises:
            Invalid: with the estimate, and what to narrow by its path in the tree.
        """
        earlier = await segments.get_version(session, segment.segment_id, version)
        if earlier is not None:
            await self._check_cost_of_next(session, segment, earlier.condition, now=now)

    async def _check_cost_of_next(
        self, session: AsyncSession, segment: SegmentRow, condition: dict[str, Any], *, now: datetime
    ) -> None:
        if condition != segment.published_condition:
            expanded = await resolve(session, condition, own=of_segment(segment.key))
            await self._check_cost(session, self._compiler.members(expanded), condition, now=now)

    async def check_cost_of_condition(self, session: AsyncSession, tree: dict[str, Any], *, now: datetime) -> None:
        """Refuse a stored condition, which nothing refers to, that reads too much when everybody is evaluated.

        Raises:
            Invalid: with the estimate, and what to narrow by its path in the tree.
        """
        expanded = await resolve(session, tree, own=None)
        await self._check_cost(session, self._compiler.members(expanded), tree, now=now)

    async def _check_cost(
        self, session: AsyncSession, compiled: CompiledConditions, tree: dict[str, Any], *, now: datetime
    ) -> None:
        cost = await previews.estimate_cost(session, compiled, now=now)
        limit = self._settings.max_condition_cost
        if cost.total > limit:
            raise Invalid(
                f"For everybody it is estimated to cost {cost.total:,.0f}, at most {limit:,.0f} is allowed. "
                f"{_what_costs_most(cost)} Or repeat it with `force` (scope profile:scan).",
                field=_path_of_event(tree, cost.event, "condition") or "condition",
            )


def _what_costs_most(cost: Cost) -> str:
    rows = f"about {cost.rows:,} rows of {cost.relation}"
    if cost.event is None:
        return f"Most of it is reading {rows}: ask for less."
    return f"Most of it is reading {rows} with that event: give it a shorter window."


def _path_of_event(tree: object, event: str | None, path: str) -> str | None:
    """Where in a stored tree events of that name are asked for first."""
    if isinstance(tree, list):
        children = [(str(position), child) for position, child in enumerate(tree)]
    elif isinstance(tree, dict):
        if event is not None and tree.get("event") == event:
            return path
        children = list(tree.items())
    else:
        return None
    found = (_path_of_event(child, event, f"{path}.{name}") for name, child in children)
    return next((each for each in found if each is not None), None)
