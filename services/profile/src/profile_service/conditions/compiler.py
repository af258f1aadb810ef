"""Condition trees -> one SQL statement over profile's tables, values as parameters only.

For each customer the statement yields, per condition, whether it matches and `valid_until`: the earliest moment at
which time alone can change the answer (`infinity`: never). It may be too early, never too late.

How it works: leaves that ask for events of one name share ONE pass over them (`_Scan`), which the covering index
(customer_id, name, occurred_at) INCLUDE (revenue) answers alone unless a filter needs a property that is not promoted.
Each pass gives aggregates, the leaves compare them, and the inner nodes combine the leaves level by level.

Why an answer changes by time alone: an event leaves its window at `occurred_at + days`, a recency limit passes, or an
event dated in the future begins to count. So for a leaf `valid_until` is the least of those moments that matter. Above:
`and` stays true until the first child changes, and stays false as long as ANY child that is false now does, hence until
the last of those; `or` the other way round; `not` has its child's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from contracts.conditions import (
    AllOf,
    AnyOf,
    Condition,
    EventCount,
    EventRecency,
    EventSum,
    Not,
    PropertyFilter,
    TraitCondition,
)
from profile_service.conditions.reading import COMPARISONS

_OPERATORS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_NOW = "$1::timestamptz"


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


@dataclass(frozen=True)
class _Answer:
    """Two SQL expressions, neither ever null where `valid_until` is asked for."""

    matches: str
    valid_until: str


@dataclass
class _Parameters:
    """Values bound to the statement, each once."""

    first: int
    values: list[object] = field(default_factory=list)
    _places: dict[tuple[str, object], str] = field(default_factory=dict)

    def add(self, value: object, kind: str) -> str:
        key = (kind, value)
        if key not in self._places:
            self._places[key] = f"${self.first + len(self.values)}::{kind}"
            self.values.append(value)
        return self._places[key]


@dataclass
class _Scan:
    """One pass over a customer's events of one name."""

    alias: str
    name_parameter: str
    columns: dict[str, str] = field(default_factory=dict)
    days: int | None = 0
    """How far back any leaf looks; None is all the time."""

    def column(self, aggregate: str) -> str:
        """The aggregate's column; the same aggregate is computed once."""
        name = self.columns.setdefault(aggregate, f"c{len(self.columns)}")
        return f"{self.alias}.{name}"

    def reach(self, days: int | None) -> None:
        """Make the pass look back this far."""
        self.days = None if days is None or self.days is None else max(self.days, days)


class Compiler:
    """Compiles conditions. `promoted` maps properties kept in a numeric column of their own to that column."""

    def __init__(self, *, promoted: Mapping[str, str]) -> None:
        self._promoted = promoted

    def live(self, conditions: Sequence[Condition]) -> CompiledConditions:
        """Answers and valid_until of every condition for the customers in $2."""
        return _Statement(self._promoted, restricted=True).compile(conditions)

    def everybody(self, conditions: Sequence[Condition]) -> CompiledConditions:
        """The same for all customers at once, set-wise (parameters from $2 on): what a backfill looks at."""
        return _Statement(self._promoted, restricted=False, timed=True).compile(conditions)

    def members(self, condition: Condition) -> CompiledConditions:
        """`SELECT customer_id` of everybody who fulfils one condition: the preview."""
        return _Statement(self._promoted, restricted=False).compile_members(condition)

    def predicate(self, where: Sequence[PropertyFilter], *, first_parameter: int) -> CompiledPredicate:
        """The filters as one expression over `events e`; null counts as false."""
        parameters = _Parameters(first_parameter)
        filters = [_property_filter(each, parameters, self._promoted) for each in where]
        return CompiledPredicate(" AND ".join(filters) or "true", tuple(parameters.values))

    def summand(self, name: str, *, first_parameter: int) -> CompiledPredicate:
        """A numeric property as an expression over `events e`; null when it is not a number."""
        parameters = _Parameters(first_parameter)
        return CompiledPredicate(_number(name, parameters, self._promoted), tuple(parameters.values))


