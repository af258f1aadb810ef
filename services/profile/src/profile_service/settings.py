"""Profile's settings: environment variables starting with PROFILE_."""

from typing import ClassVar

from pydantic import Field

from servicekit.settings import ServiceSettings, settings_config


class Settings(ServiceSettings):
    """What profile needs to run."""

    service: ClassVar[str] = "profile"
    model_config = settings_config("PROFILE_")

    port: int = Field(default=8002, ge=0, le=65535)
    purchase_event: str = "Order Completed"
    """The event that counts as a purchase (recency, frequency, monetary)."""
    revenue_property: str = "revenue"
    """Its numeric property with the amount; kept in a column of its own for every event."""
    base_currency: str = Field(default="USD", pattern="^[A-Z]{3}$")
    """Only amounts in this currency are summed; an event without `currency` is taken to be in it."""
    expiry_interval_seconds: float = Field(default=5.0, gt=0)
    """How often memberships whose time has come are looked for."""
    minimum_cell_size: int = Field(default=10, ge=2)
    """No cell of bought or exported data stands for fewer people."""
    insight_file_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    """How large a file of bought data may be, as sent and inflated."""
    backfill_chunk: int = Field(default=5000, ge=1, le=50_000)
    """Customers whom one transaction of a backfill evaluates (ranks, signs) or lets go (whatever is archived)."""
    backfill_kept_chunk: int = Field(default=10_000, ge=1, le=100_000)
    """Customers whom one transaction of a segment's backfill holds to keep their answers."""
    estimate_sample: int = Field(default=10_000, ge=100, le=100_000)
    """Customers that an estimate is made from: 10,000 leave it 1 % of everybody off, at most, in 95 of 100 cases."""
    max_condition_cost: float = Field(default=20_000_000, gt=0)
    """By the planner's estimate (see docs/store.md); a condition that costs more for everybody must be forced."""
