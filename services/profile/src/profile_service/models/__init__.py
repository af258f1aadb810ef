"""Profile's tables. Each with a customer_id says how its rows follow a move: facts move, conclusions are recomputed."""

from profile_service.models.base import Base
from profile_service.models.customers import Customer, Trait
from profile_service.models.identifiers import CustomerIdentifier
from profile_service.models.insights import (
    AnonymisedCell,
    AnonymisedExport,
    AuditedRead,
    ExportReading,
    InsightCell,
    InsightDataset,
)
from profile_service.models.policy import Given, GivenChange, GivenName, PolicyVersion, SegmentPublisher, Used
from profile_service.models.ranks import CustomerRank, Rank, RankTable
from profile_service.models.relations import Relation, RelationStatement
from profile_service.models.remarks import RemarkOpinion, RemarkReading, RemarkTopic
from profile_service.models.segments import Backfill, Segment, SegmentMembership
from profile_service.models.signs import CustomerSign, Sign, SignDetection, SignVersion
from profile_service.models.sources import Source
from profile_service.models.timeline import Event, TraitObservation
from profile_service.models.traits import RetractedAnchor, TraitDefinition, TraitRefold, TraitRetraction
from profile_service.models.values import (
    CategoryLift,
    ComputedTrait,
    CustomerLifecycle,
    CutPoint,
    Schedule,
    ValueSettings,
)

__all__ = [
    "AnonymisedCell",
    "AnonymisedExport",
    "AuditedRead",
    "Backfill",
    "Base",
    "CategoryLift",
    "ComputedTrait",
    "Customer",
    "CustomerIdentifier",
    "CustomerLifecycle",
    "CustomerRank",
    "CustomerSign",
    "CutPoint",
    "Event",
    "ExportReading",
    "Given",
    "GivenChange",
    "GivenName",
    "InsightCell",
    "InsightDataset",
    "PolicyVersion",
    "Rank",
    "RankTable",
    "Relation",
    "RelationStatement",
    "RemarkOpinion",
    "RemarkReading",
    "RemarkTopic",
    "RetractedAnchor",
    "Schedule",
    "Segment",
    "SegmentMembership",
    "SegmentPublisher",
    "Sign",
    "SignDetection",
    "SignVersion",
    "Source",
    "Trait",
    "TraitDefinition",
    "TraitObservation",
    "TraitRefold",
    "TraitRetraction",
    "Used",
    "ValueSettings",
]
