"""What campaign's workers do at each turn: one transaction, or one page, and whether more waits."""

import hmac
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from campaign_service.clients import ProfileReader
from campaign_service.service import reading
from campaign_service.service.runs import Journeying, advance_due_runs
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.moves import hold_moves


def read_coupon_secret(signing_key_file: Path) -> bytes:
    """Derive the key of coupon codes from the service's own private key: nothing else to keep secret, or to lose."""
    return hmac.digest(signing_key_file.read_bytes(), b"campaign coupon codes v1", sha256)


async def advance(database: Database, journeying: Journeying, *, clock: Clock, limit: int) -> bool:
    """Move one batch of due runs on."""
    async with database.transaction() as session:
        await hold_moves(session)
        return await advance_due_runs(session, now=clock.now(), limit=limit, journeying=journeying) > 0


async def enter_members(
    database: Database, profile: ProfileReader, *, clock: Clock, first_reading: timedelta, wake: Callable[[], None]
) -> bool:
    """Let one page of present members enter."""
    started = await reading.enter_members(database, profile, clock=clock, first_reading=first_reading)
    if started:
        wake()
    return started is not None


async def read_purchases(database: Database, profile: ProfileReader, *, clock: Clock, interval: timedelta) -> bool:
    """Read one batch of purchases."""
    return await reading.read_purchases(database, profile, clock=clock, interval=interval)
