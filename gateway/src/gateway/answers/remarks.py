"""What profile answers on remarks: what customers said, about which topics."""

from __future__ import annotations

from msgspec import Raw, Struct, field


class TopicOfRemarkRow(Struct):
    """What a remark is about."""

    key: str
    name: str
    kind: str


class RemarkRow(Struct):
    """What a customer said where and when."""

    event_id: str
    occurred_at: str
    source: str = field(name="source_id")
    opinion: str
    topics: list[TopicOfRemarkRow] = []
    text: str | None = None
    url: str | None = None
    language: str | None = None
    site: str | None = None


class RemarksOfCustomer(Struct):
    """A customer's remarks, newest first."""

    customer_id: str
    remarks: list[RemarkRow] = []


class RemarksAnswer(Struct):
    """POST /v1/remarks:batchGet"""

    customers: list[RemarksOfCustomer]


class RemarkTopicRow(Struct):
    """A topic by its keywords."""

    key: str
    name: str
    kind: str
    keywords: Raw
    exclude: Raw = field(default_factory=lambda: Raw(b"{}"))
    revision: int = 1


class RemarkTopicListAnswer(Struct):
    """GET /v1/remark-topics"""

    items: list[RemarkTopicRow]
    is_reading: bool = False


class OpinionWordsRow(Struct):
    """The words that speak for an opinion."""

    opinion: str
    words: Raw
    revision: int


class RemarkDayRow(Struct):
    """A day's remarks on a topic."""

    day: str
    remarks: int
    customers: int
    positive: int
    negative: int


class RemarkDaysAnswer(Struct):
    """GET /v1/remark-topics/{key}/days"""

    days: list[RemarkDayRow]
