"""Delivery's settings, from the environment, prefix `DELIVERY_`."""

from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from delivery_service.rules import QuietHours
from servicekit.settings import ServiceSettings, settings_config

SMTP_SCHEMES = ("smtp", "smtp+starttls", "smtps")


def _smtp_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in SMTP_SCHEMES or not parts.hostname:
        raise ValueError(
            "must be smtp://host:port, smtp+starttls://user:password@host:port or smtps://user:password@host:port"
        )
    return value


def _quiet_hours(value: str) -> str:
    if value:
        QuietHours.parse(value)
    return value


class Settings(ServiceSettings):
    """What delivery needs beyond every service's settings."""

    service: ClassVar[str] = "delivery"
    model_config = settings_config("DELIVERY_")

    profile_url: str
    """Where profile answers; traits for rendering are read there."""
    smtp_url: Annotated[str, AfterValidator(_smtp_url)]
    """The relay: smtp://host:port, smtp+starttls://user:password@host:port or smtps://..."""
    secret_file: Path
    """At least 32 bytes; signs the links inside mails. Changing it invalidates the links of mails already sent."""
    smtp_connections: int = Field(default=4, ge=1, le=100)
    smtp_timeout_seconds: float = Field(default=60.0, gt=0, le=600)
    """How long one SMTP reply may take."""
    batch_size: int = Field(default=200, ge=1, le=1000)
    """Messages claimed at once. A crash makes at most these uncertain, times `lanes`."""
    lanes: int = Field(default=2, ge=1, le=16)
    """Batches on their way at the same time: one is rendered while another waits for the relay."""
    lease_seconds: float = Field(default=120.0, ge=1, le=3600)
    """After this long without a word the claim of a crashed process ends."""
    poll_seconds: float = Field(default=2.0, gt=0, le=60)
    max_attempts: int = Field(default=6, ge=1, le=50)
    """How often a temporary refusal (4xx) is tried before the message is given up."""
    contact_grace_seconds: float = Field(default=10.0, ge=0, le=3600)
    """How long a request waits for a contact point that is still on its way (links and moves are other streams)."""
    quiet_hours: Annotated[str, AfterValidator(_quiet_hours)] = ""
    """`21:00-08:00` in `time_zone`: advertising mail waits until the end. Empty: off."""

    @property
    def quiet(self) -> QuietHours | None:
        """The quiet hours, or None when off."""
        return QuietHours.parse(self.quiet_hours) if self.quiet_hours else None