class _Statement:
    """Collects passes, traits and nodes while the trees are read, then writes the statement."""

    def __init__(self, promoted: Mapping[str, str], *, restricted: bool, timed: bool | None = None) -> None:
        self._promoted = promoted
        self._restricted = restricted
        self._timed = restricted if timed is None else timed
        self._parameters = _Parameters(first=3 if restricted else 2)
        self._scans: dict[tuple[str, bool], _Scan] = {}
        self._traits: dict[str, str] = {}
        self._levels: list[dict[_Answer, str]] = []

    def compile(self, conditions: Sequence[Condition]) -> CompiledConditions:
        roots = [self._place(condition)[0] for condition in conditions]
        columns = [f"{root.matches} AS m{i}, {root.valid_until} AS v{i}" for i, root in enumerate(roots)]
        source = self._source()  # adds parameters
        sql = f"SELECT {', '.join(['t.customer_id', *columns])}\n{source}"
        return CompiledConditions(sql, tuple(self._parameters.values))

    def compile_members(self, condition: Condition) -> CompiledConditions:
        matches = self._matches(condition, negated=False)
        sql = f"SELECT t.customer_id\n{self._source()} AND {matches}"
        return CompiledConditions(sql, tuple(self._parameters.values))

    # The statement's parts

    def _source(self) -> str:
        base = "unnest($2::uuid[]) AS t (customer_id)" if self._restricted else "customers AS t"
        joins = [self._scan_join(scan) for scan in self._scans.values()]
        joins += [
            f"LEFT JOIN traits AS {alias} ON {alias}.customer_id = t.customer_id"
            f" AND {alias}.name = {self._parameters.add(name, 'text')}"
            for name, alias in self._traits.items()
        ]
        joins += [self._level_join(number, answers) for number, answers in enumerate(self._levels)]
        # every statement takes $1, also one that asks for traits only
        return "\n".join([f"FROM {base}", *joins, f"WHERE {_NOW} IS NOT NULL"])

    def _scan_join(self, scan: _Scan) -> str:
        columns = ", ".join(f"{aggregate} AS {name}" for aggregate, name in scan.columns.items())
        where = f"e.name = {scan.name_parameter}"
        if scan.days is not None:
            where += f" AND e.occurred_at > {self._ago(scan.days)}"
        if not self._timed:
            where += f" AND e.occurred_at <= {_NOW}"
        if self._restricted:
            return (
                f"CROSS JOIN LATERAL (SELECT {columns} FROM events e"  # noqa: S608  # our columns, values as parameters
                f" WHERE e.customer_id = t.customer_id AND {where}) AS {scan.alias}"
            )
        return (
            f"LEFT JOIN (SELECT e.customer_id, {columns} FROM events e"  # noqa: S608  # our columns, values as parameters
            f" WHERE {where} GROUP BY e.customer_id)"
            f" AS {scan.alias} ON {scan.alias}.customer_id = t.customer_id"
        )

    def _level_join(self, number: int, answers: Mapping[_Answer, str]) -> str:
        # OFFSET 0 keeps the planner from copying a level's expressions into each of their uses
        columns = ", ".join(
            f"{answer.matches} AS m{name}, {answer.valid_until} AS v{name}" for answer, name in answers.items()
        )
        return f"CROSS JOIN LATERAL (SELECT {columns} OFFSET 0) AS n{number}"

    def _place(self, condition: Condition) -> tuple[_Answer, int]:
        """Put a condition's answer on its level; return references to its two columns, and the level."""
        if isinstance(condition, AllOf | AnyOf | Not):
            below = condition.conditions if isinstance(condition, AllOf | AnyOf) else [condition.condition]
            placed = [self._place(child) for child in below]
            level = 1 + max(child_level for _, child_level in placed)
            answer = _combined(condition, [child for child, _ in placed])
        else:
            level, answer = 0, self._leaf(condition)
        while len(self._levels) <= level:
            self._levels.append({})
        answers = self._levels[level]
        name = answers.setdefault(answer, str(len(answers)))
        return _Answer(f"n{level}.m{name}", f"n{level}.v{name}"), level

    def _matches(self, condition: Condition, *, negated: bool) -> str:
        """The condition as one expression without times, for statements over everybody.

        Outside a `not` a null counts as false, so comparisons stay strict and the planner may make outer joins inner
        ones; inside, it is made false.
        """
        match condition:
            case AllOf(conditions=children):
                return f"({' AND '.join(self._matches(child, negated=negated) for child in children)})"
            case AnyOf(conditions=children):
                return f"({' OR '.join(self._matches(child, negated=negated) for child in children)})"
            case Not(condition=child):
                return f"(NOT {self._matches(child, negated=True)})"
            case _:
                matches = self._leaf(condition).matches
                return f"COALESCE({matches}, false)" if negated else matches

    # Leaves

    def _leaf(self, leaf: Condition) -> _Answer:
        match leaf:
            case EventCount():
                return self._event_count(leaf)
            case EventSum():
                return self._event_sum(leaf)
            case EventRecency():
                return self._event_recency(leaf)
            case TraitCondition():
                return self._trait(leaf)
        raise TypeError(f"not a leaf: {type(leaf).__name__}")

    def _event_count(self, leaf: EventCount) -> _Answer:
        scan = self._scan(leaf.event, leaf.where)
        days = leaf.window.days if leaf.window else None
        scan.reach(days)
        counted, future = self._counted(leaf.where, days), self._future(leaf.where)
        count = scan.column(f"count(*) FILTER (WHERE {counted})")
        matches = self._compare_aggregate(count, leaf.comparison, leaf.value, "bigint")
        if not self._timed:
            return _Answer(matches, "")
        following = scan.column(f"min(e.occurred_at) FILTER (WHERE {future})")
        leaving = self._leaving(leaf, scan, count, counted) if days is not None else "NULL"
        return _Answer(matches, _earliest(leaving, following))

    def _leaving(self, leaf: EventCount, scan: _Scan, count: str, counted: str) -> str:
        """When enough events have left the window to change the comparison; null when leaving cannot change it.

        With n events in the window, at least k hold until the k-th latest leaves it.
        """
        days, k = leaf.window.days if leaf.window else 0, leaf.value
        limit = self._parameters.add(k, "bigint")
        cases = []
        if leaf.comparison not in {"ge", "lt"}:
            cases.append(f"WHEN {count} > {limit} THEN {self._kth_leaves(scan, counted, k + 1, days)}")
        if k > 0 and leaf.comparison in {"ge", "lt"}:
            cases.append(f"WHEN {count} >= {limit} THEN {self._kth_leaves(scan, counted, k, days)}")
        if k > 0 and leaf.comparison in {"eq", "ne"}:
            cases.append(f"WHEN {count} = {limit} THEN {self._kth_leaves(scan, counted, k, days)}")
        return f"CASE {' '.join(cases)} END" if cases else "NULL"

    def _kth_leaves(self, scan: _Scan, counted: str, position: int, days: int) -> str:
        if position == 1:
            latest = scan.column(f"max(e.occurred_at) FILTER (WHERE {counted})")
        else:
            ordered = scan.column(f"array_agg(e.occurred_at ORDER BY e.occurred_at DESC) FILTER (WHERE {counted})")
            latest = f"{ordered}[{self._parameters.add(position, 'int')}]"
        return f"{latest} + {self._days(days)}"

    def _event_sum(self, leaf: EventSum) -> _Answer:
        scan = self._scan(leaf.event, leaf.where, summed=leaf.property)
        days = leaf.window.days if leaf.window else None
        scan.reach(days)
        counted, future = self._counted(leaf.where, days), self._future(leaf.where)
        summand = _number(leaf.property, self._parameters, self._promoted)
        total = scan.column(f"sum({summand}) FILTER (WHERE {counted})")
        matches = self._compare_aggregate(total, leaf.comparison, leaf.value, "numeric")
        if not self._timed:
            return _Answer(matches, "")
        following = scan.column(f"min(e.occurred_at) FILTER (WHERE {future})")
        leaving = "NULL"
        if days is not None:
            leaving = f"{scan.column(f'min(e.occurred_at) FILTER (WHERE {counted})')} + {self._days(days)}"
        return _Answer(matches, _earliest(leaving, following))

    def _event_recency(self, leaf: EventRecency) -> _Answer:
        scan = self._scan(leaf.event, leaf.where)
        last = leaf.kind == "event_last"
        # Only "the last one lies within" can be told from the window's events alone.
        scan.reach(leaf.days if last and leaf.position == "within" else None)
        aggregate = "max" if last else "min"
        moment = scan.column(f"{aggregate}(e.occurred_at) FILTER (WHERE {self._counted(leaf.where, None)})")
        limit = self._ago(leaf.days)
        matches = f"{moment} {'>' if leaf.position == 'within' else '<='} {limit}"
        if not self._timed:
            return _Answer(matches, "")
        following = scan.column(f"min(e.occurred_at) FILTER (WHERE {self._future(leaf.where)})")
        passing = f"CASE WHEN {moment} > {limit} THEN {moment} + {self._days(leaf.days)} END"
        return _Answer(f"COALESCE({matches}, false)", _earliest(passing, following))

    def _trait(self, leaf: TraitCondition) -> _Answer:
        alias = self._traits.setdefault(leaf.trait, f"r{len(self._traits)}")
        if leaf.comparison == "exists" or leaf.value is None:
            matches = f"jsonb_typeof({alias}.value) <> 'null'"
        else:
            matches = _compare_json(f"{alias}.value", leaf.comparison, leaf.value, self._parameters)
        return _Answer(f"COALESCE({matches}, false)" if self._timed else matches, "'infinity'::timestamptz")

    # Pieces of expressions

    def _scan(self, event: str, where: Sequence[PropertyFilter], *, summed: str | None = None) -> _Scan:
        """The pass over events of that name; those that need the table itself are kept apart from index-only ones."""
        needs_table = (summed is not None and summed not in self._promoted) or not all(
            self._is_promoted(each) for each in where
        )
        key = (event, needs_table)
        if key not in self._scans:
            self._scans[key] = _Scan(f"s{len(self._scans)}", self._parameters.add(event, "text"))
        return self._scans[key]

    def _is_promoted(self, each: PropertyFilter) -> bool:
        return each.property in self._promoted and _is_number(each.value)

    def _counted(self, where: Sequence[PropertyFilter], days: int | None) -> str:
        window = [] if days is None else [f"e.occurred_at > {self._ago(days)}"]
        return " AND ".join([*window, f"e.occurred_at <= {_NOW}", *self._filters(where)])

    def _future(self, where: Sequence[PropertyFilter]) -> str:
        return " AND ".join([f"e.occurred_at > {_NOW}", *self._filters(where)])

    def _filters(self, where: Sequence[PropertyFilter]) -> list[str]:
        return [_property_filter(each, self._parameters, self._promoted) for each in where]

    def _days(self, days: int) -> str:
        # in hours: a day in a time zone with daylight saving may have 23
        return f"{self._parameters.add(days * 24, 'int')} * interval '1 hour'"

    def _ago(self, days: int) -> str:
        return f"{_NOW} - {self._days(days)}"

    def _compare_aggregate(self, column: str, comparison: str, value: int | Decimal, kind: str) -> str:
        """Compare a count or sum. None at all is zero; where zero compares false anyway, null may stay null."""
        parameter = self._parameters.add(value, kind)
        if self._timed or COMPARISONS[comparison](0, value):
            column = f"COALESCE({column}, 0)"
        return f"{column} {_OPERATORS[comparison]} {parameter}"


