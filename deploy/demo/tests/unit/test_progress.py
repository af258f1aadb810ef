"""An interrupted story goes on where it was."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from kizuna_demo.progress import SimulatedPurchase, load_progress, save_progress


def test_the_first_day_and_seed_stay(tmp_path: Path) -> None:
    first = load_progress(tmp_path, today=date(2026, 11, 22), seed=1)
    first.simulated.append(
        SimulatedPurchase(
            order_id="simulated-00001",
            user_id="00001",
            bought_at=datetime(2026, 11, 22, 3, tzinfo=UTC),
            amount=Decimal("11.77"),
            discs=1,
        )
    )
    first.journey_customers["00001"] = "an-id"
    save_progress(tmp_path, first)
    assert load_progress(tmp_path, today=date(2026, 11, 23), seed=2) == first


def test_nothing_is_left_half_written(tmp_path: Path) -> None:
    save_progress(tmp_path, load_progress(tmp_path, today=date(2026, 11, 22), seed=1))
    assert [path.name for path in tmp_path.iterdir()] == ["story-progress.json"]
