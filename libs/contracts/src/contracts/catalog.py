"""Every fact, by type: the source of docs/events.md, of the schema snapshots and of the compatibility test."""

from contracts import campaign, delivery, identity, profile, survey
from contracts.fact import Fact, Notice

FACTS: list[type[Fact] | type[Notice]] = [
    identity.ResolvedEvent,
    identity.IdentifierLinked,
    identity.IdentifierSourced,
    identity.AnchorMoved,
    identity.CustomerErased,
    identity.SourceChanged,
    identity.AgreementChanged,
    profile.SegmentEntered,
    profile.SegmentExited,
    profile.SignDetected,
    profile.SignExpired,
    profile.RankChanged,
    profile.LifecycleChanged,
    profile.CustomersChanged,
    profile.ProfileCustomerErased,
    campaign.MessageRequested,
    campaign.AnswerRequested,
    campaign.RunEnded,
    campaign.CampaignCustomerErased,
    delivery.MessageSent,
    delivery.MessageDelivered,
    delivery.MessageOpened,
    delivery.MessageClicked,
    delivery.MessageBounced,
    delivery.MessageFailed,
    delivery.PermissionChanged,
    delivery.DeliveryCustomerErased,
    survey.InvitationIssued,
    survey.ResponseReceived,
    survey.CommitmentMade,
    survey.CommitmentChanged,
    survey.SurveyCustomerErased,
]
