"""What delivery asks of other services."""

from collections.abc import Iterable, Mapping
from typing import Protocol
from uuid import UUID

from servicekit.clients import JsonClient

Traits = Mapping[str, object]


class TraitSource(Protocol):
    """Where a batch's traits come from."""

    async def read_traits(self, customer_ids: Iterable[UUID], names: Iterable[str] | None) -> dict[UUID, Traits]:
        """Return the traits by customer (names: None for all); raises servicekit.errors.Unavailable."""
        ...


class ProfileClient:
    """Profile's batch read of folded traits."""

    def __init__(self, client: JsonClient) -> None:
        self._client = client

    async def read_traits(self, customer_ids: Iterable[UUID], names: Iterable[str] | None) -> dict[UUID, Traits]:
        """Return the traits of up to 1000 customers with one request.

        Raises:
            Unavailable: profile does not answer in time.
        """
        body = {
            "customer_ids": sorted({str(customer_id) for customer_id in customer_ids}),
            "names": None if names is None else sorted(names),
        }
        answer = await self._client.post("/v1/traits:batchGet", body)
        return {UUID(entry["customer_id"]): entry["traits"] for entry in answer["customers"]}
