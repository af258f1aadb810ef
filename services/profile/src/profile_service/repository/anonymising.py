"""Anonymised exports: one statement reads, generalises, groups, suppresses and keeps; nothing in between is stored."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.rules.anonymising import (
    AsIs,
    Bins,
    Calendar,
    Categories,
    Column,
    Digits,
    ExportDefinition,
    MomentSource,
    PurchaseSource,
    RankSource,
    Steps,
    TraitSource,
)
from servicekit.database import json_text, raw

_COLUMNS = (
    "export_id, definition, state, created_by, department, created_at, finished_at, expires_at, customers, published, "
    "cells, smallest, problem"
)
_PURCHASES = {
    "frequency": "(p.purchase_count - p.simulated_count)::numeric",
    "monetary": "p.purchase_total - p.simulated_total",
}
_MOMENTS = {"first_event": "p.first_event_at", "last_purchase": "p.last_purchase_at"}
_DAY = "^[0-9]{4}-(0[1-9]|1[0-2])-[0-9]{2}"


@dataclass(frozen=True)
class ExportRow:
    """An export and what came of it."""

    export_id: UUID
    definition: dict[str, Any]
    state: str
    created_by: str
    department: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime
    customers: int | None
    published: int | None
    cells: int | None
    smallest: int | None
    problem: str | None


@dataclass(frozen=True)
class Outcome:
    """What an export came to. `smallest` is None when nothing was published."""

    customers: int
    published: int
    cells: int
    smallest: int | None


class _Statement:
    """The statement of one export, written column by column; its parameters in order."""

    def __init__(self, definition: ExportDefinition, *, k: int, zone: str) -> None:
        self._definition = definition
        self._k = k
        self._zone = zone
        self.parameters: list[object] = []

    def parameter(self, value: object, kind: str) -> str:
        self.parameters.append(value)
        return f"${len(self.parameters)}::{kind}"

    def write(self, export_id: UUID) -> str:
        export, k = self.parameter(export_id, "uuid"), self.parameter(self._k, "bigint")
        rounding = self.parameter(self._definition.rounding, "bigint")
        columns = self._definition.columns
        joins, values, cuts, labels = list[str](), list[str](), list[str](), list[str]()
        for place, column in enumerate(columns):
            values.append(f"{self._value(place, column, joins)} AS v{place}")
            if isinstance(column.generalisation, Steps):
                cuts += self._cuts(place, column.generalisation, k)
            labels.append(f"{self._label(place, column)} AS l{place}")
        names = ", ".join(f"l{place}" for place in range(len(columns)))
        return f"""
WITH population AS (
    SELECT c.* FROM customers c{self._members()}
    -- whose facts are partly elsewhere could be counted as two, whose are being deleted must not count
    WHERE NOT EXISTS (SELECT FROM moving_customers m WHERE m.customer_id = c.customer_id)
      AND NOT EXISTS (SELECT FROM erased_customers e WHERE e.customer_id = c.customer_id)
), read AS MATERIALIZED (
    SELECT {", ".join(values)} FROM population p {" ".join(joins)}
), cuts AS MATERIALIZED (
    SELECT {", ".join(cuts) or "NULL AS none"}
), cells AS MATERIALIZED (
    SELECT ARRAY[{names}]::text[] AS labels, count(*) AS customers
    FROM (SELECT {", ".join(labels)} FROM read CROSS JOIN cuts) AS generalised
    GROUP BY {names}
), kept AS (
    INSERT INTO anonymised_cells (export_id, position, labels, count)
    SELECT {export}, row_number() OVER (ORDER BY labels), labels, {k} + (customers - {k}) / {rounding} * {rounding}
    FROM cells WHERE customers >= {k}
)
SELECT COALESCE(sum(customers), 0)::bigint AS customers,
       COALESCE(sum(customers) FILTER (WHERE customers >= {k}), 0)::bigint AS published,
       count(*) FILTER (WHERE customers >= {k}) AS cells,
       min(customers) FILTER (WHERE customers >= {k}) AS smallest
