"""What remarks are about: topics and opinions by keywords, and how far a change of them has been read anew.

Remarks themselves are events of the timeline; their topics stand in the event's properties, where conditions find them.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Integer, Uuid
from sqlmodel import Field

from profile_service.models.base import Base, json_column, moment, number, text_column


class RemarkTopic(Base, table=True):
    """A product of ours or a competitor's, or anything else, by its keywords: `{language: [words]}`."""

    __tablename__ = "remark_topics"

    key: str = text_column(primary_key=True)
    name: str = text_column()
    kind: str = text_column()
    """`own`, `competitor` or `other`."""
    keywords: dict[str, list[str]] = json_column()
    exclude: dict[str, list[str]] = json_column()
    revision: int = number(Integer)


class RemarkOpinion(Base, table=True):
    """The words of an opinion, `positive` or `negative`: `{language: [words]}`."""

    __tablename__ = "remark_opinions"

    opinion: str = text_column(primary_key=True)
    words: dict[str, list[str]] = json_column()
    revision: int = number(Integer)


class RemarkReading(Base, table=True):
    """All remarks are being read anew, newest first, because topics or opinions changed; survives a restart."""

    __tablename__ = "remark_readings"

    subject: str = text_column(primary_key=True)
    """`remarks`."""
    generation: int = number(Integer)
    until_occurred_at: datetime | None = moment(nullable=True)
    until_event_id: UUID | None = Field(sa_column=Column(Uuid, nullable=True))
    """The last remark read."""
    read: int = number(BigInteger, default=0)
    requested_at: datetime = moment()
    finished_at: datetime | None = moment(nullable=True)
