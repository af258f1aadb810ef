"""The policy's versions, what its rules ask of a thing, and its rules as SQL over rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import CompiledPredicate
from profile_service.rules.policy import REMARK, From, Origin, View, as_like
from servicekit.database import json_text, raw


@dataclass(frozen=True)
class PolicyRow:
    """The policy from a change on."""

    version: int
    document: dict[str, Any]
    changed_at: datetime
    changed_by: str
    why: str


async def lock_policy(session: AsyncSession) -> None:
    """Let nobody else change the policy before this transaction ends."""
    await (await raw(session)).execute("SELECT pg_advisory_xact_lock(hashtextextended('policy', 0))")


async def present_version(session: AsyncSession) -> int:
    """The version that holds; 0: nobody put a policy yet."""
    version: int = await (await raw(session)).fetchval("SELECT COALESCE(max(version), 0) FROM policy_versions")
    return version


async def get_version(session: AsyncSession, version: int) -> PolicyRow | None:
    """One version."""
    row = await (await raw(session)).fetchrow(
        "SELECT version, document, changed_at, changed_by, why FROM policy_versions WHERE version = $1", version
    )
    return None if row is None else PolicyRow(**row)


async def list_versions(session: AsyncSession, *, before: int | None, limit: int) -> list[PolicyRow]:
    """Versions, newest first, before one already seen."""
    rows = await (await raw(session)).fetch(
        "SELECT version, document, changed_at, changed_by, why FROM policy_versions "
        "WHERE $1::int IS NULL OR version < $1 ORDER BY version DESC LIMIT $2",
        before,
        limit,
    )
    return [PolicyRow(**row) for row in rows]


async def insert_version(session: AsyncSession, row: PolicyRow) -> None:
    """What holds from now on."""
    await (await raw(session)).execute(
        "INSERT INTO policy_versions (version, document, changed_at, changed_by, why) VALUES ($1, $2, $3, $4, $5)",
        row.version,
        json_text(row.document),
        row.changed_at,
        row.changed_by,
        row.why,
    )


async def list_givers(session: AsyncSession) -> dict[str, frozenset[Origin]]:
    """By name of event whose the sources are or were that have ever given such."""
    rows = await (await raw(session)).fetch(
        "SELECT DISTINCT g.name, s.department, s.brand, s.legal_entity "
        "FROM given_names g LEFT JOIN sources s USING (source_id) WHERE g.kind = 'event'"
    )
    givers: dict[str, set[Origin]] = {}
    for name, *origin in rows:
        givers.setdefault(name, set()).add(Origin(*origin))
    return {name: frozenset(origins) for name, origins in givers.items()}


async def list_labels(session: AsyncSession) -> dict[str, frozenset[str]]:
    """The labels of traits that have some."""
    rows = await (await raw(session)).fetch("SELECT name, labels FROM trait_definitions WHERE labels <> '{}'")
    return {row["name"]: frozenset(row["labels"]) for row in rows}


async def list_unused_segment_conditions(session: AsyncSession) -> dict[str, str]:
    """The conditions of drafts and archived segments as JSON text, by key: what was published, else what is edited."""
    rows = await (await raw(session)).fetch(
        "SELECT key, COALESCE(published_condition, condition)::text AS condition FROM segments "
        "WHERE version = 0 OR archived_at IS NOT NULL"
    )
    return {row["key"]: row["condition"] for row in rows}


async def list_sign_conditions(session: AsyncSession) -> dict[str, str]:
    """The signs' conditions as JSON text, by key: what is published, else what is edited."""
    rows = await (await raw(session)).fetch(
        "SELECT key, (COALESCE(published, edited) -> 'condition')::text AS condition FROM signs"
    )
    return {row["key"]: row["condition"] for row in rows}


_SPANS = "range_agg(tstzrange(o.valid_from, o.valid_until))"


