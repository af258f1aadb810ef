"""Everything in the graph on signs and remarks that is read from profile's answer as it is."""

import strawberry

from gateway.answers import profile, remarks, signs
from gateway.types.record import record
from gateway.types.scalars import Date, DateTime, Json


@record(profile.SignOfCustomerRow)
class SignOfCustomer:
    """A sign that a customer shows: something in their life is changing."""

    key: str
    name: str
    meaning: str
    strength: str = strawberry.field(description="weak, medium or strong.")
    detected_at: DateTime
    renewed_at: DateTime = strawberry.field(description="When its condition last became true.")
    expires_at: DateTime | None = strawberry.field(description="Null while the condition holds.")


@record(signs.SignOutcomeRow)
class SignOutcome:
    """What should follow a sign within so many days: an event, one of several, or that a sign's condition holds."""

    event: str | None
    where: Json
    any_of: Json | None = strawberry.field(description="Several events, each with its filters.")
    sign: str | None = strawberry.field(description="A sign's key.")
    within_days: int


@record(signs.SignVersionRow)
class SignVersion:
    """What a sign was from a publication on."""

    version: int
    condition: Json | None = strawberry.field(description="Null, with `outcome` and `why`, where it is withheld.")
    withheld: bool = strawberry.field(description="The condition asks for what the caller may not see.")
    strength: str
    lifetime_days: int
    outcome: SignOutcome | None
    published_at: DateTime
    published_by: str | None
    why: str | None


@record(signs.SignShareRow)
class SignShare:
    """How many customers show a sign now."""

    key: str
    name: str
    strength: str
    customers: int
    share: float = strawberry.field(description="Of all customers, 0 to 1.")


@record(signs.SignCoverageAnswer)
class SignCoverage:
    """How many of all customers are in a situation (show any sign) now, and which."""

    customers: int
    in_a_situation: int | None = strawberry.field(description="Null for whoever may not see all signs.")
    share: float | None
    withheld: bool = strawberry.field(description="The policy hides some signs from the caller.")
    signs: list[SignShare]


@record(signs.SignPrecisionAnswer)
class SignPrecision:
    """What followed a sign's detections of some days, against what follows without it."""

    first_day: Date
    last_day: Date
    detected: int
    followed: int = strawberry.field(description="By the outcome, in time.")
    rate: float | None
    base_rate: float | None = strawberry.field(description="Of customers of the same times who did not show it.")
    lift: float | None = strawberry.field(description="One by the other.")


@record(remarks.TopicOfRemarkRow)
class TopicOfRemark:
    """What a remark is about."""

    key: str
    name: str
    kind: str = strawberry.field(description="own, competitor or other.")


@record(remarks.RemarkRow)
class Remark:
    """What a customer said where and when, what about, and how (by words: no more than a hint)."""

    event_id: strawberry.ID
    occurred_at: DateTime
    source: str
    text: str | None
    url: str | None
    language: str | None
    site: str | None
    topics: list[TopicOfRemark]
    opinion: str = strawberry.field(description="positive, negative or neutral.")


@record(remarks.RemarkTopicRow)
class RemarkTopic:
    """A topic of remarks by its keywords, for each language."""

    key: str
    name: str
    kind: str = strawberry.field(description="own, competitor or other.")
    keywords: Json
    exclude: Json = strawberry.field(description="What stands within these phrases does not count.")
    revision: int = strawberry.field(description="Counts edits; pass it as expectedVersion.")


@record(remarks.OpinionWordsRow)
class OpinionWords:
    """The words by which a remark is taken to be positive or negative, for each language."""

    opinion: str = strawberry.field(description="positive or negative.")
    words: Json
    revision: int = strawberry.field(description="Counts edits; pass it as expectedVersion.")


@record(remarks.RemarkDayRow)
class RemarkDay:
    """A day's remarks on a topic, in the customers' time zone."""

    day: Date
    remarks: int
    customers: int
    positive: int
    negative: int
