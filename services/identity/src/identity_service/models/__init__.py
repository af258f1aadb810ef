"""Identity's tables. The link graph is the truth that other services' anchors follow: its own rows follow nobody."""

from identity_service.models.base import Base
from identity_service.models.configuration import Namespace, RulesVersion, Source
from identity_service.models.decisions import Decision, Move, Separation
from identity_service.models.graph import (
    Customer,
    FormerCustomer,
    Group,
    GroupMember,
    HeldApart,
    Identifier,
    IdentifierGrant,
    Link,
    PersonRecord,
    Retelling,
)
from identity_service.models.ingest import Duplicate, IngestTotals, MessageId, RecordId, Rejection
from identity_service.models.jobs import Job
from identity_service.models.linking import (
    CandidateDecision,
    LinkCandidate,
    LinkingResult,
    LinkingRun,
    LinkingSetting,
)
from identity_service.models.partners import (
    Agreement,
    CoverageDay,
    CoverageState,
    Import,
    ImportBatch,
    ImportChunk,
    ImportLine,
)
from identity_service.models.privacy import Disclosure, Erasure, ErasureReceipt, Tombstone

__all__ = [
    "Agreement",
    "Base",
    "CandidateDecision",
    "CoverageDay",
    "CoverageState",
    "Customer",
    "Decision",
    "Disclosure",
    "Duplicate",
    "Erasure",
    "ErasureReceipt",
    "FormerCustomer",
    "Group",
    "GroupMember",
    "HeldApart",
    "Identifier",
    "IdentifierGrant",
    "Import",
    "ImportBatch",
    "ImportChunk",
    "ImportLine",
    "IngestTotals",
    "Job",
    "Link",
    "LinkCandidate",
    "LinkingResult",
    "LinkingRun",
    "LinkingSetting",
    "MessageId",
    "Move",
    "Namespace",
    "PersonRecord",
    "RecordId",
    "Rejection",
    "Retelling",
    "RulesVersion",
    "Separation",
    "Source",
    "Tombstone",
]
