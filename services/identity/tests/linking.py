"""Somebody who links by probability and reviews: what tests of linking share."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from identity_service.ids import TimeOrderedIds
from servicekit.database import raw
from servicekit.testing import RunningService

DECIDE = ("identity:decide", "identity:read", "identity:write")
SOURCE = {"name": "A source", "department": "sales", "brand": "kizuna", "legal_entity": "Kizuna Inc."}

PERSON = {
    "surname": "渡辺",
    "given_name": "花子",
    "surname_kana": "ワタナベ",
    "given_name_kana": "ハナコ",
    "full_name": "渡辺花子",
    "birth_date": "1984-03-05",
    "gender": "female",
    "phone": "+819012345678",
    "postal_code": "1500001",
    "prefecture": "東京都",
    "city": "渋谷区",
    "town": "神宮前",
    "street": "1-2-3",
}
SURNAMES = ("佐藤", "鈴木", "高橋", "田中", "伊藤", "山本", "中村", "小林", "加藤", "吉田")
GIVEN_NAMES = ("太郎", "健一", "美咲", "陽子", "直樹", "由美", "大輔", "恵子", "翔太", "彩")


class Desk:
    """Somebody who knows what sources say of persons, starts runs and reviews what they find."""

    def __init__(self, service: RunningService) -> None:
        self.service = service
        self.new_id = TimeOrderedIds(lambda: int(service.clock.now().timestamp() * 1000))

    @property
    def headers(self) -> dict[str, str]:
        return self.service.headers(*DECIDE)

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        answer = await self.service.client.get(path, params=params, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: dict[str, Any], *, status: int = 200) -> dict[str, Any]:
        answer = await self.service.client.post(path, json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def source(self, source_id: str, **fields: Any) -> None:
        answer = await self.service.client.put(f"/v1/sources/{source_id}", json=SOURCE | fields, headers=self.headers)
        assert answer.status_code in {200, 201}, answer.text

    async def customer(self, person: dict[str, str], *, source: str = "shop", user_id: str | None = None) -> str:
        """A customer of whom a source says this."""
        [customer_id] = await self.customers([person], source=source, user_id=user_id)
        return customer_id

    async def customers(
        self, persons: Sequence[dict[str, str]], *, source: str = "shop", user_id: str | None = None
    ) -> list[str]:
        """Customers of whom a source says this; known by the user id or by member numbers of that source."""
        ids = [(self.new_id(), self.new_id()) for _ in persons]
        now = self.service.clock.now()
        namespace = "user_id" if user_id else f"{source}.member"
        async with self.service.database.transaction() as session:
            connection = await raw(session)
            await connection.executemany(
                "INSERT INTO customers (customer_id, created_at, version) VALUES ($1, $2, 1)",
                [(customer_id, now) for customer_id, _ in ids],
            )
            await connection.executemany(
                "INSERT INTO identifiers (anchor_id, namespace, value, is_current, customer_id, version, source_id, "
                "sources, event_id, rule, linked_at) "
                "VALUES ($1, $2, $3, true, $4, 1, $5, ARRAY[$5], $6, 'first_seen', $7)",
                [(anchor, namespace, user_id or str(anchor), one, source, uuid4(), now) for one, anchor in ids],
            )
            await connection.executemany(
                "INSERT INTO person_records (anchor_id, source_id, written, normal, occurred_at, changed_at) "
                "VALUES ($1, $2, $3::jsonb, $3::jsonb, $4, $4)",
                [(anchor, source, json.dumps(one), now) for (_, anchor), one in zip(ids, persons, strict=True)],
            )
        return [str(customer_id) for customer_id, _ in ids]

    async def now(self, customer_id: str) -> str | None:
        found = await self.post("/v1/customers:batchGet", {"customer_ids": [customer_id]})
        return found["customers"][0]["current_customer_id"]

    async def are_one(self, *customer_ids: str) -> bool:
        return len({await self.now(customer_id) for customer_id in customer_ids}) == 1

    async def run(self, kind: str = "full", *, state: str = "done") -> dict[str, Any]:
        """Start a run and wait for its end."""
        started = await self.post("/v1/linking/runs", {"kind": kind}, status=202)
        return await self.ended(started["run_id"], state=state)

    async def ended(self, run_id: str, *, state: str = "done") -> dict[str, Any]:
        async with asyncio.timeout(120):
            while (run := await self.get(f"/v1/linking/runs/{run_id}"))["state"] in {"queued", "running"}:  # noqa: ASYNC110 - nothing else to wait for
                await asyncio.sleep(0.05)
        assert run["state"] == state, run
        return run

    async def newest_run(self) -> dict[str, Any]:
        [run] = (await self.get("/v1/linking/runs", first=1))["items"]
        return run

    async def who(self, user_id: str) -> str:
        """Whose a user id is."""
        asked = {"identifiers": [{"namespace": "user_id", "value": user_id}]}
        [found] = (await self.post("/v1/identifiers:batchLookup", asked))["identifiers"]
        return found["customer_id"]

    async def candidates(self, state: str | None = None, **params: Any) -> list[dict[str, Any]]:
        page = await self.get("/v1/linking/candidates", **({"state": state} if state else {}), **params)
        return page["items"]

    async def decide(self, candidate: dict[str, Any], action: str, *, status: int = 200) -> dict[str, Any]:
        path = f"/v1/linking/candidates/{candidate['candidate_id']}:{action}"
        return await self.post(path, {"why": "Asked them."}, status=status)

    async def thresholds(self, *, upper: float, lower: float, **fields: Any) -> None:
        body = {"upper": upper, "lower": lower, **fields}
        answer = await self.service.client.put("/v1/linking/settings", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text

    async def rows(self, statement: str, *arguments: object) -> list[Any]:
        async with self.service.database.transaction() as session:
            return await (await raw(session)).fetch(statement, *arguments)


def someone(number: int) -> dict[str, str]:
    """A person like nobody else in the crowd."""
    surname, given_name = SURNAMES[number % 10], GIVEN_NAMES[number // 10]
    return {
        "surname": surname,
        "given_name": given_name,
        "full_name": surname + given_name,
        "birth_date": f"19{50 + number % 50}-{1 + number % 12:02}-{1 + number % 28:02}",
        "phone": f"+8180{number:08}",
        "postal_code": f"{1000000 + number * 37}",
        "prefecture": "大阪府",
        "city": "大阪市北区",
        "town": f"町{number}",
        "street": f"{number}-1",
    }


REVIEW_ALL = {"upper": 0.999999999999, "lower": 0.3}
"""Nothing is linked by its score alone."""


async def pair(desk: Desk) -> tuple[str, str]:
    """One person as two departments know her."""
    return await desk.customer(PERSON), await desk.customer(PERSON | {"street": "1-2"}, source="crm")


async def make_desk(service: RunningService) -> Desk:
    """Two sources of one legal entity, and a crowd that the shop knows."""
    desk = Desk(service)
    for source_id in ("shop", "crm"):
        await desk.source(source_id)
    await desk.customers([someone(number) for number in range(99)])
    return desk
