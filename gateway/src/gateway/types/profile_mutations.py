"""Changes of what profile knows by definition: segments, traits, relations, bought data, exports. Profile decides by
the caller's scopes who may."""

from typing import Annotated

import strawberry

from gateway.answers import insights, relations, segments, traits
from gateway.errors import GatewayError, bad_input
from gateway.types import arguments, fields
from gateway.types.customer import Customer, find_customer
from gateway.types.profile_calls import ContextInfo, change, delete, path_of, put
from gateway.types.profile_inputs import (
    CancelAnonymisedExportInput,
    DeleteInsightDatasetInput,
    DeleteTraitDefinitionInput,
    PublishSegmentInput,
    PutInsightDatasetInput,
    PutRelationInput,
    PutSegmentInput,
    PutTraitDefinitionInput,
    RequestAnonymisedExportInput,
    RestoreSegmentInput,
    RetractTraitInput,
    SegmentKeyInput,
    SegmentMembersInput,
    WithdrawRelationInput,
    body_of,
)
from gateway.types.profile_records import (
    AnonymisedExport,
    InsightDataset,
    ListOutcome,
    Relation,
    TraitDefinition,
    TraitRetraction,
)
from gateway.types.segment import Segment, segment_of

INPUT = strawberry.argument(name="input")


@strawberry.type(description="The segment as it now is.")
class SegmentPayload:
    """What changing a segment answers."""

    segment: Segment


@strawberry.type(description="The published segment.")
class PublishSegmentPayload:
    """What publishing answers."""

    segment: Segment


@strawberry.type(description="What became of each customer, in order.")
class SegmentMembersPayload:
    """What changing a static list answers."""

    outcomes: list[segments.ListOutcomeRow] = strawberry.field(graphql_type=list[ListOutcome])


@strawberry.type(description="The definition as it now is.")
class TraitDefinitionPayload:
    """What defining a trait answers."""

    definition: traits.TraitDefinitionRow = strawberry.field(graphql_type=TraitDefinition)


@strawberry.type(description="What was deleted.")
class DeletedPayload:
    """What deleting answers."""

    key: str


@strawberry.type(description="What was taken back; `traitRetraction(id:)` says how far it is.")
class RetractTraitPayload:
    """What retracting answers."""

    retraction: traits.RetractionRow = strawberry.field(graphql_type=TraitRetraction)


@strawberry.type(description="The date as it is kept.")
class RelationPayload:
    """What putting a relation answers."""

    relation: relations.RelationRow = strawberry.field(graphql_type=Relation)


@strawberry.type(description="The customer, read after the change.")
class WithdrawRelationPayload:
    """What withdrawing answers."""

    customer: Customer


@strawberry.type(description="The dataset as it now is.")
class InsightDatasetPayload:
    """What putting a dataset answers."""

    dataset: insights.InsightDatasetRow = strawberry.field(graphql_type=InsightDataset)


@strawberry.type(description="The export as it now is; `anonymisedExport(id:)` says when it is done.")
class AnonymisedExportPayload:
    """What asking for an export answers."""

    export: insights.AnonymisedExportRow = strawberry.field(graphql_type=AnonymisedExport)


