"""The lists of the group: who is who is known, written in another department's way, and readable but for one line."""

import csv
from datetime import date
from io import StringIO

import pytest

from kizuna_demo.addresses import MUNICIPALITIES, Address
from kizuna_demo.configuration import documents
from kizuna_demo.group_lists import (
    BROKEN_LINE,
    CUSTOMERS,
    CUSTOMERS_AMONG_DEALERS,
    DEALERS_CUSTOMERS,
    MEMBERS_AMONG_CUSTOMERS,
    MEMBERS_AMONG_DEALERS,
    GroupList,
    group_lists,
)
from kizuna_demo.world import World, build_world
from kizuna_demo.writing import address_in_words, half_width, japanese_date, old_characters


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(today=date(2026, 11, 22), seed=7)


@pytest.fixture(scope="module")
def lists(world: World) -> list[GroupList]:
    return group_lists(world)


def rows(listed: GroupList) -> list[list[str]]:
    return list(csv.reader(StringIO(listed.content.decode(listed.encoding), newline="")))


def test_the_same_world_gives_the_same_files(world: World, lists: list[GroupList]) -> None:
    assert [listed.content for listed in group_lists(world)] == [listed.content for listed in lists]


def test_as_many_are_members_of_the_shop_as_is_said(world: World, lists: list[GroupList]) -> None:
    members = {person.user_id for person in world.people}
    customers, dealers = ([one.person for one in listed.people] for listed in lists)
    assert (len(set(customers)), len(set(dealers))) == (CUSTOMERS, DEALERS_CUSTOMERS)
    assert len(members & set(customers)) == MEMBERS_AMONG_CUSTOMERS
    assert len((set(dealers) & set(customers)) - members) <= CUSTOMERS_AMONG_DEALERS
    assert len(members & set(dealers)) >= MEMBERS_AMONG_DEALERS


def test_one_line_is_broken_and_its_person_not_expected(lists: list[GroupList]) -> None:
    customers, dealers = lists
    lengths = [len(row) for row in rows(customers)]
    assert [line for line, length in enumerate(lengths, start=1) if length != lengths[0]] == [BROKEN_LINE]
    assert {one.number for one in customers.people} - {one.number for one in customers.readable} == {
        rows(customers)[BROKEN_LINE - 1][0]
    }
    assert list(dealers.readable) == dealers.people


def test_no_list_says_who_somebody_is_or_has_an_address_of_the_shop(world: World, lists: list[GroupList]) -> None:
    for listed in lists:
        text = listed.content.decode(listed.encoding)
        assert not any(person.email in text for person in world.people[:2000] if person.email)
        assert not any(person.phone in text for person in world.people[:2000] if person.phone)
        assert set(listed.mapping) == set(rows(listed)[0])
        assert not any("user_id" in target for target in listed.mapping.values())


def test_a_relative_has_the_name_and_the_house_but_is_another_person(lists: list[GroupList]) -> None:
    relatives = [one for one in lists[0].people if one.person.startswith("relative-")]
    assert len(relatives) == 400
    assert all(one.told.address for one in relatives)


def test_lists_come_from_sources_and_hold_ids_of_namespaces_that_are_configured(lists: list[GroupList]) -> None:
    assert {listed.source for listed in lists} <= {document.key for document in documents("Source")}
    assert {listed.namespace for listed in lists} <= {document.key for document in documents("Namespace")}


def test_the_other_departments_writing() -> None:
    assert half_width("ガクト パー") == "ｶﾞｸﾄ ﾊﾟｰ"
    assert old_characters("高沢 恵") == "髙澤 惠"
    assert [japanese_date(day) for day in (date(1970, 3, 5), date(1989, 1, 7), date(1989, 1, 8), date(2019, 5, 1))] == [
        "S45.3.5",
        "S64.1.7",
        "H1.1.8",
        "R1.5.1",
    ]
    with pytest.raises(ValueError, match="before the eras"):
        japanese_date(date(1920, 1, 1))


def test_an_address_is_written_in_two_ways() -> None:
    address = Address("1500000", "東京都", "渋谷区", "絆台", (1, 2, 13))
    assert address.street == "絆台1-2-13"
    assert address_in_words(address) == "東京都渋谷区絆台１丁目２番１３号"
    assert address_in_words(address, with_prefecture=False) == "渋谷区絆台１丁目２番１３号"


def test_municipalities_are_told_apart_by_their_codes() -> None:
    assert len({code for code, _, _ in MUNICIPALITIES}) == len(MUNICIPALITIES)
    assert all(len(code) == 7 and code.endswith("000") for code, _, _ in MUNICIPALITIES)
