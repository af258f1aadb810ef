"""R2: kill -9 between the relay's 250 and the record: never sent again, and its outcome is said to be unknown."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from contracts.delivery import MessageFailed, MessageSent
from delivery_service.app import build
from delivery_service.settings import Settings
from servicekit.clock import FrozenClock, SystemClock
from servicekit.testing import Environment, create_database, running

LEASE_SECONDS = 2


@asynccontextmanager
async def worker_process(
    environment: Environment, database_url: str, **settings: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m delivery_service work`; kill it at the end."""
    directory = environment.directory
    variables = {
        "port": 0,
        "database_url": database_url,
        "nats_url": environment.nats_url,
        "jwks_file": directory / "jwks.json",
        "signing_key_file": directory / "delivery.pem",
        "secret_file": directory / "secret",
        "public_url": "http://delivery.test",
        "lease_seconds": LEASE_SECONDS,
        "poll_seconds": 0.1,
    } | settings
    log = (directory / "worker.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "delivery_service", "work",
        env=os.environ | {f"DELIVERY_{name.upper()}": str(value) for name, value in variables.items()},
        stdout=log, stderr=log,
    )  # fmt: skip
    try:
        yield process
    finally:
        log.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(condition: Any, *, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - it asks another process
            await asyncio.sleep(0.05)


async def test_kill_between_250_and_the_record(
    environment: Environment, mailbox: Any, profile: Any, make_delivery: Any
) -> None:
    database_url = await create_database(environment.postgres, build)
    smtp = {"smtp_url": f"smtp://127.0.0.1:{mailbox.port}", "profile_url": profile.url}
    async with running(
        build,
        Settings,
        environment,
        clock=FrozenClock(SystemClock().now()),
        workers=False,
        database_url=database_url,
        **smtp,
    ) as service:
        delivery = make_delivery(service, mailbox, profile)
        await delivery.configure()
        contact = delivery.linked("hanako@example.com")
        request = delivery.requested(contact)
        blocker: asyncpg.Connection = await asyncpg.connect(database_url)
        blocked = asyncio.Event()

        async def block_the_record(_: str) -> None:
            await blocker.execute("BEGIN")
            await blocker.execute("LOCK TABLE messages IN EXCLUSIVE MODE")  # readers go on, the record has to wait
            blocked.set()

        async def state() -> str:
            rows = await delivery.fetch("SELECT state FROM messages WHERE message_id = $1", request.message_id)
            return str(rows[0]["state"]) if rows else ""

        async def record_waits() -> bool:
            return bool(
                await delivery.fetch(
                    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
                    "AND query LIKE '%UPDATE messages m SET%r.state%'"
                )
            )

        mailbox.before_answer = block_the_record
        async with worker_process(environment, database_url, **smtp) as process:
            await service.publish([contact])
            await service.drain()
            await delivery.permit("hanako@example.com")
            await service.publish([request])
            await asyncio.wait_for(blocked.wait(), 30)
            await until(record_waits)  # it read the 250 and is about to write it down
            assert await state() == "sending"
            process.send_signal(signal.SIGKILL)
            await process.wait()
        await blocker.execute("ROLLBACK")
        await blocker.close()
        mailbox.before_answer = None
        assert len(mailbox.mails) == 1
        assert await state() == "sending"

        async with worker_process(environment, database_url, **smtp):

            async def is_unknown() -> bool:
                return await state() == "unknown"

            await until(is_unknown)
            await asyncio.sleep(1)
            failed = await service.published(MessageFailed)
            sent = await service.published(MessageSent)
        assert len(mailbox.mails) == 1
        assert [(fact.message_id, fact.reason) for fact in failed] == [(request.message_id, "unknown")]
        assert sent == []


@pytest.mark.slow
async def test_random_kills_send_nothing_twice(
    environment: Environment, mailbox: Any, profile: Any, make_delivery: Any
) -> None:
    database_url = await create_database(environment.postgres, build)
    smtp = {"smtp_url": f"smtp://127.0.0.1:{mailbox.port}", "profile_url": profile.url, "batch_size": 20}
    async with running(
        build,
        Settings,
        environment,
        clock=FrozenClock(SystemClock().now()),
        workers=False,
        database_url=database_url,
        **smtp,
    ) as service:
        delivery = make_delivery(service, mailbox, profile)
        await delivery.configure()
        contacts = [delivery.linked(f"c{number}@example.com") for number in range(1000)]
        requests = [delivery.requested(contact) for contact in contacts]
        await delivery.permit(*(contact.value for contact in contacts))
        async with worker_process(environment, database_url, **smtp):
            await service.publish(contacts)
            await service.drain()
        await service.publish(requests)
        for share in sorted(random.sample(range(1, 90), 3)):
            async with worker_process(environment, database_url, **smtp):

                async def is_underway(share: int = share) -> bool:
                    return len(mailbox.mails) >= len(requests) * share / 100

                await until(is_underway)
        async with worker_process(environment, database_url, **smtp):

            async def all_ended() -> bool:
                return len(await delivery.fetch("SELECT FROM messages WHERE ended_at IS NOT NULL")) == len(requests)

            await until(all_ended, seconds=120)
            await service.drain()
        addresses = [to for to, _ in mailbox.mails]
        assert len(addresses) == len(set(addresses))
        counts = {
            row["state"]: row["n"] for row in await delivery.fetch("SELECT state, count(*) n FROM messages GROUP BY 1")
        }
        assert set(counts) <= {"sent", "unknown"}
        assert counts["sent"] <= len(addresses) <= sum(counts.values())
        assert len(await service.published(MessageSent)) == counts["sent"]
        assert len(await service.published(MessageFailed)) == counts.get("unknown", 0)
