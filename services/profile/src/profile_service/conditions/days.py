"""Where today lies beside a day or its yearly returns: a pass over the days that fit, and the next that matters."""

from profile_service.conditions import nodes as n
from profile_service.conditions.aggregates import Aggregates
from profile_service.conditions.json_values import Parameters, as_day
from profile_service.conditions.scans import NOW, Setting

_CANDIDATES = "generate_series(-1, 2)"
"""Years beside this one whose returns can lie within 365 days of today, or come next."""


class Days:
    """The joins that answer DayTest and DayComparison: `m` (matches) and `u` (the next moment that matters)."""

    def __init__(self, setting: Setting, parameters: Parameters, aggregates: Aggregates) -> None:
        self._setting = setting
        self._parameters = parameters
        self._aggregates = aggregates
        self._joins: dict[str, str] = {}

    def joins(self) -> list[str]:
        """One per distinct question; they look at passes and traits, so they come after those."""
        return [f"{kind} AS {alias}" + on for (kind, on), alias in self._parts()]

    def _parts(self) -> list[tuple[tuple[str, str], str]]:
        found = []
        for sql, alias in self._joins.items():
            is_grouped = sql.startswith("LEFT JOIN")
            on = f" ON {alias}.customer_id = t.customer_id" if is_grouped else ""
            found.append(((sql, on), alias))
        return found

    def ask(self, node: n.DayTest | n.DayComparison, value: str) -> str:
        """The alias of the join that answers it; `value` is the trait's jsonb or the event's moment."""
        rows, own = self._rows(node, value)
        if isinstance(node, n.DayComparison):
            sign = {"lt": "<", "eq": "=", "gt": ">"}[node.comparison]
            matches = f"bool_or(b.base {sign} {self._parameters.add(node.date, 'date')})"
            days, until = f"({rows}) AS b", "NULL::timestamptz"
        else:
            today = f"({NOW} AT TIME ZONE {self._aggregates.zone})::date"
            first, last = (self._parameters.add(each, "int") for each in (node.first, node.last))
            day = "b.base"
            days = f"({rows}) AS b"
            if node.is_yearly:
                days += f" CROSS JOIN {_CANDIDATES} AS i"
                year = f"GREATEST(extract(year FROM {today})::int + i, b.origin + 1)"
                day = f"(b.base + make_interval(years => {year} - extract(year FROM b.base)::int))::date"
            days = f"(SELECT b.*, {day} AS day FROM {days}) AS b"  # noqa: S608  # values as parameters
            matches = f"bool_or({today} BETWEEN b.day + {first} AND b.day + {last})"
            edge = (
                f"CASE WHEN {today} < b.day + {first} THEN b.day + {first} "
                f"WHEN {today} <= b.day + {last} THEN b.day + {last} + 1 END"
            )
            until = f"min({edge})::timestamp AT TIME ZONE {self._aggregates.zone}"
        columns = f"COALESCE({matches}, false) AS m"
        if self._setting.is_timed:
            columns += f", LEAST({until}, min(b.ends_at)) AS u"
        if own:
            sql = f"LEFT JOIN (SELECT b.customer_id, {columns} FROM {days} GROUP BY b.customer_id)"  # noqa: S608  # values as parameters
        else:
            sql = f"CROSS JOIN LATERAL (SELECT {columns} FROM {days})"  # noqa: S608  # values as parameters
        return self._joins.setdefault(sql, f"d{len(self._joins)}")

    def _rows(self, node: n.DayTest | n.DayComparison, value: str) -> tuple[str, bool]:
        """Rows (base, origin, ends_at): a day, its year if it counts, and when it may not be used any more.

        True: of everybody, with their customer_id.
        """
        if isinstance(node.of, n.RelationDay):
            return self._relation_rows(node, node.of), not self._setting.is_restricted
        zone = self._aggregates.zone
        day = as_day(value, zone) if isinstance(node.of, n.TraitDay) else f"({value} AT TIME ZONE {zone})::date"
        rows = (
            "SELECT x.day AS base, extract(year FROM x.day)::int AS origin, NULL::timestamptz AS ends_at "  # noqa: S608  # values as parameters
            f"FROM (SELECT {day} AS day) AS x WHERE x.day IS NOT NULL"
        )
        return rows, False

    def _relation_rows(self, node: n.DayTest | n.DayComparison, of: n.RelationDay) -> str:
        is_yearly = isinstance(node, n.DayTest) and node.is_yearly
        # month and day stand in a leap year; another year has its 29 February on the 28th
        base = "make_date(2000, r.month, r.day)"
        conditions = [
            f"r.{column} = {self._parameters.add(getattr(of, column), 'text')}"
            for column in ("purpose", "occasion", "relation")
        ]
        conditions.append(f"(r.ends_at IS NULL OR r.ends_at > {NOW})")
        if not is_yearly:
            base = f"({base} + make_interval(years => r.year - 2000))::date"
            conditions.append("r.year IS NOT NULL")
        if self._setting.is_restricted:
            conditions.append("r.customer_id = t.customer_id")
        return (
            f"SELECT r.customer_id, {base} AS base, r.year::int AS origin, r.ends_at FROM relations AS r "  # noqa: S608  # values as parameters
            f"WHERE {' AND '.join(conditions)}"
        )