@strawberry.type
class ProfileMutation:
    """The graph's changes at profile."""

    @fields.mutation(
        description="Create or edit a segment; it counts once it is published, a static list at once. Needs "
        "profile:write. Repeating it changes nothing."
    )
    async def put_segment(self, info: ContextInfo, given: Annotated[PutSegmentInput, INPUT]) -> SegmentPayload | None:
        """PUT /v1/segments/{key}"""
        path = path_of("segments", given.key)
        row = await put(info, given, path, body_of(given, "key"), segments.SegmentRow)
        return SegmentPayload(segment=segment_of(row, info.context.loaders.renewed()))

    @fields.mutation(
        description="Put a segment to work: for new events at once, for everybody by a backfill. With `name` and "
        "`condition` it is defined first; somebody else's edit in between is refused (CONFLICT), not published. Needs "
        "profile:write. Repeating it changes nothing."
    )
    async def publish_segment(
        self, info: ContextInfo, given: Annotated[PublishSegmentInput, INPUT]
    ) -> PublishSegmentPayload | None:
        """PUT, if there is something to put, and publish that very revision."""
        path = path_of("segments", given.key)
        edited = body_of(given, "key", "why", "force")
        revision, key = given.expected_version, given.idempotency_key
        if edited:
            for needed in ("name", "condition"):
                if needed not in edited:
                    raise bad_input("name and condition go together", field=needed)
            row = await change(info, "PUT", path, edited, segments.SegmentRow, version=revision, idempotency_key=key)
            revision, key = row.revision, arguments.following_key(key, "publish")
        body = {"why": given.why, "force": given.force}
        at = f"{path}:publish"
        row = await change(info, "POST", at, body, segments.SegmentRow, version=revision, idempotency_key=key)
        return PublishSegmentPayload(segment=segment_of(row, info.context.loaders.renewed()))

    @fields.mutation(
        description="Take a segment out of use: its members exit. Refused while others refer to it. Needs "
        "profile:write."
    )
    async def archive_segment(
        self, info: ContextInfo, given: Annotated[SegmentKeyInput, INPUT]
    ) -> SegmentPayload | None:
        """POST /v1/segments/{key}:archive"""
        return await _act_on_segment(info, given, "archive", {})

    @fields.mutation(description="Take an archived segment into use again. Needs profile:write.")
    async def unarchive_segment(
        self, info: ContextInfo, given: Annotated[SegmentKeyInput, INPUT]
    ) -> SegmentPayload | None:
        """POST /v1/segments/{key}:unarchive"""
        return await _act_on_segment(info, given, "unarchive", {})

    @fields.mutation(description="Publish an earlier version's condition as a new version. Needs profile:write.")
    async def restore_segment(
        self, info: ContextInfo, given: Annotated[RestoreSegmentInput, INPUT]
    ) -> SegmentPayload | None:
        """POST /v1/segments/{key}:restore"""
        body = body_of(given, "key", "force") | ({"force": True} if given.force else {})
        return await _act_on_segment(info, given, "restore", body, version=given.expected_version)

    @fields.mutation(
        description="Put customers on a static list. Needs profile:write. Repeating it changes nothing. Files are sent "
        "over profile's REST API."
    )
    async def add_segment_members(
        self, info: ContextInfo, given: Annotated[SegmentMembersInput, INPUT]
    ) -> SegmentMembersPayload | None:
        """POST /v1/segments/{key}:addMembers"""
        return await _change_members(info, given, "addMembers")

    @fields.mutation(description="Take customers off a static list. Needs profile:write. Repeating it changes nothing.")
    async def remove_segment_members(
        self, info: ContextInfo, given: Annotated[SegmentMembersInput, INPUT]
    ) -> SegmentMembersPayload | None:
        """POST /v1/segments/{key}:removeMembers"""
        return await _change_members(info, given, "removeMembers")

    @fields.mutation(
        description="Define a trait. When another word wins by it, everybody is folded anew and segments follow. Needs "
        "profile:write. Repeating it changes nothing."
    )
    async def put_trait_definition(
        self, info: ContextInfo, given: Annotated[PutTraitDefinitionInput, INPUT]
    ) -> TraitDefinitionPayload | None:
        """PUT /v1/traits/{name}"""
        body = body_of(given, "name") | {"trusted": [body_of(each) for each in given.trusted]}
        path = path_of("traits", given.name, field="name")
        row = await put(info, given, path, body, traits.TraitDefinitionRow)
        return TraitDefinitionPayload(definition=row)

    @fields.mutation(description="Remove a trait's definition. Needs profile:write.")
    async def delete_trait_definition(
        self, info: ContextInfo, given: Annotated[DeleteTraitDefinitionInput, INPUT]
    ) -> DeletedPayload | None:
        """DELETE /v1/traits/{name}"""
        await delete(
            info,
            path_of("traits", given.name, field="name"),
            version=given.expected_version,
            idempotency_key=given.idempotency_key,
        )
        return DeletedPayload(key=given.name)

    @fields.mutation(
        description="Take back what a source said of a trait; the observations are kept, and count no more. Needs "
        "profile:write."
    )
    async def retract_trait(
        self, info: ContextInfo, given: Annotated[RetractTraitInput, INPUT]
    ) -> RetractTraitPayload | None:
        """POST /v1/traits/{name}:retract"""
        body = body_of(given, "name")
        if given.customer_id is not None:
            body["customer_id"] = arguments.customer_id(given.customer_id, field="customerId")
        if given.event_id is not None:
            body["event_id"] = arguments.uuid(given.event_id, field="eventId", kind="an event's id")
        path = f"{path_of('traits', given.name, field='name')}:retract"
        row = await change(info, "POST", path, body, traits.RetractionRow, idempotency_key=given.idempotency_key)
        return RetractTraitPayload(retraction=row)

    @fields.mutation(
        description="Keep a date of a related person for the purpose the customer gave it for. Needs profile:write. "
        "Repeating it changes nothing."
    )
    async def put_relation(
        self, info: ContextInfo, given: Annotated[PutRelationInput, INPUT]
    ) -> RelationPayload | None:
        """PUT /v1/customers/{customer_id}/relations/{relation_id}"""
        path, _ = await _relation(info, given)
        body = body_of(given, "customer_id", "relation_id")
        return RelationPayload(relation=await change(info, "PUT", path, body, relations.RelationRow))

    @fields.mutation(
        description="The customer takes the date back: it is deleted, and nobody reads it any more. Needs "
        "profile:write. Repeating it changes nothing."
    )
    async def withdraw_relation(
        self, info: ContextInfo, given: Annotated[WithdrawRelationInput, INPUT]
    ) -> WithdrawRelationPayload | None:
        """DELETE /v1/customers/{customer_id}/relations/{relation_id}"""
        path, customer = await _relation(info, given)
        await delete(info, path, version=None)
        return WithdrawRelationPayload(customer=Customer(id=customer.id, loaders=info.context.loaders.renewed()))

    @fields.mutation(
        description="Say what a bought dataset about segments is. Needs insights:write. Its content is sent over "
        "profile's REST API (`POST /v1/insights/{key}:import`)."
    )
    async def put_insight_dataset(
        self, info: ContextInfo, given: Annotated[PutInsightDatasetInput, INPUT]
    ) -> InsightDatasetPayload | None:
        """PUT /v1/insights/{key}"""
        body = body_of(given, "key") | {"measures": [body_of(each) for each in given.measures]}
        path = path_of("insights", given.key)
        row = await put(info, given, path, body, insights.InsightDatasetRow)
        return InsightDatasetPayload(dataset=row)

    @fields.mutation(description="Delete a bought dataset and its cells. Needs insights:write.")
    async def delete_insight_dataset(
        self, info: ContextInfo, given: Annotated[DeleteInsightDatasetInput, INPUT]
    ) -> DeletedPayload | None:
        """DELETE /v1/insights/{key}"""
        await delete(
            info, path_of("insights", given.key), version=given.expected_version, idempotency_key=given.idempotency_key
        )
        return DeletedPayload(key=given.key)

    @fields.mutation(
        description="Have customers' data made anonymous for somebody else; it is kept on record. Needs exports:write. "
        "What comes of it is read over profile's REST API."
    )
    async def request_anonymised_export(
        self, info: ContextInfo, given: Annotated[RequestAnonymisedExportInput, INPUT]
    ) -> AnonymisedExportPayload | None:
        """POST /v1/anonymised-exports"""
        row = await change(
            info,
            "POST",
            "/v1/anonymised-exports",
            body_of(given),
            insights.AnonymisedExportRow,
            idempotency_key=given.idempotency_key,
        )
        return AnonymisedExportPayload(export=row)

    @fields.mutation(description="Stop an anonymised export, or delete its content. Needs exports:write.")
    async def cancel_anonymised_export(
        self, info: ContextInfo, given: Annotated[CancelAnonymisedExportInput, INPUT]
    ) -> AnonymisedExportPayload | None:
        """POST /v1/anonymised-exports/{export_id}:cancel"""
        path = f"/v1/anonymised-exports/{arguments.uuid(given.export_id, field='exportId')}:cancel"
        return AnonymisedExportPayload(export=await change(info, "POST", path, {}, insights.AnonymisedExportRow))


