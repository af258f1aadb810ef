"""Promises follow ticks; figures are what their sources say."""

from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from survey_service.rules.answers import Answers
from survey_service.rules.commitments import Ticked, commitment_id_of, due_on, plan_commitments
from survey_service.rules.measures import coverage, net_promoter_score
from survey_service.rules.questionnaire import CommitmentOption, Questionnaire

KEYS = ["new", "gone", "price"]
OFFER = Questionnaire.model_validate(
    {
        "title": "Offers",
        "language": "ja",
        "questions": [
            {
                "key": "offer",
                "kind": "commitment",
                "text": "?",
                "options": [
                    {"key": key, "text": key, "kind": "tell_me_first", "subject": key, "owner_department": "crm"}
                    for key in KEYS
                ],
            }
        ],
    }
)
ticks = st.lists(st.sampled_from(KEYS), unique=True)


def answers(ticked: list[str]) -> Answers:
    """Return the answers with these promises ticked."""
    return {"offer": ticked} if ticked else {}


@given(ticks, ticks)
def test_the_plan_is_the_difference_of_the_ticks(before: list[str], after: list[str]) -> None:
    plan = plan_commitments(OFFER, before=answers(before), after=answers(after))
    assert {tick.option_key for tick in plan.ticked} == set(after) - set(before)
    assert {tick.option_key for tick in plan.unticked} == set(before) - set(after)


@given(ticks)
def test_the_same_ticks_again_plan_nothing(ticked: list[str]) -> None:
    assert plan_commitments(OFFER, before=answers(ticked), after=answers(ticked)) == ({}, {})


def test_a_promise_has_one_id_per_response_and_option() -> None:
    ids = {commitment_id_of(UUID(int=number), Ticked("offer", key)) for number in (1, 2) for key in KEYS}
    assert len(ids) == 6
    assert commitment_id_of(UUID(int=1), Ticked("offer", "new")) in ids


def test_due_days_are_calendar_days_of_the_customer() -> None:
    option = CommitmentOption(key="k", text="t", kind="k", subject="s", owner_department="crm", due_days=1)
    late_evening = datetime(2026, 11, 1, 16, 0, tzinfo=UTC)  # 01:00 on the 2nd in Tokyo
    assert due_on(option, made_at=late_evening, zone=ZoneInfo("Asia/Tokyo")) == date(2026, 11, 3)


@given(st.lists(st.integers(0, 10), min_size=1))
def test_net_promoter_score_against_its_definition(scores: list[int]) -> None:
    promoters = sum(score >= 9 for score in scores)
    detractors = sum(score <= 6 for score in scores)
    found = net_promoter_score(
        promoters=promoters, passives=len(scores) - promoters - detractors, detractors=detractors
    )
    assert found is not None
    assert -100 <= found <= 100
    assert abs(found - 100 * (promoters / len(scores) - detractors / len(scores))) <= 0.05 + 1e-9


def test_nobody_gives_no_figure() -> None:
    assert net_promoter_score(promoters=0, passives=0, detractors=0) is None
    assert coverage(answered=0, base=0) is None
    assert coverage(answered=1, base=3) == 0.3333
