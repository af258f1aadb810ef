"""Precision and recall over pairs of records, and who was mistaken for whom."""

from kizuna_demo.linking import joined_two_people
from kizuna_demo.truth import Record, compare_with_truth, people_by_customer

RECORDS = [
    Record("hana", "c1", "a1"),
    Record("hana", "c1", "a2"),
    Record("ken", "c1", "a3"),
    Record("ken", "c2", "a4"),
    Record("yui", "c3", "a5"),
]


def test_pairs_are_counted_within_customers_and_people() -> None:
    truth = compare_with_truth(RECORDS)
    assert (truth.joined, truth.same, truth.right) == (3, 2, 1)
    assert (truth.precision, truth.recall) == (0.3333, 0.5)


def test_nothing_joined_has_no_precision() -> None:
    truth = compare_with_truth([Record("hana", "c1", "a1"), Record("ken", "c2", "a2")])
    assert (truth.precision, truth.recall) == (None, None)


def test_a_customer_of_two_people_is_seen() -> None:
    assert people_by_customer(RECORDS) == {"c1": {"hana", "ken"}, "c2": {"ken"}, "c3": {"yui"}}


def test_the_link_that_joined_two_people_is_told_from_the_one_that_was_right() -> None:
    assert joined_two_people(RECORDS, "c1", moved={"a3"})
    assert not joined_two_people(RECORDS, "c1", moved={"a2"})
    assert not joined_two_people(RECORDS, "c1", moved={"a9"})