def visible_events(view: View, *, alias: str, first_parameter: int) -> CompiledPredicate:
    """Which rows of `events` (by that alias) a caller may see: the first rule that matches a row decides."""
    built = _Builder(first_parameter)
    cases = []
    for _, rule in view.about("event"):
        tests = []
        if rule.what.kind == "remark":
            tests.append(f"{alias}.name = {built.parameter(REMARK)}::text")
        if rule.what.names is not None:
            tests.append(f"{alias}.name LIKE ANY({built.patterns(rule.what.names)})")
        if rule.what.origin is not None and rule.what.origin != From():
            tests.append(_came_from(built, rule.what.origin, alias))
        cases.append(_case(tests, is_allowed=rule.effect == "allow"))
    return built.first_of(cases, otherwise=view.default == "allow")


def visible_traits(view: View, *, name: str, labels: str, first_parameter: int) -> CompiledPredicate:
    """Which traits a caller may see, by expressions for their name and labels (an array, null without a definition)."""
    built = _Builder(first_parameter)
    cases = []
    for _, rule in view.about("trait"):
        tests = []
        if rule.what.names is not None:
            tests.append(f"{name} LIKE ANY({built.patterns(rule.what.names)})")
        if rule.what.labels is not None:
            fits = f"l LIKE ANY({built.patterns(rule.what.labels)})"
            tests.append(f"EXISTS (SELECT FROM unnest({labels}) AS l WHERE {fits})")  # parameters only
        cases.append(_case(tests, is_allowed=rule.effect == "allow"))
    return built.first_of(cases, otherwise=view.default == "allow")


def _came_from(built: "_Builder", origin: From, alias: str) -> str:
    """Whether the source of an event was whose it should be, at the time of the event.

    Sources are few and events many: the sources that fit are found once in a statement, and events looked up in them.
    Of a source that changed hands the spans are asked, too.
    """
    fits = " AND ".join(
        f"o.{column} LIKE ANY({built.patterns(patterns)})"
        for column, patterns in (
            ("department", origin.departments),
            ("brand", origin.brands),
            ("legal_entity", origin.legal_entities),
        )
        if patterns is not None
    )
    always = "o.valid_from = '-infinity' AND o.valid_until = 'infinity'"
    at_times = f"SELECT o.source_id, {_SPANS} AS spans FROM sources o WHERE {fits} AND NOT ({always})"  # noqa: S608  # parameters only
    at_times += " AND o.valid_from < o.valid_until GROUP BY o.source_id"
    spans, ids = (
        f"(SELECT array_agg(t.{column} ORDER BY t.source_id) FROM ({at_times}) AS t)"  # noqa: S608  # the same
        for column in ("spans", "source_id")
    )
    return (
        f"({alias}.source_id IN (SELECT o.source_id FROM sources o WHERE {fits} AND {always})"  # noqa: S608  # the same
        f" OR {alias}.source_id IN (SELECT t.source_id FROM ({at_times}) AS t)"
        f" AND {alias}.occurred_at <@ {spans}[array_position({ids}, {alias}.source_id)])"
    )


def _case(tests: list[str], *, is_allowed: bool) -> str:
    return f"WHEN {' AND '.join(tests) or 'true'} THEN {str(is_allowed).lower()}"


class _Builder:
    """Numbers parameters."""

    def __init__(self, first_parameter: int) -> None:
        self._next = first_parameter
        self._parameters: list[object] = []

    def parameter(self, value: object) -> str:
        self._parameters.append(value)
        self._next += 1
        return f"${self._next - 1}"

    def patterns(self, patterns: list[str]) -> str:
        return f"{self.parameter([as_like(pattern) for pattern in patterns])}::text[]"

    def first_of(self, cases: list[str], *, otherwise: bool) -> CompiledPredicate:
        default = str(otherwise).lower()
        sql = f"CASE {' '.join(cases)} ELSE {default} END" if cases else default
        return CompiledPredicate(sql, tuple(self._parameters))