FROM cells
"""  # noqa: S608  # made of numbers and parameters

    def _members(self) -> str:
        if self._definition.segment is None:
            return ""
        key = self.parameter(self._definition.segment, "text")
        return (
            " JOIN segment_memberships s ON s.customer_id = c.customer_id AND s.is_member "  # noqa: S608  # a place
            f"AND s.segment_id = (SELECT segment_id FROM segments WHERE key = {key})"
        )

    def _value(self, place: int, column: Column, joins: list[str]) -> str:
        """What is read of a customer, computed once: a number (a step's), digits, or text."""
        value, chosen = self._source(place, column, joins), column.generalisation
        if isinstance(chosen, Steps):
            return f"floor(({value}) / {self.parameter(chosen.width, 'numeric')})"
        return f"regexp_replace({value}, '[^0-9]', '', 'g')" if isinstance(chosen, Digits) else value

    def _source(self, place: int, column: Column, joins: list[str]) -> str:
        """A number, or text, as the generalisation takes it."""
        source = column.source
        if isinstance(source, PurchaseSource):
            return _PURCHASES[source.of]
        if isinstance(source, MomentSource):
            zone = self.parameter(self._zone, "text")
            return f"to_char({_MOMENTS[source.of]} AT TIME ZONE {zone}, 'YYYY-MM-DD')"
        if isinstance(source, RankSource):
            joins.append(f"LEFT JOIN customer_ranks r{place} ON r{place}.customer_id = p.customer_id")
            return f"r{place}.rank_key"
        assert isinstance(source, TraitSource)
        name = self.parameter(source.trait, "text")
        joins.append(f"LEFT JOIN traits t{place} ON t{place}.customer_id = p.customer_id AND t{place}.name = {name}")
        value = f"t{place}.value"
        if isinstance(column.generalisation, Bins | Steps):
            # CASE guards the cast: a filter might be evaluated after it
            return f"CASE WHEN jsonb_typeof({value}) = 'number' THEN ({value} #>> '{{}}')::numeric END"
        kinds = {"as_is": "'boolean'", "categories": "'string', 'number', 'boolean'", "digits": "'string', 'number'"}
        kind = kinds.get(column.generalisation.kind, "'string'")
        return f"CASE WHEN jsonb_typeof({value}) IN ({kind}) THEN {value} #>> '{{}}' END"

    def _cuts(self, place: int, steps: Steps, k: str) -> list[str]:
        """The steps beyond which outliers are cut: the percentiles', but never beyond the k-th value's from an end."""
        found = f"FROM read WHERE v{place} IS NOT NULL"
        ends = {
            "top": ("LEAST", steps.top_percentile, "DESC"),
            "bottom": ("GREATEST", steps.bottom_percentile, "ASC"),
        }
        return [
            f"{choice}((SELECT percentile_disc({self.parameter(percentile / 100, 'float8')}) "
            f"WITHIN GROUP (ORDER BY v{place}) {found}), "
            f"(SELECT v{place} {found} ORDER BY v{place} {order} OFFSET {k} - 1 LIMIT 1)) AS {end}{place}"
            for end, (choice, percentile, order) in ends.items()
        ]

    def _label(self, place: int, column: Column) -> str:
        """What a value becomes; null is unknown."""
        chosen, value = column.generalisation, f"v{place}"
        match chosen:
            case Bins():
                return self._bin(value, chosen.edges)
            case Steps():
                return self._step(place, chosen)
            case Calendar():
                return f"CASE WHEN {value} ~ '{_DAY}' THEN {_CALENDAR[chosen.unit](value)} END"
            case Digits():
                length = self.parameter(chosen.length, "int")
                return f"CASE WHEN length({value}) BETWEEN 5 AND 9 THEN left({value}, {length}) END"
            case Categories():
                values, other = self.parameter(json_text(chosen.values), "jsonb"), self.parameter(chosen.other, "text")
                return f"CASE WHEN {value} IS NOT NULL THEN COALESCE({values} ->> {value}, {other}) END"
            case AsIs():
                return value

    def _bin(self, value: str, edges: Sequence[Decimal]) -> str:
        texts = ["", *(_text(edge) for edge in edges), ""]
        cases = [
            f"WHEN {value} < {self.parameter(edge, 'numeric')} "
            f"THEN {self.parameter(f'{texts[place]}..{texts[place + 1]}', 'text')}"
            for place, edge in enumerate(edges)
        ]
        last = self.parameter(f"{texts[-2]}..", "text")
        return f"CASE {' '.join(cases)} WHEN {value} IS NOT NULL THEN {last} END"

    def _step(self, place: int, steps: Steps) -> str:
        width = self.parameter(steps.width, "numeric")
        top, bottom = f"cuts.top{place}", f"cuts.bottom{place}"
        step = f"LEAST(GREATEST(v{place}, {bottom}), {top})"
        start, end = f"trim_scale({step} * {width})::text", f"trim_scale(({step} + 1) * {width})::text"
        return f"""CASE WHEN v{place} IS NULL THEN NULL
            WHEN {bottom} >= {top} THEN '..'
            WHEN {step} = {top} THEN {start} || '..'
            WHEN {step} = {bottom} THEN '..' || {end}
            ELSE {start} || '..' || {end} END"""


_CALENDAR: dict[str, Callable[[str], str]] = {
    "month": lambda value: f"left({value}, 7)",
    "quarter": lambda value: f"left({value}, 4) || '-Q' || ((substr({value}, 6, 2)::int + 2) / 3)",
    "year": lambda value: f"left({value}, 4)",
}


def _text(number: Decimal) -> str:
    return f"{number.normalize():f}"


async def insert_export(
    session: AsyncSession,
    export_id: UUID,
    definition: dict[str, Any],
    *,
    by: str,
    department: str | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Keep what was asked for, to be made."""
    await (await raw(session)).execute(
        "INSERT INTO anonymised_exports (export_id, definition, state, created_by, department, created_at, expires_at) "
        "VALUES ($1, $2, 'queued', $3, $4, $5, $6)",
        export_id, json_text(definition), by, department, now, expires_at,
    )  # fmt: skip


async def claim_export(session: AsyncSession) -> ExportRow | None:
    """The oldest export to be made that nobody else makes; held until this transaction ends, free to be cancelled."""
    connection = await raw(session)
    for row in await connection.fetch(
        f"SELECT {_COLUMNS} FROM anonymised_exports WHERE state = 'queued' ORDER BY created_at, export_id LIMIT 20"  # noqa: S608
    ):
        number = int.from_bytes(row["export_id"].bytes[8:], signed=True)
        if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", number):
            return await get_export(session, row["export_id"])
    return None


async def make_export(
    session: AsyncSession, export_id: UUID, definition: ExportDefinition, *, k: int, zone: str
) -> Outcome:
    """Keep the cells of at least `k` customers, from one snapshot: whatever moves meanwhile, nobody counts twice."""
    statement = _Statement(definition, k=k, zone=zone)
    sql = statement.write(export_id)
    row = await (await raw(session)).fetchrow(sql, *statement.parameters)
    return Outcome(**row)


async def finish_export(
    session: AsyncSession, export_id: UUID, *, outcome: Outcome | None, problem: str | None, now: datetime
) -> bool:
    """Say what an export came to; False when it was cancelled meanwhile."""
    figures = (
        (None,) * 4 if outcome is None else (outcome.customers, outcome.published, outcome.cells, outcome.smallest)
    )
    status: str = await (await raw(session)).execute(
        "UPDATE anonymised_exports SET state = $2, finished_at = $3, customers = $4, published = $5, cells = $6, "
        "smallest = $7, problem = $8 WHERE export_id = $1 AND state = 'queued'",
        export_id, "failed" if outcome is None else "done", now, *figures, problem,
    )  # fmt: skip
    return status == "UPDATE 1"


async def cancel_export(session: AsyncSession, export_id: UUID, *, now: datetime) -> bool:
    """Cancel an export that is not made yet; False when there is none such."""
    status: str = await (await raw(session)).execute(
        "UPDATE anonymised_exports SET state = 'cancelled', finished_at = $2 WHERE export_id = $1 AND state = 'queued'",
        export_id,
        now,
    )
    return status == "UPDATE 1"


async def get_export(session: AsyncSession, export_id: UUID) -> ExportRow | None:
    """One export."""
    row = await (await raw(session)).fetchrow(
        f"SELECT {_COLUMNS} FROM anonymised_exports WHERE export_id = $1",  # noqa: S608  # the columns above
        export_id,
    )
    return None if row is None else ExportRow(**row)


async def list_exports(session: AsyncSession, *, before: tuple[datetime, UUID] | None, limit: int) -> list[ExportRow]:
    """Exports, the newest first."""
    created_at, export_id = before or (None, None)
    rows = await (await raw(session)).fetch(
        f"SELECT {_COLUMNS} FROM anonymised_exports "  # noqa: S608  # the columns above
        "WHERE $1::timestamptz IS NULL OR (created_at, export_id) < ($1, $2::uuid) "
        "ORDER BY created_at DESC, export_id DESC LIMIT $3",
        created_at,
        export_id,
        limit,
    )
    return [ExportRow(**row) for row in rows]


async def cells_of(
    session: AsyncSession, export_id: UUID, *, after: int, limit: int
) -> AsyncIterator[tuple[list[str | None], int]]:
    """Published cells after a position, in order, by a cursor: labels and the rounded number of customers."""
    async for row in (await raw(session)).cursor(
        "SELECT labels, count FROM anonymised_cells WHERE export_id = $1 AND position > $2 ORDER BY position LIMIT $3",
        export_id, after, limit, prefetch=1000,
    ):  # fmt: skip
        yield row["labels"], row["count"]


async def expire_exports(session: AsyncSession, *, now: datetime) -> None:
    """Delete the content of exports whose time is over; that they were made, for whom and why stays known."""
    connection = await raw(session)
    await connection.execute(
        "DELETE FROM anonymised_cells c USING anonymised_exports e "
        "WHERE e.export_id = c.export_id AND e.expires_at <= $1",
        now,
    )
    await connection.execute(
        "UPDATE anonymised_exports SET state = 'expired' WHERE state = 'done' AND expires_at <= $1", now
    )
