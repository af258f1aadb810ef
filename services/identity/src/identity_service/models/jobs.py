"""Long work."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from identity_service.models.base import Base


class Job(Base, table=True):
    """Work that takes longer than a request: asked for, done in steps by a worker, looked at while it goes on."""

    __tablename__ = "jobs"
    __table_args__ = (Index("jobs_open", "created_at", postgresql_where=text("state IN ('queued', 'running')")),)

    job_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    """`rules.dry_run`, `linking.run`, `customers.import`, `coverage.refresh`."""
    state: str = Field(sa_column=Column(Text, nullable=False))
    """`queued`, `running`, `done`, `failed` or `cancelled`."""
    parameters: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))  # of the kind
    cursor: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False, server_default="{}"))  # of the kind
    """Where a worker that takes over goes on."""
    done: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    total: int | None = Field(sa_column=Column(BigInteger))
    result: dict[str, Any] | None = Field(sa_column=Column(JSONB))  # of the kind
    problem: str | None = Field(sa_column=Column(Text))
    created_by: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    started_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    finished_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
