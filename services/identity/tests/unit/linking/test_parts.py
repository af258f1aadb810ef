"""The parts of the model, each alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_service.linking.clusters import Clusters, Edge, strongest_first
from identity_service.linking.comparisons import person_traits
from identity_service.linking.contradictions import within_typing_errors
from identity_service.linking.frequencies import frequencies
from identity_service.linking.households import Households
from identity_service.linking.model import Model, starting_model
from identity_service.linking.readings import learn_readings, listed_given_names, listed_surnames

TRAITS = person_traits()


def test_starting_levels_are_probabilities() -> None:
    for name, levels in starting_model(TRAITS, records=1000).levels.items():
        assert sum(level.m for level in levels.values()) == pytest.approx(1, abs=0.02), name
        assert sum(level.u for level in levels.values()) == pytest.approx(1, abs=0.02), name
        assert all(0 < level.m < 1 and 0 < level.u < 1 for level in levels.values()), name


def test_a_model_survives_json() -> None:
    model = starting_model(TRAITS, records=1000)
    assert Model.from_json(model.to_json()) == model


def test_a_household_explains_what_it_shares() -> None:
    households = Households(1.0, {"phone": 0.6, "house": 0.9, "given_name": 0.0})
    shared = {"phone": 14.0, "house": 15.0}
    alone = households.probability_of_one_person(16.0, shared)
    other_name = households.probability_of_one_person(10.0, {**shared, "given_name": -6.0})
    same_name = households.probability_of_one_person(24.0, {**shared, "given_name": 8.0})
    assert alone == pytest.approx(1 / (1 + 0.6 * 0.9), rel=0.001)
    assert other_name < 0.05
    assert same_name > 0.99


def test_without_households_it_is_fellegi_and_sunter() -> None:
    households = Households(0.0, {"phone": 0.6})
    assert households.probability_of_one_person(3.0, {"phone": 14.0}) == pytest.approx(8 / 9)


@pytest.mark.parametrize(
    ("one", "other", "most", "expected"),
    [
        ("1988-03-04", "1988-03-04", 0, True),
        ("1988-03-04", "1988-03-40", 1, True),
        ("1988-03-04", "1988-30-40", 1, False),
        ("ハナコ", "ハコ", 1, True),
        ("ハナコ", "ミサキ", 2, False),
        ("smith", "smiht", 1, True),
        ("", "ab", 1, False),
    ],
)
def test_typing_errors(one: str, other: str, most: int, expected: bool) -> None:
    assert within_typing_errors(one, other, most) is expected
    assert within_typing_errors(other, one, most) is expected


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(0, 1)), max_size=40), st.sets(st.integers(0, 99))
)
def test_no_cluster_ever_holds_a_contradiction(edges: list[tuple[int, int, float]], apart: set[int]) -> None:
    def contradicts(one: int, other: int) -> str | None:
        return "apart" if one != other and {one * 10 + other, other * 10 + one} & apart else None

    clusters = Clusters.of_customers([str(number) for number in range(10)], contradicts)
    for edge in strongest_first(Edge(*edge) for edge in edges):
        before = clusters.cluster_of[edge.record] == clusters.cluster_of[edge.other]
        why = clusters.join(edge.record, edge.other)
        assert (clusters.cluster_of[edge.record] == clusters.cluster_of[edge.other]) == (before or why is None)
    for members in clusters.members.values():
        assert not any(contradicts(one, other) for one in members for other in members)
    assert sorted(record for members in clusters.members.values() for record in members) == list(range(10))


def test_readings_come_from_the_base_first() -> None:
    readings = learn_readings([("裕子", "ヒロコ"), ("裕子", "ヒロコ"), ("裕子", "ユコ")], {"裕子": ["ユコ", "ヤスコ"]})
    assert readings["裕子"] == ["ヒロコ", "ユコ", "ヤスコ"]
    assert readings["無名"] == []


def test_listed_readings_have_no_vowel_length() -> None:
    assert listed_surnames()["佐藤"] == ["サト"]
    assert "ユコ" in listed_given_names()["裕子"]
    assert "ヒロコ" in listed_given_names()["裕子"]


def test_two_of_two_are_not_everybody() -> None:
    rows = {row["surname"]: row["tf_surname"] for row in frequencies(["佐藤", "佐藤", None], "surname").to_pylist()}
    assert rows == {"佐藤": pytest.approx(2 / 202)}
