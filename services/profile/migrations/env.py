"""Runs profile's migrations against its models."""

from profile_service.models import Base
from servicekit.migrations import run_migrations

run_migrations(Base.metadata)
