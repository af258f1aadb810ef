"""What RFM measures, and what is taken by schedule: cut points and lifts of categories."""

from typing import Annotated

import strawberry
from msgspec import structs

from gateway.answers import schedules
from gateway.clients import path_segment
from gateway.loaders import Loaders
from gateway.types import arguments, fields, paging
from gateway.types.identity_inputs import ONCE, VERSION
from gateway.types.paging import DEFAULT_PAGE, Connection
from gateway.types.profile_calls import ContextInfo, change, delete, find, get, path_of, put
from gateway.types.profile_inputs import body_of
from gateway.types.profile_mutations import DeletedPayload
from gateway.types.scalars import DateTime, Json
from gateway.types.schedule_records import CategoryLift, CutPoints, NextCategorySettings, RfmDefinition

INPUT = strawberry.argument(name="input")
SUBJECT = "recency, frequency, monetary, or computed:KEY."
EVERY = "day, week or month; null: week."
DAY = "Of the week (1 Monday to 7) or of the month (1 to 28)."
AT = "HH:MM in the customers' time zone; null: 03:00."
DEFAULT_LIFTS = 20


@strawberry.type(
    description="When cut points of a subject are taken; recency, frequency and monetary are scored by them."
)
class CutPointSchedule:
    """A schedule and the loaders what was taken is read through."""

    subject: str = strawberry.field(description=SUBJECT)
    every: str = strawberry.field(description="day, week or month.")
    day: int | None = strawberry.field(description=DAY)
    at: str
    next_at: DateTime
    taken_at: DateTime | None
    version: int = strawberry.field(description="Counts takings; 0 before the first.")
    revision: int = strawberry.field(description="Counts edits; pass it as expectedVersion.")
    loaders: strawberry.Private[Loaders]

    @fields.field(graphql_type=Connection[CutPoints] | None, description="As they were taken, the newest first.")
    async def versions(self, first: int = DEFAULT_PAGE, after: str | None = None) -> Connection[CutPoints]:
        """From profile."""
        return await paging.list_page(
            self.loaders.services.profile,
            f"/v1/cut-points/{path_segment(self.subject)}/versions",
            schedules.CutPointsPageAnswer,
            loaders=self.loaders,
            first=first,
            after=after,
        )


def schedule_of(row: schedules.CutPointScheduleRow, loaders: Loaders) -> CutPointSchedule:
    """The schedule that profile answered."""
    return CutPointSchedule(**structs.asdict(row), loaders=loaders)


@strawberry.type
class ScheduleQuery:
    """The graph's entrances to what is taken by schedule: with profile:read."""

    @fields.field(
        graphql_type=RfmDefinition | None, description="What recency, frequency and monetary are measured by."
    )
    async def rfm_definition(self, info: ContextInfo) -> schedules.RfmDefinitionAnswer:
        """From profile."""
        return await get(info, "/v1/rfm", schedules.RfmDefinitionAnswer)

    @fields.field(description="Of what cut points are taken, and when; by subject.")
    async def cut_point_schedules(self, info: ContextInfo) -> list[CutPointSchedule] | None:
        """From profile."""
        found = await get(info, "/v1/cut-points", schedules.CutPointScheduleListAnswer)
        return [schedule_of(row, info.context.loaders) for row in found.items]

    @fields.field(description="When cut points of a subject are taken.")
    async def cut_point_schedule(self, info: ContextInfo, subject: str) -> CutPointSchedule | None:
        """From profile; null when none are."""
        row = await find(info, "cut-points", subject, schedules.CutPointScheduleRow, field="subject")
        return None if row is None else schedule_of(row, info.context.loaders)

    @fields.field(graphql_type=NextCategorySettings | None, description="How next categories are found.")
    async def next_category_settings(self, info: ContextInfo) -> schedules.NextCategorySettingsRow | None:
        """From profile; null when no lifts are taken."""
        loaders = info.context.loaders
        return await loaders.services.profile.get_if_any(
            "/v1/next-categories", schedules.NextCategorySettingsRow, headers=loaders.headers
        )

    @fields.field(
        graphql_type=list[CategoryLift] | None,
        description="What is bought together, the highest lift first; of one category if given. Null where no lifts "
        "are taken.",
    )
    async def category_lifts(
        self, info: ContextInfo, first: int = DEFAULT_LIFTS, from_category: str | None = None
    ) -> list[schedules.CategoryLiftRow] | None:
        """From profile."""
        loaders = info.context.loaders
        found = await loaders.services.profile.get_if_any(
            "/v1/next-categories/lifts",
            schedules.CategoryLiftListAnswer,
            headers=loaders.headers,
            query={"first": arguments.page_size(first), "from_category": from_category},
        )
        return None if found is None else found.items


