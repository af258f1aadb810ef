"""Signs of a changing situation, remarks and their topics: what is asked of them and changed of them."""

from typing import Annotated

import strawberry
from msgspec import structs

from gateway.answers import remarks, signs
from gateway.clients import path_segment
from gateway.loaders import Loaders
from gateway.types import arguments, fields, paging
from gateway.types.customer import Customer
from gateway.types.identity_inputs import ONCE, VERSION
from gateway.types.paging import DEFAULT_PAGE, Connection
from gateway.types.profile_calls import ContextInfo, change, delete, find, get, path_of, put
from gateway.types.profile_inputs import CONDITION, FORCE, WHY, body_of
from gateway.types.scalars import Date, DateTime, Json
from gateway.types.sign_records import (
    OpinionWords,
    RemarkDay,
    RemarkTopic,
    SignCoverage,
    SignOutcome,
    SignPrecision,
    SignVersion,
)

INPUT = strawberry.argument(name="input")
FROM = strawberry.argument(name="from")


@strawberry.type(description="A customer who shows a sign now.")
class SignShowing:
    """Since when, and the customer."""

    customer: Customer
    detected_at: DateTime
    renewed_at: DateTime


@strawberry.type(description="A sign of a changing situation: what it is seen by, what it means, how long it lasts.")
class Sign:
    """A sign's definition and the loaders everything else is read through."""

    key: str
    name: str
    meaning: str
    strength: str = strawberry.field(description="weak, medium or strong.")
    lifetime_days: int = strawberry.field(description="How long it lasts after its condition last became true.")
    status: str = strawberry.field(description="draft, backfilling, published or archived.")
    condition: Json | None = strawberry.field(description="As edited; null where it is withheld.")
    outcome: signs.SignOutcomeRow | None = strawberry.field(
        graphql_type=SignOutcome | None, description="What should follow it; `precision` measures that."
    )
    withheld: bool = strawberry.field(description="The condition asks for what the caller may not see.")
    is_edited: bool = strawberry.field(description="It differs from what is published.")
    revision: int = strawberry.field(description="Counts edits; pass it as expectedVersion.")
    version: int = strawberry.field(description="Counts publications.")
    published_at: DateTime | None
    archived_at: DateTime | None
    loaders: strawberry.Private[Loaders]

    @fields.field(
        graphql_type=Connection[SignVersion] | None,
        description="What it was when, who published that and why; newest first.",
    )
    async def versions(self, first: int = DEFAULT_PAGE, after: str | None = None) -> Connection[SignVersion]:
        """From profile."""
        return await paging.list_page(
            self.loaders.services.profile,
            f"/v1/signs/{path_segment(self.key)}/versions",
            signs.SignVersionPageAnswer,
            loaders=self.loaders,
            first=first,
            after=after,
        )

    @fields.field(graphql_type=Connection[SignShowing] | None, description="Who shows it now.")
    async def customers(self, first: int = DEFAULT_PAGE, after: str | None = None) -> Connection[SignShowing]:
        """From profile."""
        return await paging.list_page(
            self.loaders.services.profile,
            f"/v1/signs/{path_segment(self.key)}/customers",
            signs.ShowingPageAnswer,
            loaders=self.loaders,
            first=first,
            after=after,
            node=self._showing,
        )

    def _showing(self, row: signs.ShowingRow) -> SignShowing:
        customer = Customer(id=strawberry.ID(row.customer_id), loaders=self.loaders)
        return SignShowing(
            customer=customer, detected_at=DateTime(row.detected_at), renewed_at=DateTime(row.renewed_at)
        )

    @fields.field(
        graphql_type=SignPrecision | None,
        description="How many detections of these days were followed by the outcome; of one `version` if given.",
    )
    async def precision(
        self, since: Annotated[Date | None, FROM] = None, until: Date | None = None, version: int | None = None
    ) -> signs.SignPrecisionAnswer:
        """From profile."""
        service = self.loaders.services.profile
        return await service.get(
            f"/v1/signs/{path_segment(self.key)}/precision",
            signs.SignPrecisionAnswer,
            headers=self.loaders.headers,
            query={"first_day": since, "last_day": until, "version": version},
            patience=service.patience_for_changes,
        )


def sign_of(row: signs.SignRow, loaders: Loaders) -> Sign:
    """The sign that profile answered."""
    return Sign(**structs.asdict(row), loaders=loaders)


