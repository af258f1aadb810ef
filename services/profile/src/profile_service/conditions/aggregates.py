"""Aggregates over events: their column in a pass, and when time alone changes them.

An event leaves a window of hours at `occurred_at + hours`, a calendar window moves on at its next boundary, a later
event opens a window anew, and an event dated in the future begins to count at its own moment.
"""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from profile_service.conditions import nodes as n
from profile_service.conditions.json_values import Parameters, as_text, property_number
from profile_service.conditions.scans import NOW, ONLY, Scan, Scans, Setting
from profile_service.conditions.translating import midnight

NEVER = "'infinity'::timestamptz"
ZERO_FOR_NONE = frozenset({"count", "distinct_days", "sum"})
_EXACT = "0.000000000000"
"""Added to a dividend, it keeps twelve decimals of any quotient."""
_LATEST = f"array_agg(e.occurred_at ORDER BY e.occurred_at DESC) {ONLY}"


def earliest(*moments: str) -> str:
    """The least of moments, each of which may be null; never null."""
    known = [moment for moment in moments if moment not in {"NULL", ""}]
    return f"COALESCE(LEAST({', '.join(known)}), {NEVER})" if known else NEVER


@dataclass(frozen=True)
class Counted:
    """An aggregate in a pass: its column, and what is counted for it."""

    column: str
    scan: Scan
    condition: str
    """Whether `e` counts now."""
    node: n.Aggregate


