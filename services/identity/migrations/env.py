"""Runs identity's migrations against its models."""

from identity_service.models import Base
from servicekit.migrations import run_migrations

run_migrations(Base.metadata)