@strawberry.type
class SignQuery:
    """The graph's entrances to signs and topics of remarks: with profile:read."""

    @fields.field(description="One sign.")
    async def sign(self, info: ContextInfo, key: str) -> Sign | None:
        """From profile; null when there is none of that key."""
        row = await find(info, "signs", key, signs.SignRow)
        return None if row is None else sign_of(row, info.context.loaders)

    @fields.field(graphql_type=SignCoverage | None, description="How much of the base is in a situation now.")
    async def sign_coverage(self, info: ContextInfo) -> signs.SignCoverageAnswer:
        """From profile."""
        return await get(info, "/v1/signs:coverage", signs.SignCoverageAnswer)

    @fields.field(graphql_type=list[RemarkTopic] | None, description="What remarks may be about, by key.")
    async def remark_topics(self, info: ContextInfo) -> list[remarks.RemarkTopicRow]:
        """From profile."""
        return (await get(info, "/v1/remark-topics", remarks.RemarkTopicListAnswer)).items

    @fields.field(graphql_type=RemarkTopic | None, description="What remarks may be about.")
    async def remark_topic(self, info: ContextInfo, key: str) -> remarks.RemarkTopicRow | None:
        """From profile; null when there is none of that key."""
        return await find(info, "remark-topics", key, remarks.RemarkTopicRow)

    @fields.field(description="Whether remarks are being read anew, because topics or opinion words changed.")
    async def remarks_are_being_read(self, info: ContextInfo) -> bool | None:
        """From profile."""
        return (await get(info, "/v1/remark-topics", remarks.RemarkTopicListAnswer)).is_reading

    @fields.field(
        graphql_type=OpinionWords | None, description="The words that speak for an opinion: positive or negative."
    )
    async def opinion_words(self, info: ContextInfo, opinion: str) -> remarks.OpinionWordsRow | None:
        """From profile; null when none are put."""
        return await find(info, "remark-opinions", opinion, remarks.OpinionWordsRow, field="opinion")

    @fields.field(
        graphql_type=list[RemarkDay] | None,
        description="Remarks on a topic day by day, the oldest first.",
    )
    async def remark_days(
        self, info: ContextInfo, topic: str, since: Annotated[Date | None, FROM] = None, until: Date | None = None
    ) -> list[remarks.RemarkDayRow]:
        """From profile."""
        loaders = info.context.loaders
        found = await loaders.services.profile.get(
            f"/v1/remark-topics/{path_segment(arguments.text(topic, field='topic'))}/days",
            remarks.RemarkDaysAnswer,
            headers=loaders.headers,
            query={"first_day": since, "last_day": until},
        )
        return found.days

    # the last one: below it the class knows `signs` as this
    @fields.field(description="Signs, by key.")
    async def signs(self, info: ContextInfo) -> list[Sign] | None:
        """From profile."""
        found = await info.context.loaders.sign_list
        return [sign_of(row, info.context.loaders) for row in found.items]


@strawberry.input(
    description="What should follow a sign within so many days of 24 hours: one of `event`, `anyOf` and `sign`."
)
class SignOutcomeInput:
    """As profile takes it."""

    within_days: int
    event: str | None = None
    where: Json | None = strawberry.field(default=None, description="Filters of the event's properties.")
    any_of: Json | None = strawberry.field(default=None, description="Several events: a list of `{event, where}`.")
    sign: str | None = strawberry.field(default=None, description="A published sign whose condition becomes true.")


@strawberry.input(description="A sign as edited; it is detected once it is published.")
class PutSignInput:
    """As profile takes it."""

    key: str
    name: str
    meaning: str
    condition: Json = strawberry.field(description=CONDITION)
    strength: str = strawberry.field(description="weak, medium or strong.")
    lifetime_days: int
    outcome: SignOutcomeInput | None = None
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which sign is published as it was put.")
class PublishSignInput:
    """As profile takes it."""

    key: str
    why: str | None = strawberry.field(default=None, description=WHY)
    force: bool = strawberry.field(default=False, description=FORCE)
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which sign.")
class SignKeyInput:
    """As profile takes it."""

    key: str
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="A topic of remarks by its keywords; remarks are read anew when they change.")
class PutRemarkTopicInput:
    """As profile takes it."""

    key: str
    name: str
    kind: str = strawberry.field(description="own, competitor or other.")
    keywords: Json = strawberry.field(description='By language, e.g. {ja: ["絆"], any: ["Kizuna"]}.')
    exclude: Json | None = None
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which topic is removed.")
class DeleteRemarkTopicInput:
    """As profile takes it."""

    key: str
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="The words that speak for an opinion; remarks are read anew when they change.")
class PutOpinionWordsInput:
    """As profile takes it."""

    opinion: str = strawberry.field(description="positive or negative.")
    words: Json = strawberry.field(description='By language, e.g. {ja: ["よい"], any: ["good"]}.')
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.type(description="The sign as it now is.")
class SignPayload:
    """What changing a sign answers."""

    sign: Sign


