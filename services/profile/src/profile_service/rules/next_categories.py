"""What is bought together: from which purchases, and from how many customers on a rule counts.

Association rules: Agrawal, Imielinski, Swami (1993); lift: Brin, Motwani, Ullman, Tsur (1997). docs/values.md.
"""

from typing import Annotated

from pydantic import Field

from contracts.conditions import Days, Name
from profile_service.rules.schedules import Timing


class LiftSettings(Timing):
    """Which event's property names the category, and when lifts are taken.

    A customer's purchases of the last `days` are one basket. A rule needs `minimum_customers` who bought both, and a
    lift of at least `minimum_lift` (1: as often as by chance). `recent` categories of a customer lead to the next.
    """

    event: Name = "Order Completed"
    property: Name = "category"
    days: Days = 1095
    minimum_customers: Annotated[int, Field(ge=2, le=10**6)] = 20
    minimum_lift: Annotated[float, Field(ge=0, le=1000)] = 1.0
    recent: Annotated[int, Field(ge=1, le=20)] = 5
