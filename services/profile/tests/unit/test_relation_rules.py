"""What is taken of a related person, and what is refused."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.relations import RELATION_DATE_GIVEN as GIVEN
from contracts.relations import RELATION_DATE_WITHDRAWN as WITHDRAWN
from contracts.relations import Day, Unfit, derived_relation_id, read_day, read_label
from profile_service.rules.relations import ends_at, take_statements
from profile_service.rules.timeline import TimelineEvent

WIFE = {"relation": "wife", "occasion": "birthday", "date": "1984-02-29", "purpose": "reminder"}


def event(name: str, *, kind: str = "track", **properties: Any) -> TimelineEvent:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    return TimelineEvent(UUID(int=1), UUID(int=2), UUID(int=3), now, kind, name, "shop", properties)


@given(st.dates(min_value=date(1850, 1, 1), max_value=date(2100, 12, 31)), st.booleans())
def test_a_day_reads_as_it_is_written(day: date, has_year: bool) -> None:
    written = Day(day.month, day.day, day.year if has_year else None)
    assert read_day(str(written)) == written
    assert read_day(written._asdict()) == written


@pytest.mark.parametrize(
    "value",
    [
        "2025-02-29",
        "--02-30",
        "1849-01-01",
        "2101-01-01",
        "--13-01",
        "03-14",
        "2019-3-14",
        "２０１９-03-14",
        "",
        None,
        314,
        {"month": 2, "day": 30},
        {"month": True, "day": 1},
        {"month": 2.0, "day": 1},
        {"day": 1},
        {"month": 1, "day": 10**30},
        {"month": 1, "day": 1, "name": "Hanako"},
    ],
)
def test_what_is_no_day_is_refused(value: object) -> None:
    with pytest.raises(Unfit) as refusal:
        read_day(value)
    assert refusal.value.field == "date"


def test_the_leap_day_needs_no_leap_year_when_the_year_is_unknown() -> None:
    assert read_day("--02-29") == Day(2, 29, None)


@pytest.mark.parametrize("label", ["wife", "妻", "おばあちゃん", "mother-in-law", "2nd child", "l'épouse", "三女"])
def test_a_label_is_a_word_or_two(label: str) -> None:
    assert read_label(f" {label.upper()}", "relation") == label


@pytest.mark.parametrize(
    "label",
    [
        "hanako@example.jp",
        "hanako＠example.jp",
        "090-1234-5678",
        "０９０１２３４",
        "wife 1984",
        "https://x.jp/hanako",
        "#17",
        "x" * 41,
        " ",
        "",
        None,
        7,
        "wife\0",
        "wife\nbirthday",
    ],
)
def test_what_could_find_the_person_is_no_label(label: object) -> None:
    with pytest.raises(Unfit) as refusal:
        read_label(label, "relation")
    assert refusal.value.field == "relation"
    assert not str(label).strip() or str(label) not in refusal.value.detail


def test_a_timeline_keeps_that_something_was_given_and_not_what() -> None:
    (kept,), (statement,) = take_statements([event(GIVEN, **WIFE, note="Hanako, likes roses")])
    assert kept.properties == {"purpose": "reminder"}  # no id either: whoever guesses what was said can compute it
    assert statement.given is not None
    assert statement.given.day == Day(2, 29, 1984)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"date": "1984-02-30"}, "date"),
        ({"purpose": None}, "purpose"),
        ({"purpose": "For Ads"}, "purpose"),
        ({"relation": "hanako@example.jp"}, "relation"),
        ({"occasion": ["birthday"]}, "occasion"),
        ({"until": "soon"}, "until"),
        ({"which": "0901234567"}, "which"),
        ({"relation_id": str(UUID(int=9))}, "relation_id"),
    ],
)
def test_what_cannot_be_taken_says_so_and_is_not_kept(wrong: dict[str, Any], field: str) -> None:
    (kept,), statements = take_statements([event(GIVEN, **(WIFE | wrong))])
    assert statements == []
    assert kept.properties.keys() == {"refused"}
    assert kept.properties["refused"]["field"] == field
    assert "1984" not in str(kept.properties)


def test_other_events_are_left_alone() -> None:
    events = [event("Order Completed", **WIFE), event(GIVEN, kind="page", **WIFE)]
    assert take_statements(events) == (events, [])


def test_saying_it_again_is_the_same_relation_and_another_purpose_another() -> None:
    same = derived_relation_id({**WIFE, "relation": "Wife", "date": "--01-01"})
    assert same == derived_relation_id(WIFE)
    assert derived_relation_id({**WIFE, "purpose": "advertising"}) != same
    assert derived_relation_id({**WIFE, "which": "second"}) != same
    (kept,), (taken_back,) = take_statements([event(WITHDRAWN, relation_id=str(same))])
    assert kept.properties == {}
    assert (taken_back.relation_id, taken_back.given) == (same, None)


def test_the_last_day_ends_at_its_midnight_in_the_customers_zone() -> None:
    assert ends_at(date(2026, 12, 31), ZoneInfo("Asia/Tokyo")) == datetime(2026, 12, 31, 15, tzinfo=UTC)
    assert ends_at(None, ZoneInfo("Asia/Tokyo")) is None
    assert ends_at(date.max, ZoneInfo("Asia/Tokyo")) is None
