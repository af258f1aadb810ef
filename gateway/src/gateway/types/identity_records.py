"""Everything in the graph on who is who that is read from identity's answer as it is."""

import strawberry

from gateway.answers import identity, jobs, linking, partners, privacy, rules
from gateway.types.record import record
from gateway.types.scalars import BigInt, Date, DateTime, Json


@record(identity.NodeRow)
class IdentityNode:
    """An identifier in a customer's graph, with what brought it."""

    anchor_id: strawberry.ID
    namespace: str
    value: str
    is_current: bool = strawberry.field(
        description="False: a shared device's identifier whose later events go to another customer."
    )
    sources: list[str] = strawberry.field(description="Every source that brought it.")
    source: str = strawberry.field(description="The source that brought it first.")
    event_id: strawberry.ID
    rule: str
    score: float | None = strawberry.field(
        description="Of the decision that brought it to this customer; null: certain."
    )
    decision_id: strawberry.ID | None = strawberry.field(
        description="The decision that brought it here; null: it has always been this customer's."
    )
    linked_at: DateTime
    legal_entity: str | None
    purposes: list[str] = strawberry.field(description="What the link may be used for; empty: everything.")


@record(identity.EdgeRow)
class IdentityEdge:
    """Evidence that two identifiers belong together: a source's first event that carried both, or a decision."""

    anchor_id: strawberry.ID
    other_anchor_id: strawberry.ID
    rule: str
    score: float | None
    source: str
    event_id: strawberry.ID
    linked_at: DateTime
    legal_entity: str | None
    purposes: list[str]


@record(identity.HeldApartRow)
class HeldApart:
    """An identifier that came with one of the customer's (`anchorId`) and that a rule kept away."""

    anchor_id: strawberry.ID
    namespace: str
    value: str
    reason: str = strawberry.field(description="limit, unique, shared, separated, unverified or not_permitted.")
    source: str
    event_id: strawberry.ID
    held_at: DateTime


@record(identity.GroupRow)
class Group:
    """A company account, household or club the customer belongs to."""

    id: strawberry.ID
    traits: Json
    joined_at: DateTime


@record(identity.GraphOfCustomer)
class IdentityGraph:
    """What is linked to a customer, and by what evidence."""

    nodes: list[IdentityNode] = strawberry.field(description="The first 1,000, the oldest first.")
    nodes_total: int
    edges: list[IdentityEdge]
    held_apart: list[HeldApart]
    groups: list[Group]
    former_ids: list[strawberry.ID]


@record(identity.CoverageDayRow)
class LinkCoverageOnDay:
    """Coverage as it was last counted on a day; an empty brand, source or namespace stands for all together."""

    day: Date
    brand: str
    source: str
    namespace: str
    customers: int
    known: int
    anonymous: int
    linked_outside: int


@record(linking.ComparedFieldRow)
class ComparedField:
    """A field of two customers side by side: as compared, and as it was written."""

    field: str
    value: str | None
    other_value: str | None
    written: str | None
    other_written: str | None
    agreement: str = strawberry.field(description="How well the values agree, in words.")
    weight: float = strawberry.field(
        description="Evidence in bits: how much likelier this is for one person than for two; negative speaks against."
    )


@record(linking.CandidateDecisionRow)
class CandidateDecision:
    """What was decided on a candidate, by whom and why."""

    action: str = strawberry.field(description="linked, accepted, rejected or undone.")
    decided_by: str
    why: str
    decided_at: DateTime
    decision_id: strawberry.ID | None


@record(linking.LinkingRunRow)
class LinkingRun:
    """A run of probabilistic linking: how it was set and what came of it. Figures are null until it is done."""

    id: strawberry.ID
    job_id: strawberry.ID
    kind: str
    state: str
    created_by: str
    created_at: DateTime
    started_at: DateTime | None
    finished_at: DateTime | None
    upper: float
    lower: float
    engine: str
    across_entities: bool
    records: BigInt | None
    customers: BigInt | None
    customers_scored: BigInt | None
    pairs_compared: BigInt | None
    linked: BigInt | None
    to_review: BigInt | None
    precision_estimate: float | None = strawberry.field(description="Of the linked pairs, the share that is right.")
    recall_estimate: float | None = strawberry.field(
        description="Of the pairs that are one person, the share that was linked."
    )
    estimated_by: str | None
    problem: str | None


@record(linking.LinkingSettingsRow)
class LinkingSettings:
    """How customers are linked by probability."""

    upper: float = strawberry.field(description="From this score on two customers are linked.")
    lower: float = strawberry.field(description="From this score on they are put to review.")
    engine: str = strawberry.field(description="duckdb, or spark for a base beyond one machine.")
    spark_master: str | None
    across_entities: bool
    version: int = strawberry.field(description="Pass it as expectedVersion.")
    changed_by: str | None = strawberry.field(description="Null: as shipped.")
    changed_at: DateTime | None


