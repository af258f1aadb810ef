"""Migrations of survey's database."""

from servicekit.migrations import run_migrations
from survey_service.models import Base

run_migrations(Base.metadata)
