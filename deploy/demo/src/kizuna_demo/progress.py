"""How far the story got, kept beside credentials.json: an interrupted one goes on, a told one is not told twice."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from kizuna_demo.cdnow import TOKYO

PROGRESS_FILE = "story-progress.json"


class SimulatedPurchase(msgspec.Struct, frozen=True):
    """What a simulated customer bought while the story was told."""

    order_id: str
    user_id: str
    bought_at: datetime
    amount: Decimal
    discs: int
    coupon: str | None = None

    @property
    def bought_on(self) -> date:
        """The day in Tokyo."""
        return self.bought_at.astimezone(TOKYO).date()


class ImportedList(msgspec.Struct, frozen=True):
    """What became of a list: how many lines were taken, and which were not, with why."""

    source: str
    accepted: int
    rejected: int
    rejected_lines: list[dict[str, Any]]
    """Each with line, field, detail; never a value."""


class Synced(msgspec.Struct):
    """What identity answered to all of the partner's webhooks together."""

    accepted: int = 0
    rejected: int = 0


class Linked(msgspec.Struct):
    """What the linking run found, and the examples chosen of it: one candidate to accept, one link to undo."""

    run: dict[str, Any]
    """Figures of `GET /v1/linking/runs/{run_id}`."""
    joined: int
    """Pairs of records that are one customer; `same`: one person; `right`: both."""
    same: int
    right: int
    accept: str | None
    """candidate_id; None: the run left nothing to review that is one person."""
    undo: str | None
    undone_was_wrong: bool = False


class Progress(msgspec.Struct):
    """Fixed at the story's first start: `today` (dates are shifted by it) and `seed`. The rest grows."""

    today: date
    seed: int
    journey_customers: dict[str, str] = {}
    """user_id -> customer_id of the dormant at the moment the journey was published."""
    events: int = 0
    """Events of the world, told through the ingest."""
    permissions: int = 0
    """Opt-ins told to delivery; they appear on timelines too."""
    on_timelines: int = 0
    """Entries on timelines when the world was told and nothing else had happened yet."""
    simulated: list[SimulatedPurchase] = []
    lists: list[ImportedList] = []
    """What became of the group company's lists."""
    synced: Synced | None = None
    """What became of the partner's id syncs."""
    linking_run: str | None = None
    linked: Linked | None = None


def load_progress(directory: Path, *, today: date, seed: int) -> Progress:
    """What an earlier run left, or a fresh start."""
    path = directory / PROGRESS_FILE
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    return Progress(today=today, seed=seed)


def save_progress(directory: Path, progress: Progress) -> None:
    """Replace the file in one step, so that an interruption leaves the former one."""
    replace_file(directory / PROGRESS_FILE, msgspec.json.encode(progress))


def replace_file(path: Path, content: bytes) -> None:
    """Write beside, then rename."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)
