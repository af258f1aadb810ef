"""Facts published by identity: who did what, which identifiers are linked, which anchors moved."""

from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.fact import Fact, Notice

OWN_SOURCES = frozenset(f"kizuna-{service}" for service in ("identity", "profile", "campaign", "delivery", "survey"))
"""The source_ids under which Kizuna's own services appear beside the departments' sources; no source may take one."""

EventKind = Literal["identify", "track", "page", "screen", "group", "alias"]


class ResolvedEvent(Fact):
    """A source's event whose customer is known. `event_id` is derived from (source_id, message_id)."""

    fact_type: ClassVar[str] = "identity.events.resolved.v1"

    source_id: str
    message_id: str
    kind: EventKind
    name: str
    """Track: the event's name. `Page Viewed`, `Screen Viewed`, `Identified`, `Grouped`, `Aliased` for others."""
    received_at: AwareDatetime
    properties: dict[str, Any] = Field(default_factory=dict)  # free JSON by the Segment specification
    traits: dict[str, Any] = Field(default_factory=dict)  # free JSON by the Segment specification


class IdentifierLinked(Fact):
    """An identifier was seen for the first time and belongs to `customer_id`. `anchor_id` is the identifier's own.

    After an upgrade identifiers may be told once more, with another `event_id`: `anchor_id` tells that they are known.
    """

    fact_type: ClassVar[str] = "identity.identifiers.linked.v1"

    namespace: str
    value: str
    source_id: str
    rule: str
    """Why it was linked: `first_seen`, `same_event`, ..."""
    legal_entity: str | None = None
    """Whose source brought it; None: of the time before this was said."""
    purposes: list[str] = Field(default_factory=list)
    """For what it may be used; empty: for every purpose of its legal entity."""


class IdentifierSourced(Fact):
    """A known identifier was brought for another legal entity, too, or for more purposes than before.

    Said once for each (`anchor_id`, `legal_entity`, `purposes`), beside `IdentifierLinked`, which says for whom it was
    brought first; of the two either may arrive first. Whatever any of them allows is allowed.
    """

    fact_type: ClassVar[str] = "identity.identifiers.sourced.v1"

    namespace: str
    source_id: str
    legal_entity: str
    purposes: list[str] = Field(default_factory=list)
    """For what it may be used; empty: for every purpose of its legal entity."""


class AnchorMoved(Fact):
    """The anchor now belongs to `customer_id`. The highest `version` per anchor wins."""

    fact_type: ClassVar[str] = "identity.anchors.moved.v1"

    former_customer_id: UUID
    version: int
    reason: Literal["merge", "split", "undo"]
    decision_id: UUID | None = None
    """Of the merge, split or undo that moved it; None: of the time before decisions had records."""


class CustomerErased(Fact):
    """Everything about this customer is to be erased; each service confirms it with its own `customer.erased` fact.

    `anchor_id` is one of the customer's identifiers. What occurred before `occurred_at` and arrives later is dropped.
    """

    fact_type: ClassVar[str] = "identity.customer.erased.v1"

    erasure_id: UUID
    former_customer_ids: list[UUID] = Field(default_factory=list)
    """Ids that resolved to this customer: facts under way may still carry them."""


class SourceChanged(Notice):
    """A source as it is from `occurred_at` on. The highest `version` per `source_id` is the present one.

    What a source says belongs to the department it had at that moment.
    """

    fact_type: ClassVar[str] = "identity.source.changed.v1"

    source_id: str
    version: int
    name: str
    department: str
    brand: str
    legal_entity: str
    purposes: list[str] = Field(default_factory=list)
    """For what its data may be used; empty: for every purpose of its legal entity."""


class AgreementChanged(Notice):
    """`to_entity` may use what the sources of `from_entity` linked. The highest `version` per `agreement_id` wins."""

    fact_type: ClassVar[str] = "identity.agreement.changed.v1"

    agreement_id: str
    version: int
    from_entity: str
    to_entity: str
    purposes: list[str] = Field(default_factory=list)
    """For what; empty: for every purpose."""
    valid_from: AwareDatetime
    valid_until: AwareDatetime | None = None
    """The first moment at which it no longer holds; None: until it is ended."""
    removed: bool = False
    """Made by mistake and taken back: as if it had never been."""