async def _act_on_segment(
    info: ContextInfo,
    given: SegmentKeyInput | RestoreSegmentInput,
    verb: str,
    body: dict[str, object],
    *,
    version: int | None = None,
) -> SegmentPayload:
    at, key = f"{path_of('segments', given.key)}:{verb}", given.idempotency_key
    row = await change(info, "POST", at, body, segments.SegmentRow, version=version, idempotency_key=key)
    return SegmentPayload(segment=segment_of(row, info.context.loaders.renewed()))


async def _change_members(info: ContextInfo, given: SegmentMembersInput, verb: str) -> SegmentMembersPayload:
    ids = arguments.uuids(given.customer_ids, field="customerIds", kind="a customer id")
    path = f"{path_of('segments', given.key)}:{verb}"
    body = {"customer_ids": ids}
    found = await change(info, "POST", path, body, segments.ListMembersAnswer, idempotency_key=given.idempotency_key)
    return SegmentMembersPayload(outcomes=found.results)


async def _relation(info: ContextInfo, given: PutRelationInput | WithdrawRelationInput) -> tuple[str, Customer]:
    """The relation's path under the customer's present id, and the customer."""
    relation_id = arguments.uuid(given.relation_id, field="relationId")
    requested = arguments.customer_id(given.customer_id, field="customerId")
    customer = await find_customer(info.context.loaders, requested)
    if customer is None:
        raise GatewayError("There is no customer of this id", code="NOT_FOUND", field="customerId")
    return f"/v1/customers/{customer.id}/relations/{relation_id}", customer
