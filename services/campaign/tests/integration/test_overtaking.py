"""Facts of two streams come in any order: one that names a customer whose anchor is not there yet loses nothing."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from services.campaign.tests.integration.campaign_world import SEND, START, Marketer, Settle, entered, exited, later
from services.campaign.tests.integration.test_moves import moved
from sqlalchemy import text

from contracts.campaign import CampaignCustomerErased, MessageRequested
from contracts.identity import CustomerErased, ResolvedEvent
from servicekit.clock import FrozenClock
from servicekit.testing import RunningService

REST_AND_SEND: list[dict[str, Any]] = [
    {"key": "rest", "kind": "wait", "days": 1, "next": "offer"},
    {"key": "offer", **SEND},
]


def event(customer: UUID, anchor: UUID) -> ResolvedEvent:
    """The customer signs up."""
    return ResolvedEvent(
        event_id=uuid4(), customer_id=customer, anchor_id=anchor, occurred_at=START, source_id="shop",
        message_id=str(uuid4()), kind="track", name="Signed Up", received_at=START,
    )  # fmt: skip


class Overtaking:
    """An anchor that moved from the first to the second customer, who has a run, and is on its way to the third."""

    def __init__(self, service: RunningService, marketer: Marketer, settle: Settle) -> None:
        self.service, self.marketer, self.settle = service, marketer, settle
        self.first, self.second, self.third, self.anchor = uuid4(), uuid4(), uuid4(), uuid4()

    async def begin(self, **definition: Any) -> None:
        await self.marketer.set_up(**({"steps": REST_AND_SEND} | definition))
        await self.publish(moved(self.anchor, former=self.first, to=self.second), entered(self.second))

    async def publish(self, *facts: Any) -> None:
        for fact in facts:
            await self.service.publish([fact])
            await self.settle()

    @property
    def move(self) -> Any:
        return moved(self.anchor, former=self.second, to=self.third, version=2)

    async def active(self) -> list[list[str]]:
        """The runs' statuses, of the first, the second and the third customer."""
        customers = (self.first, self.second, self.third)
        return [[run["status"] for run in await self.marketer.runs(customer)] for customer in customers]

    async def waiting(self) -> int:
        """How many entries wait for a move."""
        async with self.service.database.transaction() as session:
            return int(await session.scalar(text("SELECT count(*) FROM early_entries")) or 0)


@pytest.fixture
def overtaking(service: RunningService, marketer: Marketer, settle: Settle) -> Overtaking:
    return Overtaking(service, marketer, settle)


@pytest.mark.parametrize("is_early", [False, True])
async def test_an_entry_before_its_move_has_the_effect_of_one_after_it(
    overtaking: Overtaking, clock: FrozenClock, is_early: bool
) -> None:
    await overtaking.begin()
    fact = entered(overtaking.third, anchor=overtaking.anchor, reason="move")
    await overtaking.publish(*([fact, overtaking.move] if is_early else [overtaking.move, fact]))
    assert await overtaking.active() == [[], ["active"], ["active"]]
    assert await overtaking.waiting() == 0
    clock.advance(later(days=2))
    await overtaking.settle()
    messages = await overtaking.service.published(MessageRequested)
    assert {(one.customer_id, one.anchor_id) for one in messages} == {
        (overtaking.second, overtaking.second),
        (overtaking.third, overtaking.anchor),
    }


@pytest.mark.parametrize("is_early", [False, True])
async def test_an_event_before_its_move_too(overtaking: Overtaking, is_early: bool) -> None:
    await overtaking.begin(trigger={"kind": "event", "event": "Signed Up"})
    await overtaking.publish(event(overtaking.second, overtaking.second))
    fact = event(overtaking.third, overtaking.anchor)
    await overtaking.publish(*([fact, overtaking.move] if is_early else [overtaking.move, fact]))
    assert await overtaking.active() == [[], ["active"], ["active"]]


LEAVING = {"kind": "segment_entered", "segment_key": "going_dormant", "exit_on_segment_exit": True}


@pytest.mark.parametrize("is_early", [False, True])
async def test_an_exit_before_its_move_ends_no_run_of_whoever_has_the_anchor_still(
    overtaking: Overtaking, is_early: bool
) -> None:
    await overtaking.begin(trigger=LEAVING)
    await overtaking.publish(entered(overtaking.third))
    fact = exited(overtaking.third, anchor=overtaking.anchor)
    await overtaking.publish(*([fact, overtaking.move] if is_early else [overtaking.move, fact]))
    assert await overtaking.active() == [[], ["active"], ["ended"]]


