"""Who says and buys what in the chapter, and what must come of it by plain arithmetic."""

from datetime import date

import pytest

from kizuna_demo import cast
from kizuna_demo.cast import (
    AUTHORS,
    BUYERS,
    GIVERS,
    NEWLYWEDS,
    OF_THE_COMPETITOR,
    REFRIGERATOR,
    TRUE_LIFT,
    WASHING_MACHINE,
    Cast,
    baskets,
    birthdays_of_spouses,
    draw_cast,
    lift,
    new_names,
    remarks,
    told_by_appliances,
    told_by_florist,
    within_days,
)
from kizuna_demo.configuration import WHAT_WE_KNOW, documents
from kizuna_demo.world import World, build_world


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(today=date(2027, 12, 31), seed=7)


@pytest.fixture(scope="module")
def drawn(world: World) -> Cast:
    return draw_cast(world)


def test_the_same_world_has_the_same_cast(world: World, drawn: Cast) -> None:
    assert draw_cast(world) == drawn
    sizes = [len({person.user_id for person in people}) for people in (drawn.authors, drawn.newlyweds, drawn.givers)]
    assert sizes == [AUTHORS, NEWLYWEDS, GIVERS]
    assert len({person.user_id for person in drawn.buyers}) == BUYERS
    assert all(drawn.example in people for people in (drawn.newlyweds, drawn.givers, drawn.buyers))


def test_everything_told_is_of_a_source_that_says_simulated() -> None:
    sources = {document.key for document in documents("Source", chapter=WHAT_WE_KNOW)}
    assert sources == {cast.LISTENING, cast.FLORIST, cast.COUNTER, cast.APPLIANCES}
    assert all(key.startswith("simulated-") for key in sources)


def test_remarks_are_told_by_handles_and_say_that_they_are_simulated(world: World, drawn: Cast) -> None:
    told = remarks(world, drawn)
    assert [one["author"] for one in told] == [{"namespace": "x", "value": one.x_handle} for one in drawn.authors]
    assert all("simulated" in str(one["url"]) for one in told)
    [rival] = [
        document for document in documents("RemarkTopic", chapter=WHAT_WE_KNOW) if document.key == "rival-yokomichi"
    ]
    keywords = [word for words in rival.spec["keywords"].values() for word in words]
    of_the_rival = [any(word in str(one["text"]).lower() for word in keywords) for one in told]
    assert of_the_rival == [True] * OF_THE_COMPETITOR + [False] * (AUTHORS - OF_THE_COMPETITOR)
    assert len({one["remark_id"] for one in told}) == AUTHORS


def test_newlyweds_were_called_something_else_before(world: World, drawn: Cast) -> None:
    events = list(new_names(world, drawn))
    assert len({event.message_id for event in events}) == len(events) == 2 * NEWLYWEDS
    for before, after in zip(events[::2], events[1::2], strict=True):
        assert before.user_id == after.user_id
        assert before.timestamp < after.timestamp < world.midnight
        assert before.traits != after.traits


def test_who_has_a_spouses_birthday_within_seven_days(world: World, drawn: Cast) -> None:
    days = birthdays_of_spouses(world, drawn)
    soon = within_days(days, on=world.today, ahead=7)
    assert soon == [user_id for user_id, day in days.items() if (day - world.today).days <= 7]
    assert drawn.example.user_id in soon
    assert 0 < len(soon) < len(days)
    new_year = {"a": date(2028, 1, 3), "b": date(1990, 12, 30), "c": date(1990, 12, 31), "d": date(1990, 1, 8)}
    assert within_days(new_year, on=date(2027, 12, 31), ahead=7) == ["a", "c"]


def test_no_spouse_is_born_on_a_day_that_most_years_lack(drawn: Cast) -> None:
    leap = build_world(today=date(2028, 1, 20), seed=7)
    days = birthdays_of_spouses(leap, drawn)
    assert date(2028, 2, 28) in days.values()
    assert date(2028, 2, 29) not in days.values()


def test_the_florist_says_no_more_than_the_purpose_needs(world: World, drawn: Cast) -> None:
    for event in told_by_florist(world, drawn):
        properties = event.properties or {}
        assert set(properties) == {"relation", "occasion", "date", "purpose"}
        assert str(properties["date"]).startswith("--")


def test_orders_are_those_of_the_baskets_in_their_order(world: World, drawn: Cast) -> None:
    wanted = baskets(world, drawn)
    found: dict[str, list[object]] = {}
    for event in sorted(told_by_appliances(world, wanted), key=lambda event: event.timestamp):
        properties = event.properties or {}
        assert properties["simulated"] is True
        assert event.timestamp < world.midnight
        found.setdefault(str(event.user_id), []).append(properties["order_id"])
    assert {user_id: len(orders) for user_id, orders in found.items()} == {
        user_id: len(basket) for user_id, basket in wanted.items()
    }
    assert all(orders == sorted(orders, key=str) for orders in found.values())


def test_the_lift_of_many_draws_is_the_true_one(world: World, drawn: Cast) -> None:
    assert lift({"a": ["x", "y"], "b": ["x"], "c": ["y"], "d": ["z"]}, "x", "y") == 1
    assert pytest.approx(1.5) == TRUE_LIFT
    measured = lift(baskets(world, drawn), WASHING_MACHINE, REFRIGERATOR)
    assert 1.2 < measured < 1.8
    assert WASHING_MACHINE in baskets(world, drawn)[drawn.example.user_id]
