"""The configuration files say what the story and the simulation rely on."""

import csv
from io import StringIO

from pydantic import TypeAdapter

from contracts.conditions import Condition, Value
from kizuna_demo import relatives
from kizuna_demo.configuration import WHAT_WE_KNOW, documents
from kizuna_demo.figures import BRAND
from kizuna_demo.finer_segments import TOP_TENTH
from kizuna_demo.journey import CAMPAIGN, QUESTIONNAIRE, SEGMENT
from kizuna_demo.outside_data import AS_AGREED, NOT_AS_AGREED
from kizuna_demo.permissions import TOPICS
from kizuna_demo.signs import COMPETITOR, MARRIAGE
from kizuna_demo.simulation import COUPON_SENDER, INVITATION_SENDER, offered_promises

CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
VALUE: TypeAdapter[Value] = TypeAdapter(Value)


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
    ranks = [rank["condition"] for document in documents("Ranks") for rank in document.spec["ranks"][:1]]
    finer = [document.spec["condition"] for document in documents("Segment", "Sign", chapter=WHAT_WE_KNOW)]
    assert (len(segments), len(ranks), len(finer)) == (3, 1, 10)
    for condition in segments + ranks + finer:
        CONDITION.validate_python(condition)


def test_ranks_rise_with_points() -> None:
    (ranks,) = documents("Ranks")
    thresholds = [rank["threshold"] for rank in ranks.spec["ranks"][1:]]
    assert thresholds == sorted(thresholds)
    assert ranks.spec["measure"] == {"kind": "computed", "key": "points"}
    assert keys("ComputedTrait") == ["points"]


def test_what_the_chapter_names_is_there() -> None:
    def keys_of(kind: str) -> set[str]:
        return {document.key for document in documents(kind, chapter=WHAT_WE_KNOW)}

    assert {TOP_TENTH, relatives.SEGMENT, "nearly-gold"} <= keys_of("Segment")
    assert keys_of("Sign") == {COMPETITOR, MARRIAGE, "replacement-due", "churn-risk"}
    (bought,) = documents("Insight", chapter=WHAT_WE_KNOW)
    segments = keys_of("Segment") | set(keys("Segment"))
    assert TOP_TENTH in bought.spec["segment_keys"]
    assert set(bought.spec["segment_keys"]) <= segments
    (policy,) = documents("Policy", chapter=WHAT_WE_KNOW)
    allowed = {
        name for rule in policy.spec["rules"] for name in rule["what"].get("names", []) if rule["effect"] == "allow"
    }
    assert TOP_TENTH in allowed <= segments


def test_bought_data_is_as_agreed_but_for_one_cell() -> None:
    (bought,) = documents("Insight", chapter=WHAT_WE_KNOW)
    columns = ["segment", "cell_size", *bought.spec["dimensions"], *(one["name"] for one in bought.spec["measures"])]
    good, bad = (list(csv.DictReader(StringIO(text))) for text in (AS_AGREED, NOT_AS_AGREED))
    assert list(good[0]) == columns
    assert {line["segment"] for line in good} == set(bought.spec["segment_keys"])
    assert bad[:-1] == good
    assert [int(line["cell_size"]) < 10 for line in bad] == [False] * len(good) + [True]


def test_each_value_of_the_condition_language_is_one() -> None:
    (genre,) = documents("ComputedTrait", chapter=WHAT_WE_KNOW)
    VALUE.validate_python(genre.spec["value"])


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
