"""What profile answers on what is taken by schedule: cut points, lifts of categories; and on what RFM measures."""

from __future__ import annotations

from msgspec import Raw, Struct, field


class RfmRulesRow(Struct):
    """Which events are purchases, in which window, and which property is the amount."""

    event: str = "Order Completed"
    property: str = "revenue"
    where: Raw = field(default_factory=lambda: Raw(b"[]"))
    window: Raw = field(default_factory=lambda: Raw(b"null"))


class RfmDefinitionAnswer(Struct):
    """GET /v1/rfm"""

    version: int
    definition: RfmRulesRow | None = None


class CutPointScheduleRow(Struct):
    """When cut points of a subject are taken."""

    subject: str
    every: str
    at: str
    next_at: str
    version: int
    revision: int
    day: int | None = None
    taken_at: str | None = None


class CutPointScheduleListAnswer(Struct):
    """GET /v1/cut-points"""

    items: list[CutPointScheduleRow]


class CutPointsRow(Struct):
    """Cut points as taken."""

    version: int
    taken_at: str
    until: str
    kind: str
    customers: int
    value: Raw
    at_least: Raw
    at_most: Raw


class CutPointsPageAnswer(Struct):
    """GET /v1/cut-points/{subject}/versions"""

    items: list[CutPointsRow]
    next: str | None = None


class LiftRulesRow(Struct):
    """From which purchases lifts are taken, and when."""

    event: str = "Order Completed"
    property: str = "category"
    days: int = 1095
    minimum_customers: int = 20
    minimum_lift: float = 1.0
    recent: int = 5
    every: str = "week"
    day: int | None = None
    at: str = "03:00"


class NextCategorySettingsRow(Struct):
    """GET /v1/next-categories"""

    definition: LiftRulesRow
    next_at: str
    version: int
    revision: int
    taken_at: str | None = None


class CategoryLiftRow(Struct):
    """Who bought the one category buys the other `lift` times as often as everybody."""

    to_category: str
    from_category: str
    customers: int
    support: float
    confidence: float
    lift: float


class CategoryLiftListAnswer(Struct):
    """GET /v1/next-categories/lifts"""

    items: list[CategoryLiftRow]


class NextCategoriesOfCustomer(Struct):
    """What a customer is likeliest to buy next."""

    customer_id: str
    categories: list[CategoryLiftRow] = []


class NextCategoriesAnswer(Struct):
    """POST /v1/next-categories:batchGet"""

    customers: list[NextCategoriesOfCustomer]