@pytest.mark.parametrize("is_late", [False, True])
async def test_an_exit_after_its_move_ends_what_hangs_on_its_anchor_only(
    overtaking: Overtaking, marketer: Marketer, clock: FrozenClock, is_late: bool
) -> None:
    await marketer.set_up(trigger=LEAVING, steps=REST_AND_SEND)
    await overtaking.publish(entered(overtaking.second))
    clock.advance(later(seconds=1))  # of two runs the older goes on
    await overtaking.publish(entered(overtaking.first, anchor=overtaking.anchor))
    fact = exited(overtaking.first, anchor=overtaking.anchor)
    move = moved(overtaking.anchor, former=overtaking.first, to=overtaking.second)
    await overtaking.publish(*([move, fact] if is_late else [fact, move]))
    async with overtaking.service.database.transaction() as session:
        goes_on = await session.scalars(text("SELECT anchor_id FROM runs WHERE status = 'active'"))
        assert list(goes_on) == [overtaking.second]


@pytest.mark.parametrize("are_early", [False, True])
async def test_who_enters_and_leaves_before_the_move_has_left_after_it(overtaking: Overtaking, are_early: bool) -> None:
    await overtaking.begin(trigger=LEAVING)
    facts = [entered(overtaking.third, anchor=overtaking.anchor), exited(overtaking.third, anchor=overtaking.anchor)]
    await overtaking.publish(*([*facts, overtaking.move] if are_early else [overtaking.move, *facts]))
    first, second, third = await overtaking.active()
    assert (first, second) == ([], ["active"])
    assert "active" not in third
    assert await overtaking.waiting() == 0


async def test_of_two_entries_in_one_batch_none_is_lost(overtaking: Overtaking) -> None:
    await overtaking.marketer.set_up(steps=REST_AND_SEND)
    await overtaking.publish(moved(overtaking.anchor, former=overtaking.first, to=overtaking.second))
    early = entered(overtaking.third, anchor=overtaking.anchor, at=START + later(seconds=1), reason="move")
    await overtaking.service.publish([entered(overtaking.second), early])
    await overtaking.settle()
    await overtaking.publish(overtaking.move)
    assert await overtaking.active() == [[], ["active"], ["active"]]


@pytest.mark.parametrize("is_early", [False, True])
async def test_who_was_in_the_journey_once_does_not_enter_again(
    overtaking: Overtaking, clock: FrozenClock, is_early: bool
) -> None:
    await overtaking.begin()
    await overtaking.publish(entered(overtaking.third))
    clock.advance(later(days=2))
    await overtaking.settle()
    fact = entered(overtaking.third, anchor=overtaking.anchor, at=clock.now(), reason="move")
    await overtaking.publish(*([fact, overtaking.move] if is_early else [overtaking.move, fact]))
    assert await overtaking.active() == [[], ["ended"], ["ended"]]
    assert await overtaking.waiting() == 0


async def test_a_late_entry_is_that_of_whoever_has_the_anchor_now(overtaking: Overtaking, clock: FrozenClock) -> None:
    await overtaking.begin()
    await overtaking.publish(entered(overtaking.first, anchor=overtaking.anchor))  # of the time before the move
    assert await overtaking.active() == [[], ["active"], []]
    await overtaking.publish(overtaking.move)  # to somebody whom it does not name
    assert await overtaking.active() == [[], ["active"], []]
    assert await overtaking.waiting() == 1
    clock.advance(later(days=9))
    await overtaking.publish(moved(uuid4(), former=uuid4(), to=uuid4()))
    assert await overtaking.waiting() == 0


async def test_what_waits_is_erased_with_whoever_has_the_anchor(overtaking: Overtaking) -> None:
    await overtaking.begin()
    await overtaking.publish(entered(overtaking.third, anchor=overtaking.anchor, reason="move"))
    assert await overtaking.waiting() == 1
    erased = CustomerErased(
        event_id=uuid4(), customer_id=overtaking.second, anchor_id=overtaking.second, occurred_at=START,
        erasure_id=uuid4(), former_customer_ids=[overtaking.first],
    )  # fmt: skip
    await overtaking.publish(erased)
    assert await overtaking.waiting() == 0
    (receipt,) = await overtaking.service.published(CampaignCustomerErased)
    assert receipt.rows["early_entries"] == 1
