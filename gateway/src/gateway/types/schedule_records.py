"""Everything in the graph on what is taken by schedule that is read from profile's answer as it is."""

import strawberry

from gateway.answers import schedules
from gateway.types.record import record
from gateway.types.scalars import DateTime, Json


@record(schedules.RfmRulesRow)
class RfmRules:
    """What recency, frequency and monetary are measured by."""

    event: str = strawberry.field(description="Which event is a purchase.")
    property: str = strawberry.field(description="Of that event: the amount.")
    where: Json = strawberry.field(description="Filters of the event's properties.")
    window: Json | None = strawberry.field(description="Null: ever.")


@record(schedules.RfmDefinitionAnswer)
class RfmDefinition:
    """What RFM is measured by."""

    definition: RfmRules | None = strawberry.field(description="Null for whoever may not see what it is drawn from.")
    version: int = strawberry.field(description="0: as shipped; pass it as expectedVersion.")


@record(schedules.CutPointsRow)
class CutPoints:
    """Cut points as taken once: numbers, or moments as text, by percent."""

    version: int
    taken_at: DateTime
    until: DateTime
    kind: str
    customers: int
    value: Json = strawberry.field(description="The Value that was cut.")
    at_least: Json = strawberry.field(
        description="By percent the least value that so many percent of the customers lie below; who reaches the one "
        "of 80 is among the top 20 %."
    )
    at_most: Json = strawberry.field(description="By percent the greatest value among the lowest so many percent.")


@record(schedules.LiftRulesRow)
class CategoryLiftRules:
    """From which purchases lifts of categories are taken, and when."""

    event: str
    property: str = strawberry.field(description="Of that event: the category.")
    days: int = strawberry.field(description="A customer's purchases of so many days are one basket.")
    minimum_customers: int = strawberry.field(description="Who bought both; of fewer nothing is concluded.")
    minimum_lift: float = strawberry.field(description="1: as often as by chance.")
    recent: int = strawberry.field(description="How many of a customer's latest categories lead to the next.")
    every: str = strawberry.field(description="day, week or month.")
    day: int | None
    at: str


@record(schedules.NextCategorySettingsRow)
class NextCategorySettings:
    """How next categories are found."""

    definition: CategoryLiftRules
    next_at: DateTime
    taken_at: DateTime | None
    version: int = strawberry.field(description="Counts takings; 0 before the first.")
    revision: int = strawberry.field(description="Counts edits; pass it as expectedVersion.")


@record(schedules.CategoryLiftRow)
class CategoryLift:
    """Who bought the one category buys the other `lift` times as often as everybody."""

    to_category: str
    from_category: str
    customers: int = strawberry.field(description="Who bought both.")
    support: float = strawberry.field(description="Their share of all buyers.")
    confidence: float = strawberry.field(description="Their share of the buyers of `fromCategory`.")
    lift: float
