"""R1: an event answered 2xx is on its customer's timeline exactly once, whatever process is killed whenever."""

import random
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.running_platform import RunningPlatform, create_source, running_platform, send_batch, wait_for

_BATCH = 100


@pytest.fixture
def platform(parts_directory: Path) -> Iterator[RunningPlatform]:
    """An empty platform of its own: its processes are killed."""
    home = parts_directory / "kill-anything"
    with running_platform(home) as started:
        yield started
    shutil.rmtree(home)


@dataclass
class Load:
    """A shop that sends orders, and repeats a request until it is answered 2xx, as SDKs do."""

    platform: RunningPlatform
    write_key: str
    events: int
    accepted: int = 0
    retried: int = 0
    failure: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Send everything, in order, with retries."""
        for start in range(0, self.events, _BATCH):
            self._send_until_accepted([order(number) for number in range(start, min(start + _BATCH, self.events))])

    def _send_until_accepted(self, events: list[dict[str, Any]]) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                answer = send_batch(self.platform, self.write_key, events)
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code == 200 and not answer.json().get("rejected"):
                self.accepted += len(events)
                return
            self.retried += 1
            time.sleep(0.2)
        self.failure.append(
            f"a batch was not accepted within 90 s: {answer.text if answer is not None else 'no answer'}"
        )


def order(number: int) -> dict[str, Any]:
    """The n-th order, always the same: customer, amount, ids."""
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": f"u{number % 997}",
        "messageId": f"order-{number}",
        "properties": {"order_id": str(number), "revenue": number % 50, "currency": "USD"},
    }


def kill_at_random(platform: RunningPlatform, victims: list[str], chance: random.Random) -> list[str]:
    """kill -9 the named processes, one after the other, at random moments; return those that were alive."""
    killed = []
    for name in victims:
        time.sleep(chance.uniform(0.2, 1.5))
        pid = platform.pids().get(name)
        if pid is not None and psutil.pid_exists(pid):
            psutil.Process(pid).kill()
            killed.append(name)
    return killed


def check_totals(platform: RunningPlatform, events: int) -> None:
    """Every order once: in number, in sum, and per customer."""
    expected = sum(number % 50 for number in range(events))

    def totals() -> dict[str, Any]:
        try:
            with platform.client("profile") as client:
                content: dict[str, Any] = client.get("/v1/totals").json()
                return content
        except httpx.HTTPError:
            return {}

    wait_for(f"{events} events on timelines", lambda: totals().get("events", 0) >= events, seconds=180)
    time.sleep(2)  # what would come twice had time to come
    found = totals()
    assert (found["events"], found["purchases"]) == (events, events)
    assert Decimal(str(found["revenue"])) == expected
    assert found["customers"] == min(events, 997)
    check_some_customers(platform, events)


def check_some_customers(platform: RunningPlatform, events: int) -> None:
    """Five customers' own numbers, through the gateway."""
    query = """query($value: String!) { customerByIdentifier(namespace: "user_id", value: $value) {
        rfm { frequency monetary } timeline(first: 1) { totalCount } } }"""
    wait_for("the gateway answers", lambda: answers(platform, query), seconds=60)
    for user in (0, 1, 250, 500, 996):
        numbers = range(user, events, 997)
        customer = platform.ask(query, value=f"u{user}")["data"]["customerByIdentifier"]
        assert customer["rfm"]["frequency"] == len(numbers)
        assert Decimal(str(customer["rfm"]["monetary"])) == sum(number % 50 for number in numbers)
        assert customer["timeline"]["totalCount"] == len(numbers)


def answers(platform: RunningPlatform, query: str) -> bool:
    """Whether the gateway and what it reads are all back."""
    try:
        return "errors" not in platform.ask(query, value="u0")
    except httpx.HTTPError:
        return False


def lose_nothing(platform: RunningPlatform, victims: list[str], *, events: int, seed: int) -> None:
    """Load, kill, count."""
    load = Load(platform, create_source(platform, "shop"), events)
    loading = threading.Thread(target=load.run)
    loading.start()
    killed = kill_at_random(platform, victims, random.Random(seed))
    loading.join()
    assert not load.failure
    assert load.accepted == events
    assert killed, "nothing was killed"
    print(f"killed {killed}, {load.retried} requests repeated")
    check_totals(platform, events)


def test_a_few_kills_lose_nothing_and_double_nothing(platform: RunningPlatform) -> None:
    lose_nothing(platform, ["identity", "nats", "profile", "postgres", "identity"], events=8_000, seed=7)


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_double_nothing(platform: RunningPlatform) -> None:
    victims = random.Random(20).choices(sorted(platform.pids()), k=20)
    lose_nothing(platform, victims, events=100_000, seed=20)
