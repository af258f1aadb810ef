"""SQL of link candidates: the review queue, what becomes of the pairs a run has found, and what links rest on."""

from identity_service.repository.candidates.evidence import Evidence, find_held, find_limits, save_evidence
from identity_service.repository.candidates.found import (
    ExistingCandidate,
    ScoredCandidate,
    find_existing,
    release_candidates,
    save_candidates,
    settle_candidates,
)
from identity_service.repository.candidates.review import (
    Said,
    decide,
    find_candidate,
    find_values,
    list_candidates,
    list_decisions_on,
    lock_candidate,
)

__all__ = [
    "Evidence",
    "ExistingCandidate",
    "Said",
    "ScoredCandidate",
    "decide",
    "find_candidate",
    "find_existing",
    "find_held",
    "find_limits",
    "find_values",
    "list_candidates",
    "list_decisions_on",
    "lock_candidate",
    "release_candidates",
    "save_candidates",
    "save_evidence",
    "settle_candidates",
]
