"""Passes over a customer's events, shared by all that ask for events of one name.

The covering index (customer_id, name, occurred_at) INCLUDE (revenue) answers a pass alone unless a filter or a property
needs what is not promoted; those that do are kept apart. So are passes over events that follow others, over events
since another one, and over changes of a trait, which read something else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from profile_service.conditions import nodes as n
from profile_service.conditions.json_values import Parameters, is_promoted, property_filter

NOW = "$1::timestamptz"
ONLY = "/* only */"
"""Stands in an aggregate where its FILTER goes."""


@dataclass(frozen=True)
class Setting:
    """What every part of a statement knows."""

    promoted: Mapping[str, str]
    zone: str
    is_restricted: bool
    """To the customers in $2; else everybody."""
    is_timed: bool
    """`valid_until` is asked for: events dated in the future are looked at."""
    is_quick: bool = False
    """No event is dated in the future, and `valid_until` may be earlier than it must be: cheaper for everybody."""


@dataclass
class Scan:
    """One pass; `columns` are its aggregates."""

    alias: str
    source: n.Events | n.TraitChanges
    since: n.Since | None
    columns: dict[tuple[str, str], str] = field(default_factory=dict)
    """By aggregate and what it counts."""
    lowest: dict[str, None] | None = field(default_factory=dict)
    """How far back any of them looks; None: all the time."""
    highest: dict[str, None] | None = field(default_factory=dict)
    """Where all of them stop looking; None: some do not."""
    ends_now: bool = True
    """No column is about what is dated in the future."""

    def column(self, aggregate: str, where: str) -> str:
        """The column of an aggregate of the events `where`; the same one is computed once."""
        name = self.columns.setdefault((aggregate, where), f"c{len(self.columns)}")
        return f"{self.alias}.{name}"

    def reach(self, *, lowest: str | None, highest: str | None) -> None:
        """Make the pass cover events from one moment to another."""
        self.lowest = None if lowest is None or self.lowest is None else {**self.lowest, lowest: None}
        self.highest = None if highest is None or self.highest is None else {**self.highest, highest: None}


class Scans:
    """All passes of a statement."""

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        self._setting = setting
        self._parameters = parameters
        self._scans: dict[tuple[object, ...], Scan] = {}

    def of(self, aggregate: n.Aggregate) -> Scan:
        """The pass that gives this aggregate."""
        source, since = aggregate.source, aggregate.window if isinstance(aggregate.window, n.Since) else None
        if isinstance(source, n.TraitChanges):
            key: tuple[object, ...] = (source, since)
        else:
            key = (source.name, source.preceded, since, self._needs_table(aggregate, source))
        if key not in self._scans:
            self._scans[key] = Scan(f"s{len(self._scans)}", source, since, ends_now=not self.asks_what_comes(source))
            if since is not None and self._setting.is_restricted:
                self.latest_or_first(since.events, since.which)  # makes its column, which this pass looks at
        return self._scans[key]

    def latest_or_first(self, events: n.Events, which: str) -> tuple[str, str]:
        """Columns of a pass of their own: the moment of the last or first event, and of the first one still to come."""
        scan = self.of(n.Aggregate(which, events))
        scan.reach(lowest=None, highest=None)
        function = "max" if which == "last" else "min"
        matching = self.filters(events)
        moment = scan.column(f"{function}(e.occurred_at) {ONLY}", _all([f"e.occurred_at <= {NOW}", *matching]))
        if not self.asks_what_comes(events):
            return moment, "NULL"
        return moment, scan.column(f"min(e.occurred_at) {ONLY}", _all([f"e.occurred_at > {NOW}", *matching]))

    def asks_what_comes(self, source: n.Events | n.TraitChanges) -> bool:
        """Whether what is dated in the future is looked at."""
        return self._setting.is_timed and not (self._setting.is_quick and isinstance(source, n.Events))

    def filters(self, source: n.Events | n.TraitChanges) -> list[str]:
        """The source's property filters."""
        if isinstance(source, n.TraitChanges):
            return []
        return [property_filter(each, self._parameters, self._setting.promoted) for each in source.where]

    def aliases(self) -> list[str]:
        """What the passes are called."""
        return [scan.alias for scan in self._scans.values()]

    def joins(self) -> list[str]:
        """The passes as joins; those that look at another pass come after it."""
        if not self._setting.is_restricted:
            return [f"LEFT JOIN {rows} ON {alias}.customer_id = t.customer_id" for alias, rows in self.grouped()]
        ordered = sorted(self._scans.values(), key=lambda scan: scan.since is not None)
        return [f"CROSS JOIN LATERAL {self._select(scan)}" for scan in ordered]

    def grouped(self) -> list[tuple[str, str]]:
        """The passes over everybody: alias, and a row per customer with events."""
        return [(scan.alias, self._select(scan)) for scan in self._scans.values()]

    def _needs_table(self, aggregate: n.Aggregate, source: n.Events) -> bool:
        promoted = self._setting.promoted
        is_summed = aggregate.property_name is not None and aggregate.property_name not in promoted
        return (
            is_summed
            or aggregate.function == "most_frequent"
            or not all(is_promoted(each, promoted) for each in source.where)
        )

    def _select(self, scan: Scan) -> str:
        conditions = self._bounds(scan)
        rows, named = self._rows(scan)
        opened, since = self._since(scan)
        columns, counted = self._columns(scan)
        where = _all([*named, *since, *conditions, *counted])
        if self._setting.is_restricted:
            return f"(SELECT {', '.join(columns)} FROM {rows} WHERE {where}) AS {scan.alias}"  # noqa: S608  # our columns, values as parameters
        return (
            f"(SELECT {', '.join(['e.customer_id', *columns])} FROM {rows}{opened}"  # noqa: S608  # our columns, values as parameters
            f" WHERE {where} GROUP BY e.customer_id) AS {scan.alias}"
        )

    def _columns(self, scan: Scan) -> tuple[list[str], list[str]]:
        """The aggregates, and what is left of their filters: where all have the same one, the pass is over that."""
        counted = {where for _, where in scan.columns}
        if not self._setting.is_restricted and len(counted) == 1:
            return [f"{sql.replace(ONLY, '')} AS {name}" for (sql, _), name in scan.columns.items()], list(counted)
        return [
            f"{sql.replace(ONLY, f'FILTER (WHERE {where})')} AS {name}" for (sql, where), name in scan.columns.items()
        ], []

    def _bounds(self, scan: Scan) -> list[str]:
        bounds = []
        if scan.lowest:
            bounds.append(f"e.occurred_at >= {_least(scan.lowest)}")
        if scan.ends_now:
            bounds.append(f"e.occurred_at <= {NOW}")
        if scan.highest:
            bounds.append(f"e.occurred_at < {_least(scan.highest, 'GREATEST')}")
        return bounds

    def _rows(self, scan: Scan) -> tuple[str, list[str]]:
        """What the pass goes over, as `e`, and which of it."""
        own = ["{}.customer_id = t.customer_id"] if self._setting.is_restricted else []
        if isinstance(scan.source, n.TraitChanges):
            name = self._parameters.add(scan.source.trait, "text")
            where = _all([f"o.name = {name}", "o.retraction_id IS NULL", *(each.format("o") for each in own)])
            said = "PARTITION BY o.customer_id, o.source_id ORDER BY o.observed_at, o.received_at, o.event_id"
            rows = (
                "SELECT o.customer_id, o.observed_at AS occurred_at, lag(o.event_id) OVER said IS NOT NULL "  # noqa: S608  # values as parameters
                "AND o.value IS DISTINCT FROM lag(o.value) OVER said AS is_change "
                f"FROM trait_observations o WHERE {where} WINDOW said AS ({said})"
            )
            return f"({rows}) AS e", ["e.is_change"]
        named = [*(each.format("e") for each in own), f"e.name = {self._parameters.add(scan.source.name, 'text')}"]
        if scan.source.preceded is not None:
            named.append(self._preceded(scan.source.preceded))
        return "events e", named

    def _preceded(self, first: n.Preceded) -> str:
        hours = f"{self._parameters.add(first.hours, 'int')} * interval '1 hour'"
        filters = [property_filter(each, self._parameters, self._setting.promoted, alias="f") for each in first.where]
        conditions = [
            "f.customer_id = e.customer_id",
            f"f.name = {self._parameters.add(first.name, 'text')}",
            "f.occurred_at < e.occurred_at",
            f"f.occurred_at >= e.occurred_at - {hours}",
            *filters,
        ]
        return f"EXISTS (SELECT FROM events f WHERE {_all(conditions)})"  # values as parameters

    def _since(self, scan: Scan) -> tuple[str, list[str]]:
        """The join with the event that opens the window, where there is no pass to look at, and what lies in it."""
        if scan.since is None:
            return "", []
        events = scan.since.events
        if self._setting.is_restricted:
            moment, _ = self.latest_or_first(events, scan.since.which)
            return "", [f"e.occurred_at > {moment}"]
        function = "max" if scan.since.which == "last" else "min"
        conditions = [
            f"e.name = {self._parameters.add(events.name, 'text')}",
            f"e.occurred_at <= {NOW}",
            *self.filters(events),
        ]
        opening = (
            f" JOIN (SELECT e.customer_id, {function}(e.occurred_at) AS moment FROM events e WHERE {_all(conditions)}"  # noqa: S608  # values as parameters
            " GROUP BY e.customer_id) AS o ON o.customer_id = e.customer_id"
        )
        return opening, ["e.occurred_at > o.moment"]


def _all(conditions: list[str]) -> str:
    return " AND ".join(conditions) or "true"


def _least(moments: Mapping[str, None], function: str = "LEAST") -> str:
    return next(iter(moments)) if len(moments) == 1 else f"{function}({', '.join(moments)})"
