"""Whatever the order of moves, entries and outcomes: everything stands under whoever holds the anchor, and of one
customer's runs in a journey one goes on."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.campaign.tests.integration.campaign_world import SEND, START, Marketer, Settle, entered

from campaign_service.models import Base
from contracts.delivery import MessageSent
from contracts.identity import AnchorMoved
from servicekit.clock import FrozenClock
from servicekit.database import raw
from servicekit.tables import rows_follow
from servicekit.testing import RunningService

ANCHORS = 3
COUPON_THEN_REST: list[dict[str, Any]] = [
    {"key": "offer", **SEND, "coupon": {"prefix": "BACK"}, "next": "rest"},
    {"key": "rest", "kind": "wait", "days": 300},
]
STEPS = st.lists(
    st.tuples(st.sampled_from(["enter", "move", "sent", "wait"]), st.integers(0, ANCHORS - 1), st.integers(0, 3)),
    max_size=12,
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, random=st.randoms(use_true_random=False))
async def test_rows_are_where_their_anchors_are_and_one_run_goes_on(
    service: RunningService,
    marketer: Marketer,
    settle: Settle,
    clock: FrozenClock,
    steps: list[tuple[str, int, int]],
    random: Any,
) -> None:
    await marketer.set_up(reentry={"after_days": 1}, steps=COUPON_THEN_REST)
    anchors, people = [uuid4() for _ in range(ANCHORS)], [uuid4() for _ in range(4)]
    home, versions, waiting = dict(zip(anchors, people, strict=False)), dict.fromkeys(anchors, 0), list[Any]()
    for what, number, to in steps:
        anchor, customer = anchors[number], people[to]
        if what == "enter":
            waiting.append(entered(home[anchor], anchor=anchor))
        elif what == "sent":
            waiting.append(sent(home[anchor], anchor))
        elif what == "move" and customer != home[anchor]:
            versions[anchor] += 1
            waiting.append(
                AnchorMoved(
                    event_id=uuid4(), customer_id=customer, anchor_id=anchor, occurred_at=START,
                    former_customer_id=home[anchor], version=versions[anchor], reason="merge",
                )
            )  # fmt: skip
            home[anchor] = customer
        elif what == "wait":
            random.shuffle(waiting)
            await service.publish(waiting)
            await settle()
            waiting = []
            clock.advance(timedelta(days=2))
    random.shuffle(waiting)
    await service.publish(waiting)
    await settle()

    following = {table for table, choice in rows_follow(Base).items() if choice == "move"}
    assert following == {"runs", "early_entries", "assignments", "message_outcomes", "coupons"}
    for table in following:
        for row in await rows(service, table, anchors):
            assert row["customer_id"] == home[row["anchor_id"]], table
    standing = await rows(service, "runs", anchors)
    active = Counter(run["customer_id"] for run in standing if run["status"] == "active")
    assert set(active.values()) <= {1}
    assert set(active) == {run["customer_id"] for run in standing}, "who ran goes on: nobody is left without"
    by_id = {run["run_id"]: run for run in standing}
    for run in standing:
        assert (run["outcome"] == "merged") == (run["status"] == "ended")
        if run["yields_to"] is not None:
            assert by_id[run["yields_to"]]["customer_id"] == run["customer_id"]


def sent(customer: UUID, anchor: UUID) -> MessageSent:
    """A message of the campaign went out."""
    return MessageSent(
        event_id=uuid4(), customer_id=customer, anchor_id=anchor, occurred_at=START, message_id=uuid4(), run_id=None,
        campaign_key="dormant", channel="email", template_key="come_back",
    )  # fmt: skip


async def rows(service: RunningService, table: str, anchors: list[UUID]) -> list[Any]:
    """A table's rows of these anchors."""
    async with service.database.transaction() as session:
        sql = f"SELECT * FROM {table} WHERE anchor_id = ANY($1::uuid[])"  # a table of the models
        return list(await (await raw(session)).fetch(sql, anchors))
