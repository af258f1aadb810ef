"""What is computed: ranks, the lifecycle, computed traits."""

from typing import Annotated

import strawberry

from gateway.answers import computed
from gateway.errors import bad_input
from gateway.types import fields
from gateway.types.identity_inputs import ONCE, VERSION
from gateway.types.profile_calls import ContextInfo, delete, find, get, path_of, put
from gateway.types.profile_inputs import body_of
from gateway.types.record import record
from gateway.types.scalars import DateTime, Json, Money

INPUT = strawberry.argument(name="input")


@record(computed.RankDefinitionRow)
class RankDefinition:
    """A rank and what it takes: a condition, or the threshold that the table's measure reaches."""

    key: str
    name: str
    condition: Json | None
    threshold: Money | None
    size: int = strawberry.field(description="Customers who hold it.")


@record(computed.RanksAnswer)
class RankTable:
    """The ranks, lowest first."""

    ranks: list[RankDefinition]
    measure: Json | None = strawberry.field(description="The Value that thresholds are compared with.")
    version: int = strawberry.field(description="0: none yet; pass it as expectedVersion.")


@record(computed.LifecycleStateRow)
class LifecycleState:
    """A state of the lifecycle and the condition it is."""

    key: str
    condition: Json


@record(computed.LifecycleAnswer)
class LifecycleDefinition:
    """By which thresholds a customer is new, active, dormant and so on."""

    definition: Json
    states: list[LifecycleState]
    version: int = strawberry.field(description="Pass it as expectedVersion.")


@record(computed.ComputedTraitRow)
class ComputedTrait:
    """A trait that is computed: a Value of the condition language."""

    key: str
    name: str
    description: str | None
    unit: str | None
    value: Json
    points: Json | None = strawberry.field(description="The rules for points that made the value, if any did.")
    version: int = strawberry.field(description="Counts edits; pass it as expectedVersion.")
    updated_at: DateTime


@record(computed.ComputedTraitPresetRow)
class ComputedTraitPreset:
    """A computed trait that many want, ready for `putComputedTrait`."""

    key: str
    name: str
    description: str
    unit: str | None
    value: Json
    source: str = strawberry.field(description="Where the formula is from.")


@strawberry.type
class ComputedQuery:
    """The graph's entrances to what is computed: with profile:read."""

    @fields.field(graphql_type=RankTable | None, description="The ranks and what they take.")
    async def rank_table(self, info: ContextInfo) -> computed.RanksAnswer:
        """From profile."""
        return await get(info, "/v1/ranks/default", computed.RanksAnswer)

    @fields.field(graphql_type=LifecycleDefinition | None, description="The lifecycle's states.")
    async def lifecycle_definition(self, info: ContextInfo) -> computed.LifecycleAnswer:
        """From profile."""
        return await get(info, "/v1/lifecycle", computed.LifecycleAnswer)

    @fields.field(graphql_type=ComputedTrait | None)
    async def computed_trait(self, info: ContextInfo, key: str) -> computed.ComputedTraitRow | None:
        """From profile; null when there is none of that key."""
        return await find(info, "computed-traits", key, computed.ComputedTraitRow)

    @fields.field(graphql_type=list[ComputedTrait] | None, description="Computed traits, by key.")
    async def computed_traits(self, info: ContextInfo) -> list[computed.ComputedTraitRow]:
        """From profile."""
        return (await info.context.loaders.computed_trait_list).items

    @fields.field(graphql_type=list[ComputedTraitPreset] | None, description="Computed traits that many want.")
    async def computed_trait_presets(self, info: ContextInfo) -> list[computed.ComputedTraitPresetRow]:
        """From profile."""
        return (await get(info, "/v1/computed-traits:presets", computed.ComputedTraitPresetListAnswer)).items


@strawberry.input(description="All ranks at once, lowest first.")
class PutRanksInput:
    """As profile takes it."""

    ranks: Json = strawberry.field(
        description='e.g. [{key: "gold", name: "Gold", condition: {...}}], or each with a `threshold` of the measure.'
    )
    measure: Json | None = strawberry.field(default=None, description="The Value that thresholds are compared with.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="A computed trait: a `value`, or rules for `points` that make one.")
class PutComputedTraitInput:
    """As profile takes it."""

    key: str
    name: str
    description: str | None = None
    unit: str | None = None
    value: Json | None = None
    points: Json | None = None
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which computed trait is removed.")
class DeleteComputedTraitInput:
    """As profile takes it."""

    key: str
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="The lifecycle's thresholds.")
class PutLifecycleInput:
    """As profile takes it."""

    definition: Json = strawberry.field(description="As `lifecycleDefinition` has it; what is left out is as shipped.")
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.type(description="The ranks as they now are.")
class RanksPayload:
    """What changing the ranks answers."""

    rank_table: computed.RanksAnswer = strawberry.field(graphql_type=RankTable)


@strawberry.type(description="The computed trait as it now is.")
class ComputedTraitPayload:
    """What changing a computed trait answers."""

    computed_trait: computed.ComputedTraitRow = strawberry.field(graphql_type=ComputedTrait)


@strawberry.type(description="The computed trait that was removed.")
class DeleteComputedTraitPayload:
    """What removing a computed trait answers."""

    key: str


@strawberry.type(description="The lifecycle as it now is.")
class LifecyclePayload:
    """What changing the lifecycle answers."""

    lifecycle: computed.LifecycleAnswer = strawberry.field(graphql_type=LifecycleDefinition)


@strawberry.type
class ComputedMutation:
    """The graph's changes of what is computed, at profile."""

    @fields.mutation(description="Say what ranks there are and what they take. Needs profile:write.")
    async def put_ranks(self, info: ContextInfo, given: Annotated[PutRanksInput, INPUT]) -> RanksPayload | None:
        """PUT /v1/ranks/default"""
        body = body_of(given)
        row = await put(info, given, "/v1/ranks/default", body, computed.RanksAnswer)
        return RanksPayload(rank_table=row)

    @fields.mutation(description="Define a computed trait. Needs profile:write. Repeating it changes nothing.")
    async def put_computed_trait(
        self, info: ContextInfo, given: Annotated[PutComputedTraitInput, INPUT]
    ) -> ComputedTraitPayload | None:
        """PUT /v1/computed-traits/{key}"""
        at = path_of("computed-traits", given.key)
        row = await put(info, given, at, body_of(given, "key"), computed.ComputedTraitRow)
        return ComputedTraitPayload(computed_trait=row)

    @fields.mutation(description="Remove a computed trait. Refused while others refer to it. Needs profile:write.")
    async def delete_computed_trait(
        self, info: ContextInfo, given: Annotated[DeleteComputedTraitInput, INPUT]
    ) -> DeleteComputedTraitPayload | None:
        """DELETE /v1/computed-traits/{key}"""
        await delete(
            info,
            path_of("computed-traits", given.key),
            version=given.expected_version,
            idempotency_key=given.idempotency_key,
        )
        return DeleteComputedTraitPayload(key=given.key)

    @fields.mutation(description="Change the lifecycle's thresholds: everybody is looked at anew. Needs profile:write.")
    async def put_lifecycle(
        self, info: ContextInfo, given: Annotated[PutLifecycleInput, INPUT]
    ) -> LifecyclePayload | None:
        """PUT /v1/lifecycle"""
        if not isinstance(given.definition, dict):
            raise bad_input("definition must be an object", field="definition")
        row = await put(info, given, "/v1/lifecycle", given.definition, computed.LifecycleAnswer)
        return LifecyclePayload(lifecycle=row)
