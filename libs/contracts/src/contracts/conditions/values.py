"""Values that hold no other."""

from typing import Literal

from pydantic import Field

from contracts.conditions.fields import Filters, Integer, Moment, Name, Node, Number, Text
from contracts.conditions.windows import AnyWindow


class ConstantValue(Node):
    """A number or a text."""

    kind: Literal["constant"]
    value: Text | Integer | Number


class MomentValue(Node):
    """A moment."""

    kind: Literal["moment"]
    moment: Moment


class TraitValue(Node):
    """The folded trait read as a number, a text, or a moment (an ISO date or date-time); missing if it is none."""

    kind: Literal["trait"]
    trait: Name
    read_as: Literal["number", "text", "moment"]


class EventValue(Node):
    """What such events come to.

    `count` and `distinct_days` (days of the customer's zone): 0 for none. `sum` of a numeric property: 0 for none.
    `average` (to 6 decimals), `minimum`, `maximum` of it; `first` and `last`: moments; `gap`: whole days of 24 hours
    between the latest two; `most_frequent` text of a property, `most_frequent_hour` (0 to 23 in the customer's zone),
    the least of equally frequent ones: missing for none.
    """

    kind: Literal["events"]
    function: Literal[
        "count", "distinct_days", "sum", "average", "minimum", "maximum", "first", "last", "gap", "most_frequent",
        "most_frequent_hour",
    ]  # fmt: skip
    event: Name
    property: Name | None = None
    """For `sum`, `average`, `minimum`, `maximum` and `most_frequent`; not for others."""
    window: AnyWindow | None = None
    where: Filters = Field(default=[])


class ComputedValue(Node):
    """A computed value by its key."""

    kind: Literal["computed"]
    key: Name


class PointsValue(Node):
    """The measure a table of ranks goes by."""

    kind: Literal["points"]
    table: Name = "default"


class DistanceValue(Node):
    """What lacks to the next rank's threshold; missing for the highest rank."""

    kind: Literal["distance_to_next_rank"]
    table: Name = "default"
