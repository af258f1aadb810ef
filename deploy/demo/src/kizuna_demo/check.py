"""Holds what the platform says of every customer against plain arithmetic over the file.

Recency, frequency and monetary value of all 23,570 customers, read through identity's and profile's batch APIs, must
equal what the file (and what the simulated customers bought) gives.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import chain

from kizuna_demo.cdnow import TOKYO, Purchase
from kizuna_demo.platform import Json, Platform, chunks
from kizuna_demo.progress import SimulatedPurchase
from servicekit.clock import Clock


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
    for some in chunks(user_ids):
        customer_ids = await look_up(platform, some)
        answer = await platform.post(
            "profile", "/v1/customers:batchGet", {"customer_ids": sorted(set(customer_ids.values()))}
        )
        by_id = {entry["customer_id"]: entry["rfm"] for entry in answer["customers"]}
        for user_id, customer_id in customer_ids.items():
            rfm = by_id.get(customer_id)
            if rfm is not None:
                found[user_id] = _rfm(rfm)
    return found


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