class Aggregates:
    """Puts aggregates into passes."""

    def __init__(self, setting: Setting, parameters: Parameters, scans: Scans) -> None:
        self._setting = setting
        self._parameters = parameters
        self._scans = scans

    def count(self, node: n.Aggregate, *, within_hours: int | None = None) -> Counted:
        """The aggregate's column. `within_hours`: only whether it lies so near is asked, so look no further back."""
        scan = self._scans.of(node)
        lowest, highest, conditions = self._window(node.window)
        if within_hours is not None:
            lowest = self.ago(within_hours)
        scan.reach(lowest=lowest, highest=highest)
        counted = " AND ".join([*conditions, f"e.occurred_at <= {NOW}", *self._scans.filters(node.source)])
        return Counted(self._column(node, scan, counted), scan, counted, node)

    def value(self, counted: Counted) -> str:
        """The aggregate as an expression; numbers as numeric."""
        node, column = counted.node, counted.column
        if node.function in ZERO_FOR_NONE:
            return f"COALESCE({column}, 0)::numeric"
        if node.function == "gap":
            return f"floor(extract(epoch FROM {column}[1] - {column}[2]) / 86400)"
        if node.function in {"average", "minimum", "maximum", "most_frequent_hour"}:
            return f"{column}::numeric"
        return column

    def _column(self, node: n.Aggregate, scan: Scan, counted: str) -> str:
        return scan.column(self._aggregate(node), counted)

    def _aggregate(self, node: n.Aggregate) -> str:
        match node.function:
            case "count":
                return f"count(*) {ONLY}"
            case "first" | "last":
                return f"{'min' if node.function == 'first' else 'max'}(e.occurred_at) {ONLY}"
            case "gap":
                return _LATEST
            case "distinct_days":
                return f"count(DISTINCT ({self._local})::date) {ONLY}"
            case "most_frequent_hour":
                return f"mode() WITHIN GROUP (ORDER BY extract(hour FROM {self._local})) {ONLY}"
            case "most_frequent":
                text = as_text(f"(e.properties -> {self._parameters.add(node.property_name, 'text')})")
                return f'mode() WITHIN GROUP (ORDER BY ({text}) COLLATE "C") {ONLY}'
        number = property_number(node.property_name or "", self._parameters, self._setting.promoted)
        if node.function == "average":
            return f"round((sum({number}) {ONLY} + {_EXACT}) / count({number}) {ONLY}, 6)"
        function = {"sum": "sum", "minimum": "min", "maximum": "max"}[node.function]
        return f"{function}({number}) {ONLY}"

    @property
    def _local(self) -> str:
        return f"e.occurred_at AT TIME ZONE {self.zone}"

    def _window(self, window: n.Window | None) -> tuple[str | None, str | None, list[str]]:
        """The lowest and highest moment that can matter to it (None: any), and what an event in it fulfils."""
        match window:
            case n.LastHours():
                return self.ago(window.hours), None, [f"e.occurred_at > {self.ago(window.hours)}"]
            case n.Between():
                start = None if window.start is None else self.moment(window.start)
                end = None if window.end is None else self.moment(window.end)
                conditions = [] if start is None else [f"e.occurred_at >= {start}"]
                return start, end, conditions if end is None else [*conditions, f"e.occurred_at < {end}"]
            case n.Calendar():
                start, end = self._period(window, 0), self._period(window, 1)
                conditions = [f"e.occurred_at >= {start}"]
                if window.offset < 0:
                    conditions.append(f"e.occurred_at < {end}")
                return start, end if window.offset < 0 and not self._setting.is_timed else None, conditions
        return None, None, []

    # When time alone changes it

    def following(self, counted: Counted) -> str:
        """The first event still to come that will count at its own moment; NULL where none can."""
        window = counted.node.window
        conditions = [f"e.occurred_at > {NOW}", *self._scans.filters(counted.node.source)]
        if isinstance(window, n.Calendar) and window.offset < 0:
            return "NULL"
        if not self._scans.asks_what_comes(counted.node.source):
            return "NULL"
        if isinstance(window, n.Between):
            conditions += self._window(window)[2]
        return counted.scan.column(f"min(e.occurred_at) {ONLY}", " AND ".join(conditions))

    def opening(self, counted: Counted) -> str:
        """When an event still to come opens the window anew; NULL where none does."""
        window = counted.node.window
        return self._scans.latest_or_first(window.events, window.which)[1] if isinstance(window, n.Since) else "NULL"

    def contents_until(self, counted: Counted) -> str:
        """When what is counted changes next: the earliest moment at which the aggregate can."""
        node, column = counted.node, counted.column
        window, following = node.window, self.following(counted)
        if node.function == "first" and not isinstance(window, n.LastHours | n.Calendar | n.Since):
            if following == "NULL":
                return NEVER
            return earliest(f"CASE WHEN {column} IS NULL THEN {following} END")  # nothing comes before the first
        if isinstance(window, n.LastHours):
            return earliest(following, f"{self._leaving(counted)} + {self.hours(window.hours)}")
        if isinstance(window, n.Calendar):
            return earliest(following, self._moving_on(counted, window))
        return earliest(following, self.opening(counted))

    def _leaving(self, counted: Counted) -> str:
        """The event whose leaving a window of hours changes the aggregate first."""
        if counted.node.function == "gap":
            return f"{counted.column}[2]"
        if counted.node.function == "last":
            return counted.column
        return self._earliest_counted(counted)

    def _moving_on(self, counted: Counted, window: n.Calendar) -> str:
        """The next boundary if anything is in the window; else when the window reaches what happened after it."""
        count = counted.scan.column(f"count(*) {ONLY}", counted.condition)
        cases = f"WHEN {count} > 0 THEN {self.boundary(window)}"
        if window.offset < 0:
            conditions = [f"e.occurred_at >= {self._period(window, 1)}", *self._scans.filters(counted.node.source)]
            after = counted.scan.column(f"min(e.occurred_at) {ONLY}", " AND ".join(conditions))
            zone = self._zone_of(window)
            start = f"date_trunc('{window.unit}', {after} AT TIME ZONE {zone})"
            cases += f" ELSE ({start} + {_periods(window.unit, -window.offset)}) AT TIME ZONE {zone}"
        return f"CASE {cases} END"

    def kth_leaves(self, counted: Counted, position: int, hours: int) -> str:
        """When the k-th latest of the counted events leaves a window of hours: until then at least k are in it.

        Quick is when the first one leaves: everybody's events need not be sorted for that.
        """
        if position == 1:
            latest = counted.scan.column(f"max(e.occurred_at) {ONLY}", counted.condition)
        elif self._setting.is_quick:
            latest = self._earliest_counted(counted)
        else:
            latest = f"{counted.scan.column(_LATEST, counted.condition)}[{self._parameters.add(position, 'int')}]"
        return f"{latest} + {self.hours(hours)}"

    @staticmethod
    def _earliest_counted(counted: Counted) -> str:
        return counted.scan.column(f"min(e.occurred_at) {ONLY}", counted.condition)

    # Pieces

    @property
    def zone(self) -> str:
        """The customers' zone."""
        return self._parameters.add(self._setting.zone, "text")

    def _zone_of(self, window: n.Calendar) -> str:
        return self._parameters.add(window.zone or self._setting.zone, "text")

    def boundary(self, window: n.Calendar) -> str:
        """When the current period of the calendar ends."""
        return self._period(n.Calendar(window.unit, 0, window.zone), 1)

    def _period(self, window: n.Calendar, further: int) -> str:
        zone = self._zone_of(window)
        start = f"date_trunc('{window.unit}', {NOW} AT TIME ZONE {zone})"
        return f"(({start} + {_periods(window.unit, window.offset + further)}) AT TIME ZONE {zone})"

    def hours(self, hours: int) -> str:
        """In hours: a day in a time zone with daylight saving may have 23."""
        return f"{self._parameters.add(hours, 'int')} * interval '1 hour'"

    def ago(self, hours: int) -> str:
        """So many hours before now."""
        return f"{NOW} - {self.hours(hours)}"

    def moment(self, moment: datetime | date) -> str:
        """A constant moment; a date is the midnight it begins with in the customers' zone."""
        return self._parameters.add(midnight(moment, ZoneInfo(self._setting.zone)), "timestamptz")


def _periods(unit: str, count: int) -> str:
    return f"interval '{count * 3} month'" if unit == "quarter" else f"interval '{count} {unit}'"
