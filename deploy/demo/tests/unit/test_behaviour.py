"""Simulated customers act by their draws, and the draws have the shares they claim."""

from datetime import date
from decimal import Decimal

import pytest

from kizuna_demo.behaviour import ANSWER_SHARE, BASE, EFFECT, OPEN_SHARE, Behaviour, draw_behaviour, true_effect
from kizuna_demo.cdnow import Purchase

PAST = [Purchase(order_id="2", user_id="00001", bought_on=date(2026, 1, 1), discs=3, amount=Decimal("42.50"))]
MANY = 20_000


@pytest.fixture(scope="module")
def crowd() -> list[Behaviour]:
    return [draw_behaviour(f"{number:05}", past=PAST, promises=3, seed=7) for number in range(MANY)]


def test_the_shares_are_what_they_claim(crowd: list[Behaviour]) -> None:
    def share(matching: int) -> float:
        return matching / MANY

    assert share(sum(one.buys(reached=False) for one in crowd)) == pytest.approx(BASE, abs=0.006)
    assert share(sum(one.buys(reached=True) for one in crowd)) == pytest.approx(BASE + EFFECT, abs=0.009)
    assert share(sum(one.opens for one in crowd)) == pytest.approx(OPEN_SHARE, abs=0.012)
    assert share(sum(one.answers for one in crowd)) == pytest.approx(ANSWER_SHARE, abs=0.012)


def test_who_buys_without_a_coupon_buys_with_one_too(crowd: list[Behaviour]) -> None:
    assert all(one.buys(reached=True) for one in crowd if one.buys(reached=False))


def test_nobody_clicks_unopened_mail(crowd: list[Behaviour]) -> None:
    assert all(one.opens for one in crowd if one.clicks)


def test_the_same_seed_gives_the_same_behaviour() -> None:
    one = draw_behaviour("00001", past=PAST, promises=3, seed=7)
    assert one == draw_behaviour("00001", past=PAST, promises=3, seed=7)
    assert (one.amount, one.discs) == (Decimal("42.50"), 3)


def test_who_paid_nothing_before_still_pays_something() -> None:
    assert draw_behaviour("00001", past=[], promises=0, seed=7).amount > 0


def test_the_true_effect_is_diluted_by_those_the_coupon_cannot_reach(crowd: list[Behaviour]) -> None:
    by_id = {f"{number:05}": one for number, one in enumerate(crowd)}
    most = set(list(by_id)[: MANY * 8 // 10])
    assert true_effect(by_id, reachable=set(by_id)) == pytest.approx(EFFECT, abs=0.006)
    assert true_effect(by_id, reachable=most) == pytest.approx(EFFECT * 0.8, abs=0.006)
    assert true_effect(by_id, reachable=()) == 0.0
    assert true_effect({}, reachable=()) == 0.0
