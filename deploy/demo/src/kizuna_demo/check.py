"""Holds what the platform says of every customer against plain arithmetic over the file.

Recency, frequency and monetary value of all 23,570 customers, read through identity's and profile's batch APIs, must
equal what the file (and what the simulated customers bought) gives.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path

import aiohttp

from kizuna_demo.cdnow import TOKYO, Purchase, read_purchases
from kizuna_demo.platform import Json, Platform, chunks, read_credentials
from kizuna_demo.progress import SimulatedPurchase, load_progress
from servicekit.clock import Clock, SystemClock

_REQUESTS_IN_FLIGHT = 3


@dataclass(frozen=True, slots=True)
class Rfm:
    """Calendar days in Tokyo since the last purchase, number of purchases, their sum."""

    recency_days: int
    frequency: int
    monetary: Decimal


@dataclass(frozen=True, slots=True)
class Difference:
    """A customer for whom the platform says something else than the file; None: it says nothing."""

    user_id: str
    expected: Rfm
    actual: Rfm | None


@dataclass(slots=True)
class CheckResult:
    """`differences` is empty when everything is right."""

    customers: int
    purchases: int
    differences: list[Difference] = field(default_factory=list)


def expected_rfm(
    purchases: Iterable[Purchase], simulated: Iterable[SimulatedPurchase] = (), *, on: date
) -> dict[str, Rfm]:
    """user_id -> what plain arithmetic gives, seen on the day `on` in Tokyo."""
    found: dict[str, Rfm] = {}
    bought: Iterator[Purchase | SimulatedPurchase] = chain(purchases, simulated)
    for purchase in bought:
        days = (on - purchase.bought_on).days
        former = found.get(purchase.user_id)
        found[purchase.user_id] = Rfm(
            recency_days=days if former is None else min(former.recency_days, days),
            frequency=1 if former is None else former.frequency + 1,
            monetary=purchase.amount if former is None else former.monetary + purchase.amount,
        )
    return found


def run(credentials_path: Path) -> CheckResult:
    """Check the platform behind these credentials, with what the story's progress says was simulated."""
    return asyncio.run(_check(credentials_path, clock=SystemClock()))


async def _check(credentials_path: Path, *, clock: Clock) -> CheckResult:
    progress = load_progress(credentials_path.parent, today=_today(clock), seed=0)
    purchases = read_purchases(last_on=progress.today - timedelta(days=1))
    async with aiohttp.ClientSession() as session:
        platform = Platform(session, read_credentials(credentials_path))
        return await check_customers(platform, purchases, progress.simulated, clock=clock)


async def check_customers(
    platform: Platform, purchases: Sequence[Purchase], simulated: Sequence[SimulatedPurchase] = (), *, clock: Clock
) -> CheckResult:
    """Compare every customer of the file. Reads again when midnight in Tokyo passed in between."""
    while True:
        today = _today(clock)
        expected = expected_rfm(purchases, simulated, on=today)
        actual = await read_rfm(platform, list(expected))
        if today == _today(clock):
            break
    return CheckResult(
        customers=len(expected),
        purchases=sum(rfm.frequency for rfm in expected.values()),
        differences=[
            Difference(user_id=user_id, expected=rfm, actual=actual.get(user_id))
            for user_id, rfm in expected.items()
            if actual.get(user_id) != rfm
        ],
    )


async def read_rfm(platform: Platform, user_ids: Sequence[str]) -> dict[str, Rfm]:
    """user_id -> what the platform says; those it knows nothing of are left out."""
    found: dict[str, Rfm] = {}
    remaining = chunks(user_ids)

    async def read_some() -> None:
        for some in remaining:
            found.update(await _read_rfm_of(platform, await look_up(platform, some)))

    async with asyncio.TaskGroup() as group:
        for _ in range(_REQUESTS_IN_FLIGHT):
            group.create_task(read_some())
    return found


async def _read_rfm_of(platform: Platform, customer_ids: Mapping[str, str]) -> dict[str, Rfm]:
    wanted = {"customer_ids": sorted(set(customer_ids.values()))}
    answer = await platform.post("profile", "/v1/customers:batchGet", wanted) if customer_ids else {"customers": []}
    by_id = {entry["customer_id"]: entry["rfm"] for entry in answer["customers"]}
    return {user_id: _rfm(by_id[customer_id]) for user_id, customer_id in customer_ids.items() if by_id[customer_id]}


async def look_up(platform: Platform, user_ids: Sequence[str]) -> Mapping[str, str]:
    """user_id -> customer_id of those identity knows; at most 1000 at a time."""
    wanted = [{"namespace": "user_id", "value": user_id} for user_id in user_ids]
    answer = await platform.post("identity", "/v1/identifiers:batchLookup", {"identifiers": wanted})
    return {entry["value"]: entry["customer_id"] for entry in answer["identifiers"] if entry["customer_id"]}


def _rfm(answer: Json) -> Rfm:
    return Rfm(
        recency_days=answer["recency_days"],
        frequency=answer["frequency"],
        monetary=Decimal(str(answer["monetary"])),
    )


def _today(clock: Clock) -> date:
    return clock.now().astimezone(TOKYO).date()


def main() -> int:
    """`python -m kizuna_demo.check --credentials FILE`: exit code 0 when every customer is right."""
    parser = argparse.ArgumentParser(
        prog="python -m kizuna_demo.check", description="Compare every customer with the file."
    )
    parser.add_argument("--credentials", type=Path, default=Path(".kizuna/credentials.json"))
    result = run(parser.parse_args().credentials)
    print(f"{result.customers:,} customers, {result.purchases:,} purchases, {len(result.differences):,} differences")
    for difference in result.differences[:20]:
        print(f"  {difference.user_id}: expected {difference.expected}, found {difference.actual}")
    return 1 if result.differences else 0


if __name__ == "__main__":
    sys.exit(main())
