"""Somebody who merges, splits and undoes in tests, and looks at what became of it."""

from typing import Any

from contracts.identity import AnchorMoved
from servicekit.database import raw
from servicekit.testing import RunningService

DECIDE = ("identity:decide", "identity:read", "identity:write")


class Desk:
    """Somebody who decides, and looks at what became of it."""

    def __init__(self, identity: RunningService, shop: Any) -> None:
        self.identity, self.shop = identity, shop
        self.headers = identity.headers(*DECIDE)

    async def customer(self, *names: str) -> str:
        """A customer with these e-mail addresses under the first as the user id."""
        await self.shop.resolve(
            *({"type": "identify", "userId": names[0], "traits": {"email": f"{name}@example.jp"}} for name in names)
        )
        return (await self.owner("user_id", names[0]))[0]

    async def owner(self, namespace: str, value: str) -> tuple[str, str]:
        """(customer, anchor) of an identifier."""
        body = {"identifiers": [{"namespace": namespace, "value": value}]}
        answer = await self.identity.client.post("/v1/identifiers:batchLookup", json=body, headers=self.headers)
        [found] = answer.json()["identifiers"]
        return found["customer_id"], found["anchor_id"]

    async def anchors(self, customer_id: str) -> set[str]:
        """What a customer (or a former id of it) holds."""
        body = {"customer_ids": [customer_id]}
        answer = await self.identity.client.post("/v1/customers:batchGet", json=body, headers=self.headers)
        [customer] = answer.json()["customers"]
        return {one["anchor_id"] for one in customer["identifiers"]}

    async def now(self, customer_id: str) -> str | None:
        """Who a customer is now."""
        body = {"customer_ids": [customer_id]}
        answer = await self.identity.client.post("/v1/customers:batchGet", json=body, headers=self.headers)
        return answer.json()["customers"][0]["current_customer_id"]

    async def post(self, path: str, body: dict[str, Any], *, status: int = 201) -> dict[str, Any]:
        answer = await self.identity.client.post(path, json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def merge(self, *customer_ids: str, into: str | None = None, status: int = 201) -> dict[str, Any]:
        body = {"customer_ids": list(customer_ids), "into": into, "why": "One person."}
        return await self.post("/v1/customers:merge", body, status=status)

    async def split(self, customer_id: str, *anchor_ids: str, status: int = 201) -> dict[str, Any]:
        body = {"anchor_ids": list(anchor_ids), "why": "Two persons."}
        return await self.post(f"/v1/customers/{customer_id}:split", body, status=status)

    async def undo(self, decision: dict[str, Any], *, status: int = 201) -> dict[str, Any]:
        return await self.post(f"/v1/decisions/{decision['decision_id']}:undo", {"why": "A mistake."}, status=status)

    async def rows(self, statement: str, *arguments: object) -> list[Any]:
        async with self.identity.database.transaction() as session:
            return await (await raw(session)).fetch(statement, *arguments)

    async def partition(self) -> set[frozenset[str]]:
        """Which anchors belong together."""
        rows = await self.rows("SELECT array_agg(anchor_id) AS anchors FROM identifiers GROUP BY customer_id")
        return {frozenset(map(str, row["anchors"])) for row in rows}

    async def followed(self) -> set[frozenset[str]]:
        """The same as somebody sees it who reads nothing but facts."""
        await self.identity.drain()
        linked = await self.rows("SELECT anchor_id, customer_id FROM identifiers WHERE version = 1")
        held = {str(row["anchor_id"]): (1, str(row["customer_id"])) for row in linked}
        for fact in await self.identity.published(AnchorMoved):
            anchor = str(fact.anchor_id)
            if fact.version > held.get(anchor, (0, ""))[0]:
                held[anchor] = (fact.version, str(fact.customer_id))
        groups: dict[str, set[str]] = {}
        for anchor, (_, customer) in held.items():
            groups.setdefault(customer, set()).add(anchor)
        return {frozenset(group) for group in groups.values()}