def _combined(node: AllOf | AnyOf | Not, children: Sequence[_Answer]) -> _Answer:
    if isinstance(node, Not):
        return _Answer(f"NOT {children[0].matches}", children[0].valid_until)
    every = " AND ".join(child.matches for child in children)
    some = " OR ".join(child.matches for child in children)
    first = f"LEAST({', '.join(child.valid_until for child in children)})"
    if isinstance(node, AllOf):
        deciding = ", ".join(f"CASE WHEN NOT {child.matches} THEN {child.valid_until} END" for child in children)
        return _Answer(f"({every})", f"CASE WHEN {every} THEN {first} ELSE GREATEST({deciding}) END")
    deciding = ", ".join(f"CASE WHEN {child.matches} THEN {child.valid_until} END" for child in children)
    return _Answer(f"({some})", f"CASE WHEN {some} THEN GREATEST({deciding}) ELSE {first} END")


def _earliest(*moments: str) -> str:
    return f"COALESCE(LEAST({', '.join(moments)}), 'infinity'::timestamptz)"  # LEAST ignores nulls


def _property_filter(each: PropertyFilter, parameters: _Parameters, promoted: Mapping[str, str]) -> str:
    if each.property in promoted and _is_number(each.value):
        number = parameters.add(Decimal(each.value), "numeric")
        return f"e.{promoted[each.property]} {_OPERATORS[each.comparison]} {number}"
    value = f"(e.properties -> {parameters.add(each.property, 'text')})"
    return _compare_json(value, each.comparison, each.value, parameters)


def _number(name: str, parameters: _Parameters, promoted: Mapping[str, str]) -> str:
    if name in promoted:
        return f"e.{promoted[name]}"
    value = f"(e.properties -> {parameters.add(name, 'text')})"
    return f"CASE WHEN jsonb_typeof({value}) = 'number' THEN {value}::numeric END"


def _compare_json(value: str, comparison: str, other: str | bool | int | Decimal, parameters: _Parameters) -> str:
    """Compare a jsonb value with a scalar of its own type; of another type, it compares as null."""
    sign = _OPERATORS[comparison]
    if isinstance(other, bool):
        parameter = parameters.add(other, "boolean")
        return f"CASE WHEN jsonb_typeof({value}) = 'boolean' THEN {value}::boolean {sign} {parameter} END"
    if isinstance(other, str):
        parameter = parameters.add(other, "text")
        plain = f"({value} #>> '{{}}') COLLATE \"C\""
        return f"CASE WHEN jsonb_typeof({value}) = 'string' THEN {plain} {sign} {parameter} END"
    parameter = parameters.add(Decimal(other), "numeric")
    return f"CASE WHEN jsonb_typeof({value}) = 'number' THEN {value}::numeric {sign} {parameter} END"


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
