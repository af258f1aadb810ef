"""The generated part: the same for the same seed, nobody real, and told in the Segment specification's shape."""

import re
from datetime import date

import msgspec
import pytest

from kizuna_demo.people import EMAIL_DOMAINS, fictional_phone, katakana
from kizuna_demo.segment_spec import MAXIMUM_BATCH_BYTES, MAXIMUM_BATCH_EVENTS, batches
from kizuna_demo.world import World, build_world, told_by_crm, told_by_partner, told_by_shop, told_by_web

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(today=TODAY, seed=7)


def test_the_same_seed_gives_the_same_world(world: World) -> None:
    assert build_world(today=TODAY, seed=7) == world


def test_another_seed_gives_other_people_but_the_same_purchases(world: World) -> None:
    other = build_world(today=TODAY, seed=8)
    assert other.purchases == world.purchases
    assert sum(a == b for a, b in zip(other.people, world.people, strict=True)) < 10


def test_contact_points_are_unique_and_reserved(world: World) -> None:
    emails = [person.email for person in world.people if person.email]
    phones = [person.phone for person in world.people if person.phone]
    assert len(set(emails)) == len(emails) > 21_000
    assert len(set(phones)) == len(phones) > 15_000
    assert {email.rpartition("@")[2] for email in emails} == set(EMAIL_DOMAINS)
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+\.\d{5}", email.rpartition("@")[0]) for email in emails)
    assert all(re.fullmatch(r"\+1[2-9][0-8]\d55501\d\d", phone) for phone in phones)


def test_nobody_opted_in_without_an_address(world: World) -> None:
    opted_in = [person for person in world.people if person.opted_in]
    assert all(person.email for person in opted_in)
    assert 0.75 < len(opted_in) / len(world.people) < 0.85


def test_fictional_phones_never_use_service_codes() -> None:
    assert fictional_phone(0) == "+12005550100"
    assert fictional_phone(101) == "+12015550101"
    assert not any(fictional_phone(number)[2:5] in {"211", "911"} for number in range(23_570))


def test_kana_are_full_width_katakana(world: World) -> None:
    assert katakana("さとう ゔぁ") == "サトウ ヴァ"
    assert all(re.fullmatch("[ァ-ヶー]+", person.last_name_kana) for person in world.people)


def test_every_purchase_is_told_once_in_order_of_time(world: World) -> None:
    events = list(told_by_shop(world))
    assert len({event.message_id for event in events}) == 69_659
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)


def test_message_ids_are_unique_within_each_source(world: World) -> None:
    for teller in (told_by_crm, told_by_web, told_by_partner):
        ids = [event.message_id for event in teller(world)]
        assert len(set(ids)) == len(ids) > 1000


def test_nothing_is_told_of_the_future(world: World) -> None:
    for teller in (told_by_crm, told_by_shop, told_by_web, told_by_partner):
        assert all(event.timestamp <= world.midnight for event in teller(world))


def test_a_part_of_the_visitors_turns_known_after_browsing(world: World) -> None:
    seen: dict[str, int] = {}
    for event in told_by_web(world):
        assert event.anonymous_id
        if event.user_id is None:
            seen[event.anonymous_id] = seen.get(event.anonymous_id, 0) + 1
        else:
            assert seen[event.anonymous_id] >= 1
    known = [visitor for visitor in world.visitors if visitor.user_id]
    assert len(seen) == len(world.visitors)
    assert 0.5 < len(known) / len(world.visitors) < 0.7
    assert len({visitor.user_id for visitor in known}) == len(known)


def test_batches_keep_within_the_limits_and_lose_nothing(world: World) -> None:
    sent = list(batches(told_by_shop(world)))
    assert sum(batch.events for batch in sent) == 69_659
    assert all(len(batch.body) <= MAXIMUM_BATCH_BYTES + 20 and batch.events <= MAXIMUM_BATCH_EVENTS for batch in sent)


def test_an_order_reads_as_segment_writes_it(world: World) -> None:
    body = msgspec.json.decode(next(batches(told_by_shop(world))).body)
    assert body["batch"][0] == {
        "type": "track",
        "messageId": "demo-order-2",
        "timestamp": "2025-05-25T12:00:00+09:00",
        "userId": "00001",
        "event": "Order Completed",
        "properties": {
            "order_id": "2",
            "revenue": 11.77,
            "currency": "USD",
            "products": [{"product_id": "cd", "name": "CD", "quantity": 1, "price": 11.77}],
        },
    }


def test_an_identification_carries_the_reserved_traits(world: World) -> None:
    event = next(told_by_crm(world))
    assert event.user_id == "00001"
    assert event.traits is not None
    assert {"lastName", "firstName", "lastNameKana", "firstNameKana", "name"} <= set(event.traits)
    assert None not in event.traits.values()
    addresses = [told.traits["address"] for told in told_by_crm(world) if told.traits and "address" in told.traits]
    assert 0.85 < len(addresses) / len(world.people) < 0.95
    assert isinstance(addresses[0], dict)
    assert set(addresses[0]) == {"postalCode", "state", "city", "street", "country"}


def test_handles_are_told_as_external_ids(world: World) -> None:
    contexts = (event.context for event in told_by_crm(world))
    told = [context["externalIds"] for context in contexts if context]
    kinds = {handle["type"] for handles in told if isinstance(handles, list) for handle in handles}
    assert kinds == {"x", "line"}
    assert 0.15 < len(told) / len(world.people) < 0.25
