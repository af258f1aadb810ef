"""Sources as identity tells of them."""

from datetime import datetime

from sqlalchemy import ARRAY, Boolean, Column, Integer, Text
from sqlmodel import Field

from profile_service.models.base import Base, moment, text_column


class Source(Base, table=True):
    """A source in one of its versions, with the span in which what it says belongs to that version's department.

    The earliest version that was told holds for the time before it too, the latest one for what comes: so each moment
    has one version, in whatever order they were told, and a source that changes hands takes nothing along.
    """

    __tablename__ = "sources"

    source_id: str = text_column(primary_key=True)
    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    name: str = text_column()
    department: str | None = text_column(nullable=True)
    """Null, with brand and legal entity, for Kizuna's own services."""
    brand: str | None = text_column(nullable=True)
    legal_entity: str | None = text_column(nullable=True)
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    is_own: bool = Field(sa_column=Column(Boolean, nullable=False))
    """One of Kizuna's own services (`kizuna-delivery`): its facts came of what departments asked Kizuna to do."""
    changed_at: datetime = moment()
    valid_from: datetime = moment()
    """Included; '-infinity' for the earliest version."""
    valid_until: datetime = moment()
    """Excluded; 'infinity' for the present version."""
