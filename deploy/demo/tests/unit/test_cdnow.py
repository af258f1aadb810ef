"""The file is what it is said to be, and shifting moves dates only."""

import hashlib
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import pytest

from kizuna_demo import cdnow
from kizuna_demo.cdnow import Purchase, data_file, read_purchases

LAST = date(2026, 11, 21)


@pytest.fixture(scope="module")
def purchases() -> list[Purchase]:
    return read_purchases(last_on=LAST)


def test_it_is_the_published_file() -> None:
    assert hashlib.sha256(data_file().read_bytes()).hexdigest() == (
        "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"
    )


def test_it_holds_all_purchases_and_customers(purchases: list[Purchase]) -> None:
    assert len(purchases) == cdnow.PURCHASES == 69_659
    assert len({purchase.user_id for purchase in purchases}) == cdnow.CUSTOMERS == 23_570
    assert sum(purchase.amount for purchase in purchases) == Decimal("2500315.63")
    assert sum(purchase.discs for purchase in purchases) == 167_881


def test_an_order_is_its_line_in_the_file(purchases: list[Purchase]) -> None:
    lines = data_file().read_text().splitlines()
    for purchase in (purchases[0], purchases[1234], purchases[-1]):
        user_id, _, discs, amount = lines[int(purchase.order_id) - 1].split()
        assert (purchase.user_id, purchase.discs, purchase.amount) == (user_id, int(discs), Decimal(amount))
    assert len({purchase.order_id for purchase in purchases}) == len(purchases)


def test_ids_keep_their_leading_zeros(purchases: list[Purchase]) -> None:
    assert purchases[0].user_id == "00001"
    assert {len(purchase.user_id) for purchase in purchases} == {5}


def test_the_last_purchase_falls_on_the_given_day_and_gaps_stay(purchases: list[Purchase]) -> None:
    assert max(purchase.bought_on for purchase in purchases) == LAST
    later = read_purchases(last_on=LAST + timedelta(days=7))
    shifts = Counter(b.bought_on - a.bought_on for a, b in zip(purchases, later, strict=True))
    assert shifts == {timedelta(days=7): len(purchases)}


def test_a_purchase_happens_at_noon_in_tokyo(purchases: list[Purchase]) -> None:
    assert {purchase.bought_at.isoformat()[10:] for purchase in purchases} == {"T12:00:00+09:00"}
    assert purchases[0].bought_at.date() == purchases[0].bought_on


def test_a_customers_purchases_are_in_order_of_time(purchases: list[Purchase]) -> None:
    latest: dict[str, date] = {}
    for purchase in purchases:
        assert latest.get(purchase.user_id, date.min) <= purchase.bought_on
        latest[purchase.user_id] = purchase.bought_on
