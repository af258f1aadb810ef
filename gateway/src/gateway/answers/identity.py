"""What identity answers on customers: who they are, what links their identifiers, how much of the base is linked."""

from __future__ import annotations

from msgspec import Raw, Struct, field


class IdentifierRow(Struct):
    """An identifier of the customer."""

    anchor_id: str
    namespace: str
    value: str
    linked_at: str
    source: str | None = field(name="source_id", default=None)


class IdentityOfCustomer(Struct):
    """Who this is now. `current_customer_id` is None when nobody is known under the requested id."""

    customer_id: str
    current_customer_id: str | None = None
    created_at: str | None = None
    identifiers: list[IdentifierRow] = []


class IdentityAnswer(Struct):
    """POST /v1/customers:batchGet"""

    customers: list[IdentityOfCustomer]


class LookedUpIdentifier(Struct):
    """Whose this identifier is, None when nobody's."""

    namespace: str
    value: str
    customer_id: str | None = None


class LookupAnswer(Struct):
    """POST /v1/identifiers:batchLookup"""

    identifiers: list[LookedUpIdentifier]


class ListedCustomer(Struct):
    """One row of a listing of customers."""

    customer_id: str


class CustomerListAnswer(Struct):
    """GET /v1/customers: everybody."""

    items: list[ListedCustomer]
    next: str | None = None
    total_count: int = 0


class NodeRow(Struct):
    """An identifier in a customer's graph, with what brought it."""

    anchor_id: str
    namespace: str
    value: str
    is_current: bool
    sources: list[str]
    source: str = field(name="source_id")
    event_id: str
    rule: str
    linked_at: str
    score: float | None = None
    decision_id: str | None = None
    legal_entity: str | None = None
    purposes: list[str] = []


class EdgeRow(Struct):
    """Evidence that two identifiers belong together."""

    anchor_id: str
    other_anchor_id: str
    rule: str
    source: str = field(name="source_id")
    event_id: str
    linked_at: str
    score: float | None = None
    legal_entity: str | None = None
    purposes: list[str] = []


class HeldApartRow(Struct):
    """An identifier that came with one of the customer's and was kept away."""

    anchor_id: str
    namespace: str
    value: str
    reason: str
    source: str = field(name="source_id")
    event_id: str
    held_at: str


class GroupRow(Struct):
    """A group the customer belongs to."""

    id: str = field(name="group_id")
    traits: Raw
    joined_at: str


class GraphOfCustomer(Struct):
    """What is linked to a customer; nobody's when `current_customer_id` is None."""

    customer_id: str
    current_customer_id: str | None = None
    former_ids: list[str] = field(name="former_customer_ids", default=[])
    nodes: list[NodeRow] = []
    edges: list[EdgeRow] = []
    held_apart: list[HeldApartRow] = []
    groups: list[GroupRow] = []
    nodes_total: int = 0


class GraphsAnswer(Struct):
    """POST /v1/customers:batchGraph"""

    customers: list[GraphOfCustomer]


class NamespaceCountRow(Struct):
    """How many identifiers a namespace has."""

    namespace: str
    identifiers: int


class LinkCoverageAnswer(Struct):
    """GET /v1/coverage of identity."""

    customers: int = 0
    known: int = 0
    linked: int = 0
    identifiers: int = 0
    accepted_events: int = 0
    rejected_events: int = 0
    duplicate_events: int = 0
    anonymous: int = 0
    linked_outside: int = 0
    linked_outside_share: float = 0.0
    by_namespace: dict[str, int] = {}
    computed_at: str | None = None

    @property
    def namespaces(self) -> list[NamespaceCountRow]:
        """The count of every namespace, the largest first."""
        counts = sorted(self.by_namespace.items(), key=lambda count: (-count[1], count[0]))
        return [NamespaceCountRow(namespace=namespace, identifiers=number) for namespace, number in counts]


class CoverageDayRow(Struct):
    """Coverage on one day."""

    day: str
    customers: int
    known: int
    anonymous: int
    linked_outside: int
    brand: str = ""
    source: str = field(name="source_id", default="")
    namespace: str = ""


class CoverageHistoryAnswer(Struct):
    """GET /v1/coverage/history"""

    items: list[CoverageDayRow]
    next: str | None = None