@strawberry.type(description="The topic as it now is.")
class RemarkTopicPayload:
    """What changing a topic answers."""

    topic: remarks.RemarkTopicRow = strawberry.field(graphql_type=RemarkTopic)


@strawberry.type(description="The words as they now are.")
class OpinionWordsPayload:
    """What changing an opinion's words answers."""

    opinion_words: remarks.OpinionWordsRow = strawberry.field(graphql_type=OpinionWords)


@strawberry.type(description="The topic that was removed.")
class DeleteRemarkTopicPayload:
    """What removing a topic answers."""

    key: str


@strawberry.type
class SignMutation:
    """The graph's changes of signs and topics of remarks, at profile."""

    @fields.mutation(
        description="Create or edit a sign; it is detected once it is published. Needs profile:write. Repeating it "
        "changes nothing."
    )
    async def put_sign(self, info: ContextInfo, given: Annotated[PutSignInput, INPUT]) -> SignPayload | None:
        """PUT /v1/signs/{key}"""
        body = body_of(given, "key") | ({} if given.outcome is None else {"outcome": body_of(given.outcome)})
        row = await put(info, given, path_of("signs", given.key), body, signs.SignRow)
        return SignPayload(sign=sign_of(row, info.context.loaders.renewed()))

    @fields.mutation(
        description="Detect a sign as it was put: live at once, in everybody by a backfill. Needs profile:write."
    )
    async def publish_sign(self, info: ContextInfo, given: Annotated[PublishSignInput, INPUT]) -> SignPayload | None:
        """POST /v1/signs/{key}:publish"""
        at = f"{path_of('signs', given.key)}:publish"
        row = await change(
            info,
            "POST",
            at,
            body_of(given, "key"),
            signs.SignRow,
            version=given.expected_version,
            idempotency_key=given.idempotency_key,
        )
        return SignPayload(sign=sign_of(row, info.context.loaders.renewed()))

    @fields.mutation(
        description="Take a sign out of use: it expires in everybody who shows it. Refused while others refer to it. "
        "Needs profile:write."
    )
    async def archive_sign(self, info: ContextInfo, given: Annotated[SignKeyInput, INPUT]) -> SignPayload | None:
        """POST /v1/signs/{key}:archive"""
        return await _act_on_sign(info, given, "archive")

    @fields.mutation(description="Take an archived sign into use again. Needs profile:write.")
    async def unarchive_sign(self, info: ContextInfo, given: Annotated[SignKeyInput, INPUT]) -> SignPayload | None:
        """POST /v1/signs/{key}:unarchive"""
        return await _act_on_sign(info, given, "unarchive")

    @fields.mutation(description="Say by which words a topic is known in remarks. Needs profile:write.")
    async def put_remark_topic(
        self, info: ContextInfo, given: Annotated[PutRemarkTopicInput, INPUT]
    ) -> RemarkTopicPayload | None:
        """PUT /v1/remark-topics/{key}"""
        at = path_of("remark-topics", given.key)
        row = await put(info, given, at, body_of(given, "key"), remarks.RemarkTopicRow)
        return RemarkTopicPayload(topic=row)

    @fields.mutation(description="Remove a topic of remarks. Needs profile:write.")
    async def delete_remark_topic(
        self, info: ContextInfo, given: Annotated[DeleteRemarkTopicInput, INPUT]
    ) -> DeleteRemarkTopicPayload | None:
        """DELETE /v1/remark-topics/{key}"""
        await delete(
            info,
            path_of("remark-topics", given.key),
            version=given.expected_version,
            idempotency_key=given.idempotency_key,
        )
        return DeleteRemarkTopicPayload(key=given.key)

    @fields.mutation(description="Say by which words an opinion is known in remarks. Needs profile:write.")
    async def put_opinion_words(
        self, info: ContextInfo, given: Annotated[PutOpinionWordsInput, INPUT]
    ) -> OpinionWordsPayload | None:
        """PUT /v1/remark-opinions/{opinion}"""
        at = path_of("remark-opinions", given.opinion, field="opinion")
        row = await put(info, given, at, body_of(given, "opinion"), remarks.OpinionWordsRow)
        return OpinionWordsPayload(opinion_words=row)


async def _act_on_sign(info: ContextInfo, given: SignKeyInput, verb: str) -> SignPayload:
    at = f"{path_of('signs', given.key)}:{verb}"
    row = await change(info, "POST", at, {}, signs.SignRow, idempotency_key=given.idempotency_key)
    return SignPayload(sign=sign_of(row, info.context.loaders.renewed()))
