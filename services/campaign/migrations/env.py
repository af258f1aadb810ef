"""Migrations of campaign's database."""

from campaign_service.models import Base
from servicekit.migrations import run_migrations

run_migrations(Base.metadata)
