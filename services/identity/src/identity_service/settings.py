"""Identity's settings, from the environment with the prefix IDENTITY_."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from servicekit.settings import ServiceSettings, settings_config


class Settings(ServiceSettings):
    """What identity needs besides the common settings."""

    service: ClassVar[str] = "identity"
    model_config = settings_config("IDENTITY_")

    port: int = Field(default=8001, ge=0, le=65535)
    secret_file: Path
    """At least 32 random bytes; the key of the hashes under which write keys are stored."""
    max_body_bytes: int = Field(default=8_388_608, ge=1024)
    """Far above what ingest takes (500 KB), so that an oversized batch is refused in Segment's own shape."""
    resolver_batch_events: int = Field(default=2000, ge=1, le=20_000)
    message_id_days: int = Field(default=7, ge=1, le=90)
    """How long a message id is remembered: a repetition within that time is dropped."""
    rejection_days: int = Field(default=30, ge=1, le=3650)
    job_days: int = Field(default=90, ge=1, le=3650)
    """How long a job that has ended can be looked at."""
    linking_every_minutes: int = Field(default=0, ge=0, le=525_600)
    """How often customers that are new or changed are linked by probability; 0: only when asked for."""
    import_max_bytes: int = Field(default=2 * 1024**3, ge=1)
    """Size of an imported file at most."""
    import_batch_lines: int = Field(default=500, ge=1, le=5000)
    """Lines of an import that go into the event log at once; changed only while no import runs."""
    import_max_waiting: int = Field(default=64, ge=1)
    """Requests that may wait for the resolver before an import pauses: what arrives live stays near the front."""
    import_upload_days: int = Field(default=7, ge=1, le=90)
    """How long content is kept that nobody started."""
    coverage_seconds: float = Field(default=10, gt=0)
    """How often is looked whether coverage must be counted anew; counting rests 20 times as long as it takes."""
