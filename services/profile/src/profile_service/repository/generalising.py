"""The two statements of an anonymised export: what is read of customers, and what is published of all of them.

Reading writes down, for each customer, the values already generalised, but for the steps of numbers: where these are
cut is known only when everybody is read. Publishing groups, cuts, suppresses.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from uuid import UUID

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
from servicekit.database import json_text

_PURCHASES = {
    "frequency": "(p.purchase_count - p.simulated_count)::numeric",
    "monetary": "p.purchase_total - p.simulated_total",
}
_MOMENTS = {"first_event": "p.first_event_at", "last_purchase": "p.last_purchase_at"}
_DAY = "^[0-9]{4}-(0[1-9]|1[0-2])-[0-9]{2}"
READING_PLAN = "SET LOCAL plan_cache_mode = force_generic_plan"
"""Of ids between two in one step of its histogram the planner expects a single one, for it cannot measure between ids:
it would look for each customer in the traits of all of them. Not knowing the two ids, it merges."""
AT_REST = """
NOT EXISTS (SELECT FROM moving_customers m WHERE m.customer_id = {alias}.customer_id)
  AND NOT EXISTS (SELECT FROM erased_customers e WHERE e.customer_id = {alias}.customer_id)
"""
"""Whose facts are partly elsewhere could be counted as two, whose are being deleted must not count."""


class _Statement:
    """A statement as it is written, piece by piece; its parameters in order."""

    def __init__(self, definition: ExportDefinition, export_id: UUID) -> None:
        self._definition = definition
        self.parameters: list[object] = []
        self._export = self.parameter(export_id, "uuid")

    def parameter(self, value: object, kind: str) -> str:
        """Note a value; returns its place."""
        self.parameters.append(value)
        return f"${len(self.parameters)}::{kind}"


class Reading(_Statement):
    """Keeps what is read of the customers after one id, up to another."""

    def __init__(self, definition: ExportDefinition, export_id: UUID, *, zone: str) -> None:
        super().__init__(definition, export_id)
        self._zone = zone

    def write(self, *, after: UUID, last: UUID) -> str:
        """The statement."""
        self._after, self._last = self.parameter(after, "uuid"), self.parameter(last, "uuid")
        joins, values, labels = list[str](), list[str](), list[str]()
        for place, column in enumerate(self._definition.columns):
            values.append(f"{self._value(place, column, joins)} AS v{place}")
            labels.append(self._label(place, column))
        return f"""
WITH population AS (
    SELECT c.* FROM customers c{self._members()}
    WHERE {self._within("c")} AND {AT_REST.format(alias="c")}
), read AS MATERIALIZED (
    SELECT p.customer_id, {", ".join(values)} FROM population p {" ".join(joins)}
)
INSERT INTO export_readings (customer_id, export_id, labels)
SELECT customer_id, {self._export}, ARRAY[{", ".join(labels)}]::text[] FROM read
"""  # noqa: S608  # made of numbers and parameters

    def _within(self, alias: str) -> str:
        return f"{alias}.customer_id > {self._after} AND {alias}.customer_id <= {self._last}"

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
        joins.append(
            f"LEFT JOIN traits t{place} ON t{place}.customer_id = p.customer_id AND t{place}.name = {name} "
            f"AND {self._within(f't{place}')}"  # said again: the planner does not see through the join
        )
        value = f"t{place}.value"
        if isinstance(column.generalisation, Bins | Steps):
            # CASE guards the cast: a filter might be evaluated after it
            return f"CASE WHEN jsonb_typeof({value}) = 'number' THEN ({value} #>> '{{}}')::numeric END"
        kinds = {"as_is": "'boolean'", "categories": "'string', 'number', 'boolean'", "digits": "'string', 'number'"}
        kind = kinds.get(column.generalisation.kind, "'string'")
        return f"CASE WHEN jsonb_typeof({value}) IN ({kind}) THEN {value} #>> '{{}}' END"

    def _label(self, place: int, column: Column) -> str:
        """What a value becomes; null is unknown."""
        chosen, value = column.generalisation, f"v{place}"
        match chosen:
            case Bins():
                return self._bin(value, chosen.edges)
            case Steps():
                return f"{value}::text"  # is cut when it is published
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


class Publishing(_Statement):
    """Keeps the cells of at least `k` customers of those read, and counts."""

    def write(self, *, k: int) -> str:
        """The statement."""
        self._k = self.parameter(k, "bigint")
        rounding = self.parameter(self._definition.rounding, "bigint")
        steps, cuts, labels = list[str](), list[str](), list[str]()
        for place, column in enumerate(self._definition.columns):
            if isinstance(column.generalisation, Steps):
                steps.append(self._steps(place))
                cuts += self._cuts(place, column.generalisation)
                labels.append(self._step(place, column.generalisation))
            else:
                labels.append(f"v[{place + 1}]")
        return f"""
