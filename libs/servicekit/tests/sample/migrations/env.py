"""Alembic's environment of the sample service."""

from sample_service.app import Base

from servicekit.migrations import run_migrations

run_migrations(Base.metadata)