@strawberry.input(description="What recency, frequency and monetary are measured by; what is left out is as shipped.")
class PutRfmInput:
    """As profile takes it."""

    event: str | None = strawberry.field(default=None, description="Which event is a purchase.")
    property: str | None = strawberry.field(default=None, description="Of that event: the amount.")
    where: Json | None = strawberry.field(default=None, description="Filters of the event's properties.")
    window: Json | None = None
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="When cut points of a subject are taken.")
class PutCutPointScheduleInput:
    """As profile takes it."""

    subject: str = strawberry.field(description=SUBJECT)
    every: str | None = strawberry.field(default=None, description=EVERY)
    day: int | None = strawberry.field(default=None, description=DAY)
    at: str | None = strawberry.field(default=None, description=AT)
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Of which subject cut points are taken now.")
class TakeCutPointsInput:
    """As profile takes it."""

    subject: str
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Of which subject no more cut points are taken; those taken are forgotten.")
class DeleteCutPointScheduleInput:
    """As profile takes it."""

    subject: str
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="From which purchases lifts are taken, and when; what is left out is as shipped.")
class PutNextCategorySettingsInput:
    """As profile takes it."""

    event: str | None = None
    property: str | None = strawberry.field(default=None, description="Of that event: the category.")
    days: int | None = None
    minimum_customers: int | None = None
    minimum_lift: float | None = None
    recent: int | None = None
    every: str | None = strawberry.field(default=None, description=EVERY)
    day: int | None = strawberry.field(default=None, description=DAY)
    at: str | None = strawberry.field(default=None, description=AT)
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.type(description="What RFM is measured by now.")
class RfmPayload:
    """What changing RFM answers."""

    rfm_definition: schedules.RfmDefinitionAnswer = strawberry.field(graphql_type=RfmDefinition)


@strawberry.type(description="The schedule as it now is; its `version` grows when cut points are taken.")
class CutPointSchedulePayload:
    """What changing a schedule answers."""

    schedule: CutPointSchedule


@strawberry.type(description="The settings as they now are; their `version` grows when lifts are taken.")
class NextCategorySettingsPayload:
    """What changing the settings answers."""

    settings: schedules.NextCategorySettingsRow = strawberry.field(graphql_type=NextCategorySettings)


@strawberry.type
class ScheduleMutation:
    """The graph's changes of what is taken by schedule, at profile."""

    @fields.mutation(
        description="Say what recency, frequency and monetary are measured by; their cut points are taken anew. Needs "
        "profile:write."
    )
    async def put_rfm(self, info: ContextInfo, given: Annotated[PutRfmInput, INPUT]) -> RfmPayload | None:
        """PUT /v1/rfm"""
        row = await put(info, given, "/v1/rfm", body_of(given), schedules.RfmDefinitionAnswer)
        return RfmPayload(rfm_definition=row)

    @fields.mutation(
        description="Take cut points of a subject by a schedule, the first time at once. Needs profile:write."
    )
    async def put_cut_point_schedule(
        self, info: ContextInfo, given: Annotated[PutCutPointScheduleInput, INPUT]
    ) -> CutPointSchedulePayload | None:
        """PUT /v1/cut-points/{subject}"""
        row = await put(info, given, _path_of(given.subject), body_of(given, "subject"), schedules.CutPointScheduleRow)
        return CutPointSchedulePayload(schedule=schedule_of(row, info.context.loaders.renewed()))

    @fields.mutation(description="Take cut points of a subject now. Needs profile:write.")
    async def take_cut_points(
        self, info: ContextInfo, given: Annotated[TakeCutPointsInput, INPUT]
    ) -> CutPointSchedulePayload | None:
        """POST /v1/cut-points/{subject}:cut"""
        at, key = f"{_path_of(given.subject)}:cut", given.idempotency_key
        row = await change(info, "POST", at, {}, schedules.CutPointScheduleRow, idempotency_key=key)
        return CutPointSchedulePayload(schedule=schedule_of(row, info.context.loaders.renewed()))

    @fields.mutation(description="Take no more cut points of a subject, and forget those taken. Needs profile:write.")
    async def delete_cut_point_schedule(
        self, info: ContextInfo, given: Annotated[DeleteCutPointScheduleInput, INPUT]
    ) -> DeletedPayload | None:
        """DELETE /v1/cut-points/{subject}"""
        await delete(
            info, _path_of(given.subject), version=given.expected_version, idempotency_key=given.idempotency_key
        )
        return DeletedPayload(key=given.subject)

    @fields.mutation(
        description="Take lifts of categories by these settings, at once and by their schedule. Needs profile:write."
    )
    async def put_next_category_settings(
        self, info: ContextInfo, given: Annotated[PutNextCategorySettingsInput, INPUT]
    ) -> NextCategorySettingsPayload | None:
        """PUT /v1/next-categories"""
        row = await put(info, given, "/v1/next-categories", body_of(given), schedules.NextCategorySettingsRow)
        return NextCategorySettingsPayload(settings=row)

    @fields.mutation(description="Take lifts of categories now. Needs profile:write.")
    async def take_category_lifts(
        self, info: ContextInfo, idempotency_key: str | None = None
    ) -> NextCategorySettingsPayload | None:
        """POST /v1/next-categories:take"""
        at = "/v1/next-categories:take"
        row = await change(info, "POST", at, {}, schedules.NextCategorySettingsRow, idempotency_key=idempotency_key)
        return NextCategorySettingsPayload(settings=row)

    @fields.mutation(description="Take no more lifts of categories, and forget those taken. Needs profile:write.")
    async def delete_next_category_settings(
        self, info: ContextInfo, expected_version: int | None = None, idempotency_key: str | None = None
    ) -> DeletedPayload | None:
        """DELETE /v1/next-categories"""
        await delete(info, "/v1/next-categories", version=expected_version, idempotency_key=idempotency_key)
        return DeletedPayload(key="next-categories")


def _path_of(subject: str) -> str:
    return path_of("cut-points", subject, field="subject")
