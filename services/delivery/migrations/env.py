"""Alembic's way into delivery's models."""

from delivery_service.models import Base
from servicekit.migrations import run_migrations

run_migrations(Base.metadata)
