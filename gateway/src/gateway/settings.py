"""What the gateway needs to know, from the environment (prefix GATEWAY_)."""

from typing import ClassVar

from pydantic import Field

from servicekit.settings import ServiceSettings, settings_config


class Settings(ServiceSettings):
    """The services' addresses and how much one operation may ask for."""

    service: ClassVar[str] = "gateway"
    model_config = settings_config("GATEWAY_")

    port: int = Field(default=8000, ge=0, le=65535)

    identity_url: str
    profile_url: str
    campaign_url: str
    delivery_url: str
    survey_url: str
    deadline_seconds: float = Field(default=2.0, gt=0, le=60)
    """How long one call to one service may take before its fields become null with TIMEOUT."""
    change_deadline_seconds: float = Field(default=15.0, gt=0, le=120)
    """The same for changes of who is who, which wait for others at the same customers."""
    disclosure_deadline_seconds: float = Field(default=60.0, gt=0, le=600)
    """The same for one service to give all that it holds on a customer."""
    disclosure_max_bytes: int = Field(default=512 * 1024 * 1024, ge=1024)
    """How large what one service holds on a customer may be."""
    connections_per_service: int = Field(default=64, ge=1, le=1000)

    max_query_bytes: int = Field(default=64 * 1024, ge=1024)
    max_tokens: int = Field(default=2000, ge=100)
    max_fields: int = Field(default=500, ge=10)
    """Fields written in one document."""
    max_pairs: int = Field(default=5000, ge=100)
    """Pairs of fields of the same name in one document: validation compares each pair."""
    max_depth: int = Field(default=12, ge=3)
    max_aliases: int = Field(default=30, ge=0)
    max_cost: int = Field(default=20_000, ge=100)
    """Objects one operation may ask for, counting every page as full."""
    max_page_size: int = Field(default=100, ge=1, le=1000)
    document_cache_size: int = Field(default=512, ge=1)

    max_subscriptions_per_connection: int = Field(default=50, ge=1)
    max_subscribers: int = Field(default=10_000, ge=1)
    """Live subscriptions of this process."""
    updates_per_second: float = Field(default=4.0, gt=0)
    """At most so many updates a second reach one subscriber; what happens in between is coalesced."""
    connection_init_seconds: float = Field(default=10.0, gt=0)
    allowed_origins: list[str] = Field(default_factory=list)
    """Web origins whose pages may call the gateway from a browser (CORS); `*` for any."""
