"""What changes at profile are given. Profile checks the values; its refusals name them."""

from dataclasses import fields, is_dataclass

import strawberry

from gateway.types.identity_inputs import ONCE, VERSION
from gateway.types.scalars import Date, DateTime, Json

CONDITION = 'The condition tree, e.g. {kind: "event_count", event: "Order Completed", ...}; see `conditionSchema`.'
WHY = "The reason; it is kept: no personal data belongs into it."
FORCE = "Publish it although it reads more than is allowed. Needs profile:scan, too."


def body_of(given: object, *without: str) -> dict[str, object]:
    """What the service is sent: all that was given but what stands in the path or a header."""
    assert is_dataclass(given)  # as all of Strawberry's inputs are
    left_out = {*without, "expected_version", "idempotency_key"}
    values = {field.name: getattr(given, field.name) for field in fields(given) if field.name not in left_out}
    return {name: value for name, value in values.items() if value is not None}


@strawberry.input(
    description="A segment as edited; memberships follow what is published. A static list counts at once."
)
class PutSegmentInput:
    """As profile takes it."""

    key: str
    kind: str = strawberry.field(default="dynamic", description="dynamic, or static: a list without a condition.")
    name: str
    description: str | None = None
    condition: Json | None = strawberry.field(default=None, description=CONDITION)
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(
    description="Which segment is published: with `name` and `condition` as they say, without both as it was put."
)
class PublishSegmentInput:
    """As profile takes it."""

    key: str
    name: str | None = None
    condition: Json | None = strawberry.field(default=None, description=CONDITION)
    description: str | None = None
    why: str | None = strawberry.field(default=None, description=WHY)
    force: bool = strawberry.field(default=False, description=FORCE)
    expected_version: int | None = strawberry.field(
        default=None, description="Refuse (CONFLICT) when somebody has changed the segment since this version."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which segment.")
class SegmentKeyInput:
    """As profile takes it."""

    key: str
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which version of a segment counts again.")
class RestoreSegmentInput:
    """As profile takes it."""

    key: str
    version: int
    why: str | None = strawberry.field(default=None, description=WHY)
    force: bool = strawberry.field(default=False, description=FORCE)
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Who is put on a static list, or taken off it.")
class SegmentMembersInput:
    """As profile takes it."""

    key: str
    customer_ids: list[strawberry.ID] = strawberry.field(description="At most 10,000.")
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="A source that is trusted, or a department: one of the two.")
class TrustedInput:
    """As profile takes it."""

    source: str | None = None
    department: str | None = None


@strawberry.input(description="What a trait is, and which of the sources' words on it wins.")
class PutTraitDefinitionInput:
    """As profile takes it."""

    name: str
    type: str | None = strawberry.field(default=None, description="Words of another type do not count.")
    policy: str = strawberry.field(default="latest", description="latest, most_trusted, max, min or union.")
    trusted: list[TrustedInput] = strawberry.field(
        default_factory=list, description="For most_trusted: whom first; those who are not named come last, all alike."
    )
    description: str | None = None
    is_sensitive: bool = False
    labels: list[str] = strawberry.field(default_factory=list)
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which definition of a trait ends: any value again, and the latest wins.")
class DeleteTraitDefinitionInput:
    """As profile takes it."""

    name: str
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="What a source takes back of a trait: of a customer, of one event, or of everybody.")
class RetractTraitInput:
    """As profile takes it."""

    name: str
    source_id: str
    customer_id: strawberry.ID | None = strawberry.field(default=None, description="Null: of everybody, by a job.")
    event_id: strawberry.ID | None = strawberry.field(default=None, description="Of this event of the customer only.")
    until: DateTime | None = strawberry.field(default=None, description="What it said up to then; null: up to now.")
    why: str = strawberry.field(description=WHY)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="A date of a related person that the customer gave for one purpose.")
class PutRelationInput:
    """As profile takes it."""

    customer_id: strawberry.ID
    relation_id: strawberry.ID = strawberry.field(description="A UUID of the caller's choice.")
    relation: str = strawberry.field(description="e.g. wife; no name, nothing to find the person by.")
    occasion: str = strawberry.field(description="e.g. birthday.")
    date: str = strawberry.field(description="`2019-03-14`, or `--03-14` where the year is unknown.")
    purpose: str = strawberry.field(description="The only use that may be made of it.")
    until: Date | None = strawberry.field(default=None, description="The last day of use.")


@strawberry.input(description="Which date the customer takes back.")
class WithdrawRelationInput:
    """As profile takes it."""

    customer_id: strawberry.ID
    relation_id: strawberry.ID


@strawberry.input(description="A number that was measured of each cell.")
class InsightMeasureInput:
    """As profile takes it."""

    name: str
    kind: str = strawberry.field(description="integer, number, or share (0 to 1).")
    unit: str


@strawberry.input(description="A dataset about segments as it was bought. Its content is sent over profile's REST API.")
class PutInsightDatasetInput:
    """As profile takes it."""

    key: str
    title: str
    supplier: str
    purpose: str
    hypothesis: str
    licence: str
    segment_keys: list[str]
    dimensions: list[str] = strawberry.field(
        default_factory=list, description="Columns that divide a segment into cells, such as prefecture and age_band."
    )
    measures: list[InsightMeasureInput]
    minimum_cell_size: int | None = strawberry.field(default=None, description="Smaller cells are refused.")
    expires_at: DateTime
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which dataset is deleted with its cells.")
class DeleteInsightDatasetInput:
    """As profile takes it."""

    key: str
    expected_version: int | None = strawberry.field(default=None, description=VERSION)
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="An anonymised export: of whom, what, for whom, why and by which way.")
class RequestAnonymisedExportInput:
    """As profile takes it."""

    columns: Json = strawberry.field(description="1 to 12 columns, as profile's README describes them.")
    purpose: str
    recipient: str
    provision: str = strawberry.field(description="How it is handed over; published beforehand.")
    segment: str | None = strawberry.field(default=None, description="Null: of everybody.")
    shape: str = strawberry.field(default="counts", description="counts: a line for each combination; rows.")
    k: int | None = strawberry.field(
        default=None, description="Fewer customers are never published as one line; never below the setting."
    )
    rounding: int = 5
    keep_days: int = strawberry.field(default=30, description="Then the content is deleted.")
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


@strawberry.input(description="Which export is not wanted any more.")
class CancelAnonymisedExportInput:
    """As profile takes it."""

    export_id: strawberry.ID