@record(rules.NamespaceRulesRow)
class NamespaceRules:
    """The rules of one kind of identifier."""

    name: str
    limit: int = strawberry.field(description="How many values one customer may have.")
    limit_window: str = strawberry.field(description="ever, yearly, monthly or weekly.")
    priority: int = strawberry.field(description="1 is the strongest.")
    unique: bool = strawberry.field(description="Two different values are two different customers.")
    blocked_values: list[str] = strawberry.field(description="Patterns of values that link nobody.")
    normaliser: str
    verified_only: bool = strawberry.field(description="Links only when it comes from a source that verifies it.")
    shared: bool = strawberry.field(description="A device several people use: it joins nobody.")
    outside: bool = strawberry.field(description="An id of somebody else's system.")
    restricted: bool = strawberry.field(
        description="Used only by the legal entity that brought it, unless an agreement says otherwise."
    )
    version: int


@record(rules.RulesRow)
class IdentityRules:
    """All rules as they were from a moment on, who set them and why."""

    version: int = strawberry.field(description="Pass it as expectedVersion.")
    changed_by: str
    why: str
    changed_at: DateTime
    namespaces: list[NamespaceRules]


@record(jobs.JobRow)
class Job:
    """Work that takes longer than a request; `done` of `total` (null: not known yet) is how far it is."""

    id: strawberry.ID
    kind: str
    state: str = strawberry.field(description="queued, running, done, failed or cancelled.")
    done: BigInt
    total: BigInt | None
    result: Json | None = strawberry.field(description="What came of it, of the kind; null until it is done.")
    problem: str | None
    created_by: str
    created_at: DateTime
    started_at: DateTime | None
    finished_at: DateTime | None


@record(partners.AgreementRow)
class Agreement:
    """`toEntity` may use the links that the sources of `fromEntity` made."""

    id: strawberry.ID
    from_entity: str
    to_entity: str
    purposes: list[str] = strawberry.field(description="None named: every purpose.")
    valid_from: DateTime
    valid_until: DateTime | None = strawberry.field(description="The first moment at which it no longer holds.")
    evidence: str = strawberry.field(description="Where the contract lies.")
    version: int = strawberry.field(description="Pass it as expectedVersion.")
    created_at: DateTime
    updated_at: DateTime


@record(partners.ImportRow)
class Import:
    """An import of a file: how it is read, how far it is, how many lines were taken."""

    id: strawberry.ID
    source: str
    kind: str = strawberry.field(description="customers, id_syncs or events.")
    format: str
    encoding: str
    mapping: Json = strawberry.field(description="Column -> what it is, or {to, type, separator, elements}.")
    constants: Json = strawberry.field(description="What is the same in every record.")
    time_zone: str = strawberry.field(description="Where times without an offset are meant.")
    as_of: DateTime
    purposes: list[str]
    dry_run: bool
    state: str = strawberry.field(description="uploading, queued, running, done, failed or cancelled.")
    job_id: strawberry.ID | None
    size: BigInt = strawberry.field(description="Bytes received.")
    bytes_read: BigInt
    lines_read: BigInt
    accepted: BigInt
    repeated: BigInt | None = strawberry.field(description="Of the accepted ones: taken before. Complete when done.")
    rejected: BigInt
    sample: Json = strawberry.field(description="Of a dry run: what the first records would become, without values.")
    problem: str | None
    created_by: str
    created_at: DateTime
    started_at: DateTime | None
    finished_at: DateTime | None


@record(partners.ImportLineRow)
class ImportLine:
    """What became of the record that begins at a line (the file's first line is 1)."""

    line: BigInt
    state: str = strawberry.field(description="rejected, accepted, or repeated: accepted, but taken before.")
    customer_id: strawberry.ID | None = strawberry.field(description="Of an accepted line, once it is resolved.")
    wrong_field: str | None
    detail: str | None = strawberry.field(description="Why it was rejected.")


@record(privacy.ReceiptRow)
class ErasureReceipt:
    """A service has erased the customer: when, and how many rows of which table."""

    service: str
    erased_at: DateTime
    rows: Json


@record(privacy.ErasureRow)
class Erasure:
    """An erasure: complete once there is a receipt of every service."""

    id: strawberry.ID
    customer_id: strawberry.ID
    state: str = strawberry.field(description="running or complete.")
    requested_by: str
    why: str
    requested_at: DateTime
    completed_at: DateTime | None
    streams_expire_at: DateTime = strawberry.field(
        description="From then on no event stream holds anything of the customer."
    )
    receipts: list[ErasureReceipt]
    awaiting: list[str] = strawberry.field(description="Services whose receipt is not there yet.")


@record(privacy.DisclosureRow)
class Disclosure:
    """Somebody asked for everything that is held on a customer."""

    id: strawberry.ID
    customer_id: strawberry.ID
    former_customer_ids: list[strawberry.ID]
    requested_by: str
    why: str
    requested_at: DateTime
    services: list[str] = strawberry.field(description="Services that gave what they hold.")
    missing: list[str] = strawberry.field(description="Services that did not answer.")
    completed_at: DateTime | None


@record(privacy.MissingServiceRow)
class MissingService:
    """A service that did not give what it holds, and why: ask again for what is missing."""

    service: str
    code: str
    message: str
