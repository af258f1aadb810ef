"""Streams and their consumers, declared once; provisioning, NATS permissions and docs/events.md are derived from it."""

from typing import Literal

from contracts.fact import Data

_DAY = 24 * 60 * 60
_MEBIBYTE = 1024 * 1024

PARTITIONS = 16
"""Fixed for a stream's life."""

INGEST_SUBJECT = "ingest.requests.v1"
"""Requests accepted at identity's front door, one message each, before resolution."""

WRITE_KEYS_BUCKET = "write_keys"
"""Key-value mirror of the sources' write keys (keyed hash -> source), so that ingest needs NATS only."""


class StreamDeclaration(Data):
    """A JetStream stream: file storage, finite `max_age_seconds`, `discard` new (refuse) or old (drop the oldest)."""

    name: str
    owner: str
    subjects: list[str]
    max_age_seconds: int = 7 * _DAY
    max_bytes: int = 4096 * _MEBIBYTE
    discard: Literal["new", "old"] = "old"
    allow_atomic: bool = True
    duplicate_window_seconds: int = 120


class ConsumerDeclaration(Data):
    """A durable pull consumer, named after its service."""

    service: str
    stream: str
    filter_subjects: list[str]
    ack_wait_seconds: int = 15
    max_ack_pending: int = 4096


STREAMS: list[StreamDeclaration] = [
    StreamDeclaration(name="ingest", owner="identity", subjects=["ingest.>"], discard="new", allow_atomic=False),
    *(
        StreamDeclaration(name=service, owner=service, subjects=[f"{service}.>"])
        for service in ("identity", "profile", "campaign", "delivery", "survey")
    ),
]

CONSUMERS: list[ConsumerDeclaration] = [
    ConsumerDeclaration(service="identity", stream="ingest", filter_subjects=["ingest.>"]),
    *(
        ConsumerDeclaration(service="identity", stream=service, filter_subjects=[f"{service}.customer.erased.v1.*"])
        for service in ("profile", "campaign", "delivery", "survey")
    ),
    ConsumerDeclaration(
        service="profile",
        stream="identity",
        filter_subjects=[
            "identity.source.changed.v1.*",
            "identity.events.resolved.v1.*",
            "identity.identifiers.linked.v1.*",
            "identity.anchors.moved.v1.*",
            "identity.customer.erased.v1.*",
        ],
    ),
    ConsumerDeclaration(service="profile", stream="campaign", filter_subjects=["campaign.run.ended.v1.*"]),
    ConsumerDeclaration(
        service="profile",
        stream="delivery",
        filter_subjects=["delivery.message.*.v1.*", "delivery.permission.changed.v1.*"],
    ),
    ConsumerDeclaration(service="profile", stream="survey", filter_subjects=["survey.>"]),
    ConsumerDeclaration(
        service="campaign",
        stream="identity",
        filter_subjects=[
            "identity.events.resolved.v1.*",
            "identity.anchors.moved.v1.*",
            "identity.customer.erased.v1.*",
        ],
    ),
    ConsumerDeclaration(service="campaign", stream="profile", filter_subjects=["profile.>"]),
    ConsumerDeclaration(service="campaign", stream="delivery", filter_subjects=["delivery.message.*.v1.*"]),
    ConsumerDeclaration(
        service="campaign",
        stream="survey",
        filter_subjects=["survey.response.received.v1.*", "survey.commitment.*.v1.*"],
    ),
    ConsumerDeclaration(
        service="delivery",
        stream="identity",
        filter_subjects=[
            "identity.identifiers.linked.v1.*",
            "identity.identifiers.sourced.v1.*",
            "identity.agreement.changed.v1.*",
            "identity.anchors.moved.v1.*",
            "identity.customer.erased.v1.*",
        ],
    ),
    ConsumerDeclaration(service="delivery", stream="campaign", filter_subjects=["campaign.message.requested.v1.*"]),
    ConsumerDeclaration(service="delivery", stream="survey", filter_subjects=["survey.invitation.issued.v1.*"]),
    ConsumerDeclaration(
        service="survey",
        stream="identity",
        filter_subjects=["identity.anchors.moved.v1.*", "identity.customer.erased.v1.*"],
    ),
    ConsumerDeclaration(service="survey", stream="campaign", filter_subjects=["campaign.answer.requested.v1.*"]),
]
