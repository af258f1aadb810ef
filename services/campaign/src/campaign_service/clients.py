"""What campaign's workers read from profile, in batches: purchases and present members are profile's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from campaign_service.repository.assignments import Unread
from servicekit.clients import JsonClient
from servicekit.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Member:
    """A segment's present member."""

    customer_id: UUID
    anchor_id: UUID


@dataclass(frozen=True, slots=True)
class MemberPage:
    """Some members; `next` is the cursor of the page after, None on the last."""

    members: list[Member]
    next: str | None


@dataclass(frozen=True, slots=True)
class Purchases:
    """How often a customer reached the goal in the window, and what it brought."""

    count: int
    total: Decimal


class ProfileReader:
    """Profile's batch endpoints."""

    PAGE = 1000

    def __init__(self, client: JsonClient) -> None:
        self._client = client

    async def read_members(self, segment_key: str, *, after: str | None) -> MemberPage:
        """Return a page of a segment's members.

        Raises:
            Unavailable: profile does not answer, or not in the agreed form.
        """
        query: dict[str, str | int] = {"segment": segment_key, "first": self.PAGE}
        if after is not None:
            query["after"] = after
        answer = await self._client.get("/v1/customers", **query)
        try:
            members = [Member(UUID(item["customer_id"]), UUID(item["anchor_id"])) for item in answer["items"]]
            return MemberPage(members, answer["next"])
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable("profile lists customers in a form campaign does not know.") from error

    async def read_purchases(self, unread: Sequence[Unread]) -> list[Purchases]:
        """Return what each customer bought in their window; all of one campaign, at most 1000. In the order asked for.

        Raises:
            Unavailable: profile does not answer, or not in the agreed form.
        """
        goal = unread[0]
        body = {
            "event": goal.goal_event,
            "sum_property": goal.goal_sum_property,
            "where": [],
            "windows": [_window(index, each) for index, each in enumerate(unread)],
        }
        answer = await self._client.post("/v1/conversions:batchGet", body)
        try:
            found = {item["key"]: _purchases(item) for item in answer["conversions"]}
            return [found[str(index)] for index in range(len(unread))]
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise Unavailable("profile gives conversions in a form campaign does not know.") from error


def _window(index: int, unread: Unread) -> dict[str, str]:
    until = unread.assigned_at + timedelta(days=unread.goal_window_days)
    return {
        "key": str(index),
        "customer_id": str(unread.customer_id),
        "from": _instant(unread.assigned_at),
        "until": _instant(until),
    }


def _instant(moment: datetime) -> str:
    return moment.isoformat()


def _purchases(item: dict[str, Any]) -> Purchases:  # JSON
    return Purchases(int(item["count"]), Decimal(str(item["sum"] if item["sum"] is not None else 0)))
