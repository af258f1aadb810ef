"""Remarks, their topics and opinions, as they are written and read."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from profile_service.schemas.fields import Title, Withheld
from servicekit.http import Answer, BatchGet, Body, Key

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
"""ISO 639, or `any`: whatever language a remark is in."""
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
WordsByLanguage = Annotated[
    dict[Language, Annotated[list[Word], Field(min_length=1, max_length=200)]], Field(max_length=30)
]
TopicKind = Literal["own", "competitor", "other"]
OpinionName = Literal["positive", "negative"]


class TopicBody(Body):
    """A topic by its keywords, for each language; what stands within an excluded phrase does not count."""

    name: Title
    kind: TopicKind
    keywords: Annotated[WordsByLanguage, Field(min_length=1)]
    exclude: WordsByLanguage = Field(default={})


class TopicAnswer(Answer):
    """A topic; `revision` counts edits (ETag)."""

    key: str
    name: str
    kind: TopicKind
    keywords: dict[str, list[str]]
    exclude: dict[str, list[str]]
    revision: int


class TopicListAnswer(Answer):
    """All topics by key; `is_reading`: remarks are being read anew by them."""

    items: list[TopicAnswer]
    is_reading: bool


class OpinionBody(Body):
    """The words that speak for an opinion, for each language."""

    words: WordsByLanguage


class OpinionAnswer(Answer):
    """The words of an opinion; `revision` counts edits (ETag)."""

    opinion: OpinionName
    words: dict[str, list[str]]
    revision: int


class TopicDayAnswer(Answer):
    """A day in the customers' zone: remarks on the topic, of how many customers, how many for and against."""

    day: date
    remarks: int
    customers: int
    positive: int
    negative: int


class TopicDaysAnswer(Answer):
    """Oldest first, every day."""

    days: list[TopicDayAnswer]


class RemarksQuery(BatchGet):
    """The newest `first` remarks of each customer; on some topics, or on topics of some kinds."""

    topics: Annotated[list[Key], Field(max_length=100)] | None = None
    kinds: Annotated[list[TopicKind], Field(min_length=1, max_length=3)] | None = None
    first: int = Field(default=20, ge=1, le=100)


class TopicOfRemarkAnswer(Answer):
    """What a remark is about."""

    key: str
    name: str
    kind: TopicKind


class RemarkAnswer(Answer):
    """What a customer said where and when, what about, and how (by words: no more than a hint)."""

    event_id: UUID
    occurred_at: datetime
    source_id: str
    text: str | None
    url: str | None
    language: str | None
    site: str | None
    topics: list[TopicOfRemarkAnswer]
    opinion: Literal["positive", "negative", "neutral"]


class RemarksOfCustomerAnswer(Answer):
    """A customer's remarks, newest first."""

    customer_id: UUID
    remarks: list[RemarkAnswer]


class RemarksAnswer(Answer):
    """One entry per requested customer, in order."""

    customers: list[RemarksOfCustomerAnswer]
    withheld: Withheld
