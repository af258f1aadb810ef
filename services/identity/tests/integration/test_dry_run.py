"""What other rules would make of the base: asked for over REST, held against really having had those rules."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from services.identity.tests.integration.conftest import make_sender

from identity_service.app import build
from identity_service.schemas.rules import NamedRules
from identity_service.service.dry_run import DryRun
from identity_service.service.jobs import JobRunner, RunningJob, enqueue
from identity_service.service.rules import named_rules
from identity_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.database import raw
from servicekit.testing import Environment, RunningService, running

FAMILY: list[dict[str, Any]] = [
    {"type": "identify", "userId": "hanako", "anonymousId": "pc", "traits": {"email": "hanako@example.jp"}},
    {"type": "identify", "userId": "taro", "anonymousId": "pc", "traits": {"email": "taro@example.jp"}},
    {"type": "identify", "userId": "hanako", "traits": {"email": "work@example.jp"}},
    {"type": "identify", "userId": "jiro", "traits": {"email": "family@example.jp"}},
    {"type": "identify", "userId": "taro", "traits": {"email": "family@example.jp"}},
    *(
        {"type": "identify", "userId": f"u{number}", "traits": {"email": f"u{number}@example.jp"}}
        for number in range(9)
    ),
]


def rules(*, emails: int, is_unique: bool) -> dict[str, Any]:
    return {
        "namespaces": [
            {"name": "user_id", "limit": 1 if is_unique else 5, "priority": 1, "unique": is_unique},
            {"name": "email", "limit": emails, "priority": 2},
            {"name": "phone", "limit": 5, "priority": 3},
            {"name": "anonymous_id", "limit": 5, "priority": 4},
        ]
    }


async def resolve(service: RunningService, events: Sequence[dict[str, Any]]) -> None:
    sender = await make_sender(service, "shop")
    for event in events:
        await sender.resolve(event)


async def customers(service: RunningService) -> set[frozenset[tuple[str, str]]]:
    """The partition of the identifiers that are not shared."""
    async with service.database.transaction() as session:
        rows = await (await raw(session)).fetch(
            "SELECT customer_id, namespace, value FROM identifiers WHERE namespace <> 'anonymous_id'"
        )
    groups: dict[object, set[tuple[str, str]]] = {}
    for row in rows:
        groups.setdefault(row["customer_id"], set()).add((row["namespace"], row["value"]))
    return {frozenset(group) for group in groups.values()}


async def dry_run(service: RunningService, body: dict[str, Any]) -> dict[str, Any]:
    asked = await service.client.post("/v1/rules:dryRun", json=body, headers=service.headers())
    assert asked.status_code == 202, asked.text
    async with asyncio.timeout(30):
        while True:
            answer = await service.client.get(f"/v1/jobs/{asked.json()['job_id']}", headers=service.headers())
            job = answer.json()
            if job["state"] not in {"queued", "running"}:
                assert job["state"] == "done", job
                return job["result"]
            await asyncio.sleep(0.02)  # there is nothing else to wait for


async def test_a_dry_run_says_what_having_had_other_rules_would_have_made(
    environment: Environment, clock: FrozenClock
) -> None:
    proposals = [rules(emails=1, is_unique=True), rules(emails=5, is_unique=False), rules(emails=5, is_unique=True)]
    async with running(build, Settings, environment, clock=clock) as present:
        await resolve(present, FAMILY)
        before = await customers(present)
        results = [await dry_run(present, proposal) for proposal in proposals]
        assert await customers(present) == before
    for proposal, result in zip(proposals, results, strict=True):
        async with running(build, Settings, environment, clock=clock) as other:
            replaced = await other.client.put("/v1/rules", json={**proposal, "why": "x"}, headers=other.headers())
            assert replaced.status_code == 200
            await resolve(other, FAMILY)
            after = await customers(other)
        assert result["customers_before"] == len(before)
        assert result["customers_after"] == len(after), result
    stricter, looser, same = results
    assert (stricter["merges_count"], same["merges_count"], same["splits_count"]) == (0, 0, 0)
    assert stricter["splits_count"] == len(stricter["splits"]) > 0
    assert looser["merges_count"] == len(looser["merges"]) == 1
    [merge] = looser["merges"]
    assert len(merge["customer_ids"]) == 3
    assert {one["namespace"] for one in merge["through"]} >= {"user_id"}


async def test_a_dry_run_goes_on_from_where_a_worker_left_it(identity: RunningService) -> None:
    """The job's cursor holds the sums so far: the second half adds to them."""
    await resolve(identity, FAMILY)
    whole = await dry_run(identity, rules(emails=1, is_unique=True))
    body = [NamedRules.model_validate(one) for one in rules(emails=1, is_unique=True)["namespaces"]]
    parameters = {"namespaces": [{"name": one.name, **named_rules(one.name, one)} for one in body]}
    async with identity.database.transaction() as session:
        job_id = await enqueue(session, "piecemeal", parameters, by="tester", clock=identity.clock, new_id=uuid4)
    small, tries = DryRun(database=identity.database, stretch=2), []

    async def interrupted(job: RunningJob) -> dict[str, Any]:
        tries.append(job.done)
        report = job.report

        async def report_and_fail(*arguments: Any, **within: Any) -> None:
            await report(*arguments, **within)
            if not within and job.done >= 4 and len(tries) == 1:
                raise ConnectionError

        job.report = report_and_fail  # type: ignore[method-assign]
        try:
            return await small(job)
        finally:
            job.report = report  # type: ignore[method-assign]

    runner = JobRunner(
        database=identity.database, clock=identity.clock, kinds={"piecemeal": interrupted}, poll_seconds=0.05,
        retry_seconds=0.05,
    )  # fmt: skip
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    try:
        async with asyncio.timeout(20):
            while True:
                answer = await identity.client.get(f"/v1/jobs/{job_id}", headers=identity.headers())
                if answer.json()["state"] == "done":
                    break
                await asyncio.sleep(0.02)
    finally:
        stop.set()
        await task
    assert len(tries) == 2
    assert tries[1] >= 4
    assert answer.json()["result"] == whole
