"""The columns of what people edit, publish and archive: a segment, a sign; and of each of its versions."""

from datetime import datetime

from sqlalchemy import DateTime, Integer, Text
from sqlmodel import Field, SQLModel


class Definition(SQLModel):
    """Edited under a key; what is published counts until it is archived."""

    key: str = Field(sa_type=Text, nullable=False)
    name: str = Field(sa_type=Text, nullable=False)
    revision: int = Field(sa_type=Integer, nullable=False)
    """Counts edits; the ETag."""
    version: int = Field(sa_type=Integer, nullable=False, sa_column_kwargs={"server_default": "0"})
    """Counts publications; 0 before the first."""
    published_at: datetime | None = Field(sa_type=DateTime(timezone=True), nullable=True)
    archived_at: datetime | None = Field(sa_type=DateTime(timezone=True), nullable=True)


class Publication(SQLModel):
    """When a version was published, by whom and why."""

    published_at: datetime = Field(sa_type=DateTime(timezone=True), nullable=False)
    published_by: str | None = Field(sa_type=Text, nullable=True)
    """The token's subject; null: before this was noted."""
    why: str | None = Field(sa_type=Text, nullable=True)
