"""Writing one statement: passes, traits and days as joins, and above them the nodes, level by level.

Why an answer changes by time alone: see `aggregates`. So for a leaf `valid_until` is the least of the moments that
matter. Above them: see `terms`.
"""

from collections.abc import Sequence
from decimal import Decimal

from profile_service.conditions import nodes as n
from profile_service.conditions.aggregates import NEVER, Aggregates, Counted, earliest
from profile_service.conditions.days import Days
from profile_service.conditions.json_values import OPERATORS, Parameters, as_moment, as_number, as_text, compare
from profile_service.conditions.kept_signs import KeptSigns
from profile_service.conditions.reading import COMPARISONS
from profile_service.conditions.scans import NOW, Scans, Setting
from profile_service.conditions.terms import Term, combined
from profile_service.conditions.translating import at_least

_COLUMNS = 800
"""Columns of one sub-select: PostgreSQL takes 1,664."""
_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
_HUGE = "1000000000000000000000000000000"
"""10**30: what is greater is neither multiplied nor divided, so that no number outgrows the database."""


class Statement:
    """Collects what the trees ask for while they are read, then writes the statement."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.parameters = Parameters(first=3 if setting.is_restricted else 2)
        self._scans = Scans(setting, self.parameters)
        self._aggregates = Aggregates(setting, self.parameters, self._scans)
        self._days = Days(setting, self.parameters, self._aggregates)
        self._traits: dict[str, str] = {}
        self._signs = KeptSigns(self.parameters, self._aggregates)
        self._asks_for_more = False
        """Than passes and traits tell: identifiers, lists, signs."""
        self._levels: list[dict[str, str]] = []
        self._predicates: dict[n.Predicate, Term] = {}
        self._expressions: dict[n.Expression, Term] = {}

    def write(self, columns: Sequence[str], *, where: str = "", leaves_strangers_out: bool = False) -> str:
        """The statement that selects the customer and these columns.

        `leaves_strangers_out`: where all is told by passes and traits, customers with none of them may be missing.
        """
        base = "unnest($2::uuid[]) AS t (customer_id)" if self._setting.is_restricted else "customers AS t"
        traits = [
            f"LEFT JOIN traits AS {alias} ON {alias}.customer_id = t.customer_id"
            f" AND {alias}.name = {self.parameters.add(name, 'text')}"
            for name, alias in self._traits.items()
        ]
        passes, days = self._scans.joins(), self._days.joins()
        if leaves_strangers_out and not days and not self._asks_for_more:
            base, passes, traits, known = self._known_only(base, passes, traits)
            where = known + where
        joins = [*passes, *traits, *self._signs.joins(), *days, *self._level_joins(is_filtered=bool(where))]
        # every statement takes $1, also one that asks for traits only
        source = "\n".join([f"FROM {base}", *joins, f"WHERE {NOW} IS NOT NULL"])
        return f"SELECT {', '.join(['t.customer_id', *columns])}\n{source}{where}"

    def _known_only(self, base: str, passes: list[str], traits: list[str]) -> tuple[str, list[str], list[str], str]:
        """Base, joins, and a further condition, that keep customers of whom a pass or trait tells something."""
        if passes and not traits:  # the passes themselves say which customers
            return self._of_passes(), [], [], ""
        if len(traits) == 1 and not passes:
            return base, [], [traits[0].removeprefix("LEFT ")], ""
        aliases = [*self._scans.aliases(), *self._traits.values()]
        known = " OR ".join(f"{alias}.customer_id IS NOT NULL" for alias in aliases)
        return base, passes, traits, f" AND ({known or 'false'})"

    def _of_passes(self) -> str:
        """Whoever any pass tells something of; strict comparisons above make the planner take outer joins for inner."""
        joined, customers = "", list[str]()
        for alias, rows in self._scans.grouped():
            known = f"COALESCE({', '.join(customers)})"
            joined += f"\nFULL JOIN {rows} ON {alias}.customer_id = {known}" if customers else rows
            customers.append(f"{alias}.customer_id")
        return f"{joined} CROSS JOIN LATERAL (SELECT COALESCE({', '.join(customers)}) AS customer_id) AS t"

    def _level_joins(self, *, is_filtered: bool) -> list[str]:
        joins = []
        # OFFSET 0 keeps the planner from copying a level's expressions into each of their uses. One level alone that is
        # filtered is copied twice, and most rows end at the filter.
        fence = "" if is_filtered and len(self._levels) == 1 else " OFFSET 0"
        for number, level in enumerate(self._levels):
            items = list(level.items())
            for start in range(0, len(items), _COLUMNS):
                columns = ", ".join(f"{sql} AS {name}" for sql, name in items[start : start + _COLUMNS])
                alias = f"n{number}_{start // _COLUMNS}"
                joins.append(f"CROSS JOIN LATERAL (SELECT {columns}{fence}) AS {alias}")
        return joins

    def _place(self, sql: str, level: int) -> str:
        """Compute an expression once, on its level; returns its column."""
        while len(self._levels) <= level:
            self._levels.append({})
        columns = self._levels[level]
        name = columns.setdefault(sql, f"c{len(columns)}")
        return f"n{level}_{int(name[1:]) // _COLUMNS}.{name}"

    def _placed(self, term: Term) -> Term:
        """A term whose expressions are columns: short to repeat."""
        level = term.level + 1
        until = term.until
        if self._setting.is_timed and until != NEVER:
            until = self._place(until, level)
        return Term(self._place(term.sql, level), until, level, may_come=term.may_come)

    # Conditions

    def predicate(self, node: n.Predicate) -> Term:
        """A condition with its time, as columns that are never null."""
        if node not in self._predicates:
            match node:
                case n.And() | n.Or():
                    term = combined(node, [self.predicate(child) for child in node.children])
                case n.Negation():
                    child = self.predicate(node.child)
                    term = Term(f"NOT {child.sql}", child.until, child.level)
                case n.SignDetected():
                    term = self._sign_detected(node, self.predicate(node.child))
                case n.Bounded():
                    child = self.predicate(node.child)
                    cut = self.parameters.add(node.until, "timestamptz")
                    # a cut that is overdue comes when it comes: asking again until then would not end
                    until = earliest(child.until, f"CASE WHEN {cut} > {NOW} THEN {cut} END")
                    term = Term(child.sql, until, child.level)
                case _:
                    leaf = self._leaf(node)
                    sql = f"COALESCE({leaf.sql}, false)" if leaf.may_be_null else leaf.sql
                    term = Term(sql, leaf.until, leaf.level, may_come=leaf.may_come)
            self._predicates[node] = self._placed(term)
        return self._predicates[node]

    def matches(self, node: n.Predicate, *, negated: bool = False) -> Term:
        """The condition as one expression without times, for statements over everybody.

        Outside a `not` a null counts as false, so comparisons stay strict and the planner may make outer joins inner
        ones; inside, it is made false.
        """
        match node:
            case n.And() | n.Or():
                children = [self.matches(child, negated=negated) for child in node.children]
                joined = (" AND " if isinstance(node, n.And) else " OR ").join(child.sql for child in children)
                return Term(f"({joined})", NEVER, max(child.level for child in children))
            case n.Negation():
                child = self.matches(node.child, negated=True)
                return Term(f"(NOT {child.sql})", NEVER, child.level)
            case n.SignDetected():
                return self._sign_detected(node, self.matches(node.child, negated=True))
            case n.Bounded():
                return self.matches(node.child, negated=negated)
        leaf = self._leaf(node)
        return Term(f"COALESCE({leaf.sql}, false)" if negated else f"({leaf.sql})", NEVER, leaf.level)

    def _leaf(self, node: n.Predicate) -> Term:
        match node:
            case n.Compare():
                return self._compare(node)
            case n.TraitTest():
                return Term(compare(self._trait(node.trait), node.comparison, node.value, self.parameters))
            case n.DayTest() | n.DayComparison():
                return self._day(node)
            case n.HasIdentifier():
                namespace = self.parameters.add(node.namespace, "text")
                self._asks_for_more = True
                return Term(_exists("customer_identifiers", f"x.namespace = {namespace}"))
            case n.OnList():
                segment_id = self.parameters.add(node.segment_id, "uuid")
                self._asks_for_more = True
                return Term(_exists("static_list_members", f"x.segment_id = {segment_id}"))
            case n.SignLasts():
                return self._sign_lasts(node)
            case n.Always():
                return Term("true" if node.holds else "false")
        raise TypeError(f"not a leaf: {type(node).__name__}")

    def _sign_lasts(self, node: n.SignLasts) -> Term:
        self._asks_for_more = True
        ends = self._signs.lasts_until(node)
        return Term(f"{ends} > {NOW}", earliest(f"CASE WHEN {ends} > {NOW} THEN {ends} END"))

    def _sign_detected(self, node: n.SignDetected, child: Term) -> Term:
        """Where the condition changes, a detection may come to count, whatever time says of the one on record."""
        self._asks_for_more = True
        ends = self._signs.detected_until(node, child.sql)
        if not self._setting.is_timed:
            return Term(f"COALESCE({ends} > {NOW}, false)", NEVER, child.level)
        ends = self._place(ends, child.level + 1)
        until = earliest(f"CASE WHEN {ends} > {NOW} THEN {ends} END", *([] if child.until == NEVER else [child.until]))
        return Term(f"COALESCE({ends} > {NOW}, false)", until, child.level + 1)

    def _trait(self, name: str) -> str:
        return f"{self._traits.setdefault(name, f'r{len(self._traits)}')}.value"

    def _day(self, node: n.DayTest | n.DayComparison) -> Term:
        value, until = "", NEVER
        if isinstance(node.of, n.TraitDay):
            value = self._trait(node.of.trait)
        elif isinstance(node.of, n.EventDay):
            counted = self._aggregates.count(node.of.event)
            value = counted.column
            until = self._until(counted)
        alias = self._days.ask(node, value)
        if not self._setting.is_timed:
            return Term(f"{alias}.m")
        return Term(f"{alias}.m", earliest(f"{alias}.u", *([] if until == NEVER else [until])))

    # Comparisons

    def _compare(self, node: n.Compare) -> Term:
        left, right = node.left, node.right
        bound = _number_of(right[0]) if len(right) == 1 and node.comparison in OPERATORS else None
        if bound is not None and isinstance(left, n.Aggregate) and left.function in {"count", "sum"}:
            return self._compare_count_or_sum(left, node.comparison, bound)
        if bound is not None and isinstance(left, n.TimeSince):
            return self._compare_time_since(left, node.comparison, bound)
        terms = [self.expression(side) for side in (left, *right)]
        until = earliest(*(term.until for term in terms if term.until != NEVER))
        level = max(term.level for term in terms)
        collated = f'({terms[0].sql}) COLLATE "C"' if left.kind == "text" else f"({terms[0].sql})"
        if node.comparison == "exists":
            return Term(f"{collated} IS NOT NULL", until, level)
        if node.comparison == "in":
            return Term(f"{collated} IN ({', '.join(term.sql for term in terms[1:])})", until, level)
        return Term(f"{collated} {OPERATORS[node.comparison]} ({terms[1].sql})", until, level)

    def _compare_count_or_sum(self, aggregate: n.Aggregate, comparison: str, bound: Decimal) -> Term:
        """None at all is zero; where zero compares false anyway, null may stay null."""
        counted = self._aggregates.count(aggregate)
        column = counted.column
        is_whole = aggregate.function == "count" and bound == bound.to_integral_value()
        limit = self.parameters.add(int(bound), "bigint") if is_whole else self.parameters.add(bound, "numeric")
        is_never_null = aggregate.function == "count" and self._setting.is_restricted  # a pass without events counts 0
        if not is_never_null and (self._setting.is_timed or COMPARISONS[comparison](0, bound)):
            column = f"COALESCE({column}, 0)"
        sql = f"{column} {OPERATORS[comparison]} {limit}"
        if not self._setting.is_timed:
            return Term(sql)
        if not is_whole:
            return Term(sql, self._aggregates.contents_until(counted), may_be_null=False)
        _, *limits = at_least(comparison, bound)
        moments = [self._count_until(counted, limit) for limit in limits if limit is not None and limit > 0]
        may_come = comparison not in {"ge", "gt"} or self._entering(counted) != "NULL"
        return Term(sql, earliest(*moments), may_be_null=False, may_come=may_come)

    def _entering(self, counted: Counted) -> str:
        """When a count can become greater by time alone: what is dated in the future, or a window that lies back."""
        window = counted.node.window
        lies_back = isinstance(window, n.Calendar) and window.offset != 0
        return self._aggregates.contents_until(counted) if lies_back else self._aggregates.following(counted)

    def _count_until(self, counted: Counted, limit: int) -> str:
        """When `count >= limit` can change: enough leave, or another comes."""
        window, leaving, entering = counted.node.window, "NULL", self._entering(counted)
        if isinstance(window, n.LastHours):
            leaving = self._aggregates.kth_leaves(counted, limit, window.hours)
        elif isinstance(window, n.Calendar):
            leaving = self._aggregates.boundary(window)
        elif isinstance(window, n.Since):
            leaving = self._aggregates.opening(counted)
        if leaving == entering == "NULL":
            return "NULL"
        is_enough = f"{counted.column} >= {self.parameters.add(limit, 'bigint')}"
        return f"CASE WHEN {is_enough} THEN {leaving} ELSE {entering} END"

    def _compare_time_since(self, node: n.TimeSince, comparison: str, bound: Decimal) -> Term:
        """Said of the moment itself: it lies before, or not before, a limit that moves with now."""
        how, lowest, highest = at_least(comparison, bound)
        if isinstance(node.of, n.Aggregate):
            near = self._reach_of(node, lowest, highest, how)
            counted = self._aggregates.count(node.of, within_hours=near)
            moment = Term(self._aggregates.value(counted), self._until(counted))
        else:
            moment = self.expression(node.of)
        if node.unit == "calendar_days":
            local = f"({moment.sql} AT TIME ZONE {self._aggregates.zone})::date"
            limits = [None if each is None else self._day_ago(each) for each in (lowest, highest)]
            subject = Term(local, moment.until, moment.level)
        else:
            scale = 24 if node.unit == "days" else 1
            limits = [None if each is None else self._aggregates.ago(each * scale) for each in (lowest, highest)]
            subject = moment
        tests = [f"({subject.sql}) {sign} {limit}" for sign, limit in zip(("<=", ">"), limits, strict=True) if limit]
        sql = " AND ".join(tests) if how == "in" else f"NOT ({' AND '.join(tests)})"
        passing = [
            f"CASE WHEN ({subject.sql}) > {limit} THEN {self._passes(subject.sql, node.unit, each)} END"
            for each, limit in zip((lowest, highest), limits, strict=True)
            if limit is not None and each is not None
        ]
        return Term(sql, earliest(*passing, *([] if moment.until == NEVER else [moment.until])), moment.level)

    @staticmethod
    def _reach_of(node: n.TimeSince, lowest: int | None, highest: int | None, how: str) -> int | None:
        """Only "the last one lies within" can be told from the newest events alone."""
        is_last = isinstance(node.of, n.Aggregate) and node.of.function == "last" and node.of.window is None
        if not is_last or how != "in" or lowest is not None or highest is None or node.unit == "calendar_days":
            return None
        return highest * (24 if node.unit == "days" else 1)

    def _passes(self, subject: str, unit: str, count: int) -> str:
        if unit == "calendar_days":
            day = f"{subject} + {self.parameters.add(count, 'int')}"
            return f"(({day})::timestamp AT TIME ZONE {self._aggregates.zone})"
        return f"{subject} + {self._aggregates.hours(count * (24 if unit == 'days' else 1))}"

    def _day_ago(self, days: int) -> str:
        return f"({NOW} AT TIME ZONE {self._aggregates.zone})::date - {self.parameters.add(days, 'int')}"

    def _until(self, counted: Counted) -> str:
        return self._aggregates.contents_until(counted) if self._setting.is_timed else NEVER

    # Values

    def expression(self, node: n.Expression) -> Term:
        """A Value with its time; null when it is missing."""
        if node not in self._expressions:
            match node:
                case n.Constant():
                    term = Term(self._constant(node))
                case n.Trait():
                    term = Term(self._trait_as(node))
                case n.Aggregate():
                    counted = self._aggregates.count(node)
                    term = Term(self._aggregates.value(counted), self._until(counted))
                case n.Unresolved():
                    raise TypeError("an unresolved reference is not compiled")
                case _:
                    term = self._placed(self._composite(node))
            self._expressions[node] = term
        return self._expressions[node]

    def _constant(self, node: n.Constant) -> str:
        if isinstance(node.value, Decimal):
            return self.parameters.add(node.value, "numeric")
        return (
            self.parameters.add(node.value, "text")
            if isinstance(node.value, str)
            else self._aggregates.moment(node.value)
        )

    def _trait_as(self, node: n.Trait) -> str:
        value = self._trait(node.name)
        if node.kind == "number":
            return as_number(value)
        return as_text(value) if node.kind == "text" else as_moment(value, self._aggregates.zone)

    def _composite(self, node: n.Expression) -> Term:
        match node:
            case n.RoundDown():
                of = self.expression(node.of)
                return Term(f"floor({of.sql})", of.until, of.level)
            case n.TimeSince():
                return self._time_since(node)
            case n.Choice():
                return self._choice(node)
            case n.Arithmetic():
                return self._arithmetic(node)
        raise TypeError(f"not a Value: {type(node).__name__}")

    def _time_since(self, node: n.TimeSince) -> Term:
        of = self._placed(self.expression(node.of))
        if node.unit == "calendar_days":
            zone = self._aggregates.zone
            today = f"({NOW} AT TIME ZONE {zone})::date"
            sql = f"({today} - ({of.sql} AT TIME ZONE {zone})::date)::numeric"
            passing = f"CASE WHEN {of.sql} IS NOT NULL THEN ({today} + 1)::timestamp AT TIME ZONE {zone} END"
        else:
            hours = 24 if node.unit == "days" else 1
            sql = f"floor(extract(epoch FROM {NOW} - {of.sql}) / {hours * 3600})"
            passing = f"{of.sql} + (({sql})::int + 1) * {hours} * interval '1 hour'"
        return Term(sql, earliest(passing, *([] if of.until == NEVER else [of.until])), of.level)

    def _choice(self, node: n.Choice) -> Term:
        cases, terms = [], []
        for condition, value in node.cases:
            when = self.predicate(condition) if self._setting.is_timed else self.matches(condition)
            then = self.expression(value)
            terms += [when, then]
            cases.append(f"WHEN {when.sql} THEN {then.sql}")
        if node.otherwise is not None:
            terms.append(self.expression(node.otherwise))
            cases.append(f"ELSE {terms[-1].sql}")
        until = earliest(*(term.until for term in terms if term.until != NEVER))
        return Term(f"CASE {' '.join(cases)} END", until, max(term.level for term in terms))

    def _arithmetic(self, node: n.Arithmetic) -> Term:
        terms = [self.expression(operand) for operand in node.operands]
        until = earliest(*(term.until for term in terms if term.until != NEVER))
        if node.operator in {"least", "greatest"}:
            first = f'({terms[0].sql}) COLLATE "C"' if node.kind == "text" else terms[0].sql
            operands = ", ".join([first, *(term.sql for term in terms[1:])])
            return Term(f"{node.operator.upper()}({operands})", until, max(term.level for term in terms))
        if node.operator in {"add", "subtract"}:
            sql = _SIGNS[node.operator].join(f"({term.sql})" for term in terms)
            return Term(sql, until, max(term.level for term in terms))
        result = self._placed(Term(terms[0].sql, NEVER, terms[0].level))
        for term in terms[1:]:
            other = self._placed(Term(term.sql, NEVER, term.level))
            level = max(result.level, other.level)
            result = self._placed(Term(_rounded(node.operator, result.sql, other.sql), NEVER, level))
        # the level of the untils may be higher than the result's
        return Term(result.sql, until, max(result.level, *(term.level for term in terms)))


def _rounded(operator: str, left: str, right: str) -> str:
    guard = f"abs({left}) < {_HUGE} AND abs({right}) < {_HUGE}"
    if operator == "multiply":
        return f"CASE WHEN {guard} THEN round({left} * {right}, 6) END"
    return f"CASE WHEN {guard} AND {right} <> 0 THEN round(({left} + 0.000000000000) / {right}, 6) END"


def _exists(table: str, condition: str) -> str:
    return f"EXISTS (SELECT FROM {table} AS x WHERE x.customer_id = t.customer_id AND {condition})"


def _number_of(node: n.Expression) -> Decimal | None:
    return node.value if isinstance(node, n.Constant) and isinstance(node.value, Decimal) else None