WITH read AS MATERIALIZED (
    SELECT r.labels AS v, count(*) AS customers FROM export_readings r
    WHERE r.export_id = {self._export} AND {AT_REST.format(alias="r")}
    GROUP BY r.labels
), {"".join(steps)}cuts AS MATERIALIZED (
    SELECT {", ".join(cuts) or "NULL AS none"}
), cells AS MATERIALIZED (
    SELECT labels, sum(customers)::bigint AS customers
    FROM (SELECT ARRAY[{", ".join(labels)}]::text[] AS labels, customers FROM read CROSS JOIN cuts) AS generalised
    GROUP BY labels
), kept AS (
    INSERT INTO anonymised_cells (export_id, position, labels, count)
    SELECT {self._export}, row_number() OVER (ORDER BY labels), labels,
           {self._k} + (customers - {self._k}) / {rounding} * {rounding}
    FROM cells WHERE customers >= {self._k}
)
SELECT COALESCE(sum(customers), 0)::bigint AS customers,
       COALESCE(sum(customers) FILTER (WHERE customers >= {self._k}), 0)::bigint AS published,
       count(*) FILTER (WHERE customers >= {self._k}) AS cells,
       min(customers) FILTER (WHERE customers >= {self._k}) AS smallest
FROM cells
"""  # noqa: S608  # made of numbers and parameters

    def _steps(self, place: int) -> str:
        """How many customers reach each step of a column, from either end."""
        return f"""s{place} AS MATERIALIZED (
    SELECT step, sum(customers) OVER (ORDER BY step) AS up_to, sum(customers) OVER (ORDER BY step DESC) AS from_it,
           sum(customers) OVER () AS everybody
    FROM (SELECT v[{place + 1}]::numeric AS step, sum(customers) AS customers FROM read
          WHERE v[{place + 1}] IS NOT NULL GROUP BY 1) AS counted
), """  # noqa: S608  # made of numbers

    def _cuts(self, place: int, steps: Steps) -> list[str]:
        """The steps beyond which outliers are cut: the percentiles', but never beyond the k-th value's from an end."""
        kth_from_above = f"max(step) FILTER (WHERE from_it >= {self._k})"
        kth_from_below = f"min(step) FILTER (WHERE up_to >= {self._k})"
        ends = {
            "top": ("LEAST", steps.top_percentile, kth_from_above),
            "bottom": ("GREATEST", steps.bottom_percentile, kth_from_below),
        }
        return [
            f"(SELECT {choice}(min(step) FILTER (WHERE up_to::float8 >= "  # noqa: S608  # made of parameters
            f"ceil({self.parameter(percentile / 100, 'float8')} * everybody::float8)), {kth}) FROM s{place}) "
            f"AS {end}{place}"
            for end, (choice, percentile, kth) in ends.items()
        ]

    def _step(self, place: int, steps: Steps) -> str:
        width = self.parameter(steps.width, "numeric")
        top, bottom = f"cuts.top{place}", f"cuts.bottom{place}"
        value = f"v[{place + 1}]::numeric"
        step = f"LEAST(GREATEST({value}, {bottom}), {top})"
        start, end = f"trim_scale({step} * {width})::text", f"trim_scale(({step} + 1) * {width})::text"
        return f"""CASE WHEN {value} IS NULL THEN NULL
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
