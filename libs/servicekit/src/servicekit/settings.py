"""Settings come from the environment only, one prefix per service, and fail fast with a sentence."""

import sys
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


def settings_config(prefix: str) -> SettingsConfigDict:
    """Return the pydantic-settings configuration of a service whose variables start with `prefix`."""
    return SettingsConfigDict(env_prefix=prefix, extra="ignore", frozen=True)


class ServiceSettings(BaseSettings):
    """What every service needs. Subclasses set `service` and `model_config = settings_config("<NAME>_")`."""

    service: ClassVar[str]

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    public_url: str = ""
    """How customers and partners reach this service from outside; empty: its own address."""
    database_url: str = ""
    """postgresql://user:password@host:port/name, or ...@/name?host=/socket/directory"""
    database_pool_size: int = Field(default=8, ge=1, le=200)
    nats_url: str
    """nats://user:password@host:port"""
    jwks_file: Path
    """JSON Web Key Set with the public keys whose tokens are accepted; `kid` names the issuer."""
    signing_key_file: Path | None = None
    """This service's own Ed25519 private key (PEM), for the short tokens it shows to others."""
    partitions: int = Field(default=16, ge=1, le=1024)
    log_level: str = "INFO"
    time_zone: str = "Asia/Tokyo"
    """The customers' zone where none is known: days, anniversaries, recency."""
    drain_seconds: float = Field(default=0.0, ge=0, le=60)
    """How long to keep answering after readiness failed, so that load balancers notice."""
    max_body_bytes: int = Field(default=1_048_576, ge=1024)

    @property
    def address(self) -> str:
        """The service's outside address, without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load_settings(settings_class: type[SettingsT]) -> SettingsT:
    """Read the settings from the environment; exit with code 2 and one line per wrong variable."""
    try:
        return settings_class()
    except ValidationError as error:
        prefix = str(settings_class.model_config.get("env_prefix", ""))
        for item in error.errors(include_input=False, include_url=False):
            variable = prefix + "_".join(str(part) for part in item["loc"]).upper()
            sys.stderr.write(f"{variable}: {item['msg']}. Set it in the environment of {settings_class.service}.\n")
        raise SystemExit(2) from None
