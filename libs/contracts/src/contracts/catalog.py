"""Every fact, by type: the source of docs/events.md, of the schema snapshots and of the compatibility test."""

from contracts import campaign, delivery, identity, profile, survey
from contracts.fact import Fact

FACTS: list[type[Fact]] = [
    identity.ResolvedEvent,
    identity.IdentifierLinked,
    identity.AnchorMoved,
    profile.SegmentEntered,
    profile.SegmentExited,
    profile.RankChanged,
    profile.CustomersChanged,
    campaign.MessageRequested,
    campaign.AnswerRequested,
    campaign.RunEnded,
    delivery.MessageSent,
    delivery.MessageDelivered,
    delivery.MessageOpened,
    delivery.MessageClicked,
    delivery.MessageBounced,
    delivery.MessageFailed,
    delivery.PermissionChanged,
    survey.InvitationIssued,
    survey.ResponseReceived,
    survey.CommitmentMade,
    survey.CommitmentChanged,
]
