"""Profile's tables. Each with a customer_id says how its rows follow a move: facts move, conclusions are recomputed."""

from profile_service.models.base import Base
from profile_service.models.customers import Customer, Trait
from profile_service.models.insights import AnonymisedCell, AnonymisedExport, AuditedRead, InsightCell, InsightDataset
from profile_service.models.ranks import CustomerRank, Rank, RankTable
from profile_service.models.relations import Relation, RelationStatement
from profile_service.models.segments import Backfill, Segment, SegmentMembership
from profile_service.models.timeline import Event, TraitObservation

__all__ = [
    "AnonymisedCell",
    "AnonymisedExport",
    "AuditedRead",
    "Backfill",
    "Base",
    "Customer",
    "CustomerRank",
    "Event",
    "InsightCell",
    "InsightDataset",
    "Rank",
    "RankTable",
    "Relation",
    "RelationStatement",
    "Segment",
    "SegmentMembership",
    "Trait",
    "TraitObservation",
]
