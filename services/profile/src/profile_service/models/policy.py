"""Who may read what, and what was given and read. None of these tables names a customer."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Date, Identity, Index, Integer, Uuid
from sqlmodel import Field

from profile_service.models.base import Base, json_column, moment, number, text_column


class PolicyVersion(Base, table=True):
    """The policy from a change on; the highest version holds."""

    __tablename__ = "policy_versions"

    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    document: dict[str, Any] = json_column()
    changed_at: dt.datetime = moment()
    changed_by: str = text_column()
    why: str = text_column()


class Given(Base, table=True):
    """How many events or words on traits of a name a source gave, by the day they came."""

    __tablename__ = "given_days"
    __table_args__ = (Index("given_days_name", "kind", "name"),)

    day: dt.date = Field(sa_column=Column(Date, primary_key=True))
    source_id: str = text_column(primary_key=True)
    kind: str = text_column(primary_key=True)
    """`event`, `trait` or `identifier`."""
    name: str = text_column(primary_key=True)
    department: str = text_column(primary_key=True)
    """Whose the source was then; empty for Kizuna's own and for one identity has not told of."""
    count: int = number(BigInteger)


class GivenChange(Base, table=True):
    """What a batch adds to the days: appended with it, so that batches never wait for each other; soon added up."""

    __tablename__ = "given_changes"

    change_id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    day: dt.date = Field(sa_column=Column(Date, nullable=False))
    source_id: str = text_column()
    kind: str = text_column()
    name: str = text_column()
    department: str = text_column()
    count: int = number(Integer)


class GivenName(Base, table=True):
    """A source has given something of that name at some time."""

    __tablename__ = "given_names"

    kind: str = text_column(primary_key=True)
    """`event` or `trait`."""
    name: str = text_column(primary_key=True)
    source_id: str = text_column(primary_key=True)


class Used(Base, table=True):
    """How often a department read what another gave, by the day. Counted in memory, so the last seconds may lack."""

    __tablename__ = "used_days"

    day: dt.date = Field(sa_column=Column(Date, primary_key=True))
    reader: str = text_column(primary_key=True)
    """A department, `service:<name>`, or `-` for a token of neither."""
    giver: str = text_column(primary_key=True)
    """A department; empty as above."""
    kind: str = text_column(primary_key=True)
    count: int = number(BigInteger)


class SegmentPublisher(Base, table=True):
    """The department that published a segment's present version."""

    __tablename__ = "segment_publishers"

    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    department: str | None = text_column(nullable=True)
