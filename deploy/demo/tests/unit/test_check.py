"""The arithmetic the platform is held against."""

from datetime import UTC, date, datetime
from decimal import Decimal

from kizuna_demo.cdnow import read_purchases
from kizuna_demo.check import Rfm, expected_rfm
from kizuna_demo.progress import SimulatedPurchase

TODAY = date(2026, 11, 22)


def test_the_first_customers_by_hand() -> None:
    """Lines 2 to 4 of the file: 00001 bought once for 11.77; 00002 twice on one day, for 12.00 and 77.00."""
    expected = expected_rfm(read_purchases(last_on=date(2026, 11, 21)), on=TODAY)
    assert expected["00001"] == Rfm(recency_days=546, frequency=1, monetary=Decimal("11.77"))
    assert expected["00002"] == Rfm(recency_days=535, frequency=2, monetary=Decimal("89.00"))
    assert len(expected) == 23_570
    assert sum(rfm.frequency for rfm in expected.values()) == 69_659
    assert min(rfm.recency_days for rfm in expected.values()) == 1


def test_simulated_purchases_count() -> None:
    bought = SimulatedPurchase(
        order_id="s-1",
        user_id="00001",
        bought_at=datetime(2026, 11, 21, 15, tzinfo=UTC),  # midnight in Tokyo
        amount=Decimal("20.00"),
        discs=1,
    )
    expected = expected_rfm(read_purchases(last_on=date(2026, 11, 21)), [bought], on=TODAY)
    assert expected["00001"] == Rfm(recency_days=0, frequency=2, monetary=Decimal("31.77"))


def test_a_day_later_everybody_is_a_day_further_away() -> None:
    purchases = read_purchases(last_on=date(2026, 11, 21))
    today, tomorrow = expected_rfm(purchases, on=TODAY), expected_rfm(purchases, on=date(2026, 11, 23))
    assert all(tomorrow[user_id].recency_days == rfm.recency_days + 1 for user_id, rfm in today.items())
