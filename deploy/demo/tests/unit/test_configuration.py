"""The configuration files say what the story and the simulation rely on."""

from pydantic import TypeAdapter

from contracts.conditions import Condition
from kizuna_demo.configuration import documents
from kizuna_demo.figures import BRAND
from kizuna_demo.journey import CAMPAIGN, QUESTIONNAIRE, SEGMENT
from kizuna_demo.permissions import TOPICS
from kizuna_demo.simulation import COUPON_SENDER, INVITATION_SENDER, offered_promises

CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


def keys(kind: str) -> list[str]:
    return [document.key for document in documents(kind)]


def test_everything_the_story_names_is_there() -> None:
    assert set(keys("Source")) == {"shop", "crm", "web", "partner-dmp", "kizuna-appliances", "kizuna-dealers"}
    assert SEGMENT in keys("Segment")
    assert keys("Campaign") == [CAMPAIGN]
    assert keys("Questionnaire") == [QUESTIONNAIRE]
    assert set(keys("Topic")) == set(TOPICS)
    assert len(offered_promises()) == 3


def test_the_shop_is_one_brand() -> None:
    brands = {document.key: document.spec["brand"] for document in documents("Source")}
    assert {key for key, brand in brands.items() if brand == BRAND} == {"shop", "crm", "web", "partner-dmp"}


def test_an_agreement_binds_the_group_both_ways() -> None:
    entities = {document.spec["legal_entity"] for document in documents("Source")}
    pairs = {(document.spec["from_entity"], document.spec["to_entity"]) for document in documents("Agreement")}
    assert pairs == {(other, one) for one, other in pairs}
    assert {entity for pair in pairs for entity in pair} < entities


def test_ids_of_other_systems_are_outside() -> None:
    outside = {document.key for document in documents("Namespace") if document.spec.get("outside")}
    assert outside == {"partner_dmp_id", "x", "line"}


def test_conditions_are_of_the_condition_language() -> None:
    segments = [document.spec["condition"] for document in documents("Segment")]
    ranks = [rank["condition"] for document in documents("Ranks") for rank in document.spec["ranks"]]
    assert len(segments) == 3
    assert len(ranks) == 4
    for condition in segments + ranks:
        CONDITION.validate_python(condition)


def test_the_simulation_knows_the_mails_by_their_senders() -> None:
    senders = {document.key: document.spec["sender_address"] for document in documents("Template")}
    assert senders == {"welcome-back": COUPON_SENDER, "bond-nps-invitation": INVITATION_SENDER}


def test_the_journey_names_what_exists() -> None:
    (journey,) = documents("Journey")
    assert journey.spec["campaign_key"] in keys("Campaign")
    assert journey.spec["trigger"]["segment_key"] in keys("Segment")
    for step in journey.spec["steps"]:
        assert step.get("template_key", "welcome-back") in keys("Template")
        assert step.get("topic", "offers") in keys("Topic")
        assert step.get("questionnaire_key", QUESTIONNAIRE) in keys("Questionnaire")
    assert journey.spec["steps"][0] == {"key": "hold_out", "kind": "holdout", "percent": 20, "next": "send_coupon"}
