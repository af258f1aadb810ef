"""Campaign's settings, from the environment (prefix CAMPAIGN_)."""

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from servicekit.settings import ServiceSettings, settings_config


class Settings(ServiceSettings):
    """What campaign needs beside the common settings."""

    service: ClassVar[str] = "campaign"
    model_config = settings_config("CAMPAIGN_")

    signing_key_file: Path  # required here: it signs the tokens shown to profile, and coupon codes are keyed with it
    profile_url: str
    """Where profile answers: purchases and present members are read there."""
    run_batch: int = Field(default=500, ge=1, le=5000)
    """How many due runs of each journey one transaction moves on."""
    run_poll_seconds: float = Field(default=2.0, gt=0, le=60)
    """How often to look for runs whose wait is over."""
    conversion_refresh_seconds: int = Field(default=300, ge=1)
    """How long purchases that were read count as fresh while the goal's window is open."""
    conversion_poll_seconds: float = Field(default=5.0, gt=0, le=600)
    """How often to look for purchases that are due to be read."""

    @property
    def conversion_refresh(self) -> timedelta:
        """`conversion_refresh_seconds` as a duration."""
        return timedelta(seconds=self.conversion_refresh_seconds)
