"""Condition trees -> one SQL statement over profile's tables, values as parameters only.

For each customer the statement yields, per condition, whether it matches and `valid_until`: the earliest moment at
which time alone can change the answer (`infinity`: never). It may be too early, never too late.

How it works: whatever asks for events of one name shares ONE pass over them (`scans`). Each pass gives aggregates
(`aggregates`), leaves compare them, and `statement` combines the leaves level by level. Restricted to the customers of
a batch a pass is a search of an index per customer; over everybody it is one grouped reading of a name's events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from contracts.conditions import PropertyFilter
from profile_service.conditions import nodes as n
from profile_service.conditions import translating
from profile_service.conditions.aggregates import NEVER
from profile_service.conditions.json_values import Parameters, property_filter, property_number
from profile_service.conditions.reading import holds_for_stranger
from profile_service.conditions.scans import Setting
from profile_service.conditions.statement import Statement


@dataclass(frozen=True)
class CompiledConditions:
    """`sql` selects customer_id, m0, v0, m1, v1, ... (matches, valid_until per condition, in order).

    $1 is the moment of evaluation and, when restricted, $2 the customers (uuid[]); `parameters` come after.
    """

    sql: str
    parameters: tuple[object, ...]


@dataclass(frozen=True)
class CompiledPredicate:
    """A boolean expression, with the parameters it uses from the given number on."""

    sql: str
    parameters: tuple[object, ...]


class Compiler:
    """Compiles expanded trees.

    `promoted` maps properties kept in a numeric column of their own to that column; `zone` is the customers'.
    """

    def __init__(self, *, promoted: Mapping[str, str], zone: str = "Asia/Tokyo") -> None:
        self._promoted = promoted
        self._zone = zone

    @property
    def zone(self) -> ZoneInfo:
        """The customers' zone."""
        return ZoneInfo(self._zone)

    def live(self, conditions: Sequence[n.Predicate]) -> CompiledConditions:
        """Answers and valid_until of every condition for the customers in $2."""
        return self._answers(conditions, is_restricted=True)

    def everybody(self, conditions: Sequence[n.Predicate]) -> CompiledConditions:
        """Answers and valid_until of every condition for everybody: a backfill in one look."""
        return self._answers(conditions, is_restricted=False)

    def candidates(self, condition: n.Predicate, *, is_quick: bool = False) -> CompiledConditions:
        """m0 and v0 of one condition for whoever fulfils it now or may by time alone: what a backfill looks at.

        `is_quick`: none of its events is dated in the future, and v0 may be earlier than it must be.
        """
        statement = Statement(self._setting(is_restricted=False, is_timed=True, is_quick=is_quick))
        term = statement.predicate(condition)
        columns = [f"{term.sql} AS m0", f"{_in_reach(term.until)} AS v0"]
        comes_later = term.until != NEVER and term.may_come
        where = f" AND ({term.sql} OR {term.until} < {NEVER})" if comes_later else f" AND {term.sql}"
        sql = statement.write(columns, where=where, leaves_strangers_out=not holds_for_stranger(condition))
        return CompiledConditions(sql, tuple(statement.parameters.values))

    def members(self, condition: n.Predicate) -> CompiledConditions:
        """`SELECT customer_id` of everybody who fulfils one condition: the preview."""
        statement = Statement(self._setting(is_restricted=False, is_timed=False))
        matches = statement.matches(condition)
        sql = statement.write([], where=f" AND {matches.sql}", leaves_strangers_out=not holds_for_stranger(condition))
        return CompiledConditions(sql, tuple(statement.parameters.values))

    def values(self, values: Sequence[n.Expression]) -> CompiledConditions:
        """x0, u0, x1, u1, ... of the customers in $2: each Value (null: missing), until when (`infinity`: always)."""
        return self._values(values, is_restricted=True)

    def values_of_everybody(self, values: Sequence[n.Expression]) -> CompiledConditions:
        """The same for everybody."""
        return self._values(values, is_restricted=False)

    def predicate(self, where: Sequence[PropertyFilter], *, first_parameter: int) -> CompiledPredicate:
        """The filters as one expression over `events e`; null counts as false."""
        parameters = Parameters(first_parameter)
        filters = [property_filter(each, parameters, self._promoted) for each in translating.filters(where)]
        return CompiledPredicate(" AND ".join(filters) or "true", tuple(parameters.values))

    def summand(self, name: str, *, first_parameter: int) -> CompiledPredicate:
        """A numeric property as an expression over `events e`; null when it is not a number."""
        parameters = Parameters(first_parameter)
        return CompiledPredicate(property_number(name, parameters, self._promoted), tuple(parameters.values))

    def _setting(self, *, is_restricted: bool, is_timed: bool, is_quick: bool = False) -> Setting:
        return Setting(
            promoted=self._promoted, zone=self._zone, is_restricted=is_restricted, is_timed=is_timed, is_quick=is_quick
        )

    def _answers(self, conditions: Sequence[n.Predicate], *, is_restricted: bool) -> CompiledConditions:
        statement = Statement(self._setting(is_restricted=is_restricted, is_timed=True))
        terms = [statement.predicate(condition) for condition in conditions]
        columns = [f"{term.sql} AS m{i}, {_in_reach(term.until)} AS v{i}" for i, term in enumerate(terms)]
        return CompiledConditions(statement.write(columns), tuple(statement.parameters.values))

    def _values(self, values: Sequence[n.Expression], *, is_restricted: bool) -> CompiledConditions:
        statement = Statement(self._setting(is_restricted=is_restricted, is_timed=True))
        terms = [statement.expression(value) for value in values]
        columns = [f"{term.sql} AS x{i}, {_in_reach(term.until)} AS u{i}" for i, term in enumerate(terms)]
        return CompiledConditions(statement.write(columns), tuple(statement.parameters.values))


def _in_reach(moment: str) -> str:
    """A moment that Python can hold: what lies beyond is never."""
    return moment if moment == NEVER else f"CASE WHEN {moment} < '9999-01-01Z' THEN {moment} ELSE {NEVER} END"
