"""Runs move on: claimed in batches, taken through their steps set-wise, in one transaction with their facts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from campaign_service.events import answer_requested, message_requested, run_ended
from campaign_service.repository import assignments, configuration, results, runs
from campaign_service.repository.runs import RunInHand
from campaign_service.rules.arms import draw_arm
from campaign_service.rules.definition import AskStep, Definition, EndStep, HoldoutStep, SendStep, Step, WaitStep
from campaign_service.rules.names import coupon_code, effect_id
from contracts.campaign import AnswerRequested, MessageRequested, RunEnded
from servicekit.outbox import publish
from servicekit.tracing import continue_traces


@dataclass(frozen=True, kw_only=True)
class Journeying:
    """What moving runs on takes beside the database."""

    coupon_secret: Callable[[], bytes]
    first_reading: timedelta
    """How long after the assignment purchases are read first."""


@dataclass
class Stride:
    """One batch of claimed runs on their way: which still move, and what they have to say."""

    session: AsyncSession
    now: datetime
    journeying: Journeying
    facts: list[MessageRequested | AnswerRequested | RunEnded] = field(default_factory=list)

    def go_on(self, run: RunInHand, definition: Definition, step: Step) -> None:
        """Leave a step: arrive at the next, where a wait makes the run rest, or end."""
        if step.next is None:
            self.end(run, "completed")
            return
        following = definition.step(step.next)
        run.step, run.visit = following.key, run.visit + 1
        run.wake_at = self.now + (following.duration if isinstance(following, WaitStep) else timedelta())

    def end(self, run: RunInHand, outcome: str) -> None:
        """The run does nothing more."""
        run.outcome, run.ended_at, run.wake_at = outcome, self.now, None
        self.facts.append(run_ended(run, now=self.now))

    def set_aside(self, run: RunInHand) -> None:
        """The run does nothing more unless its customer turns out to be two: it keeps its `wake_at`."""
        run.outcome, run.ended_at = "exited", self.now
        self.facts.append(run_ended(run, now=self.now, may_go_on=True))

    def moves(self, run: RunInHand) -> bool:
        """Whether the run has something to do now."""
        return run.ended_at is None and run.wake_at is not None and run.wake_at <= self.now


async def advance_due_runs(session: AsyncSession, *, now: datetime, limit: int, journeying: Journeying) -> int:
    """Move up to `limit` due runs of each published journey as far as they get now; return how many were due.

    A kill at any moment leaves either none or all of it: the runs, their facts and coupons are one transaction.
    """
    await runs.hold_pauses(session)
    claimed = await runs.claim_due_runs(session, now=now, limit=limit)
    if not claimed:
        return 0
    traces = [run.traceparent for run in claimed]
    with continue_traces("runs advance", traces, attributes={"runs": len(claimed)}):
        await _advance(Stride(session, now, journeying), claimed)
    return len(claimed)


async def _advance(stride: Stride, claimed: Sequence[RunInHand]) -> None:
    versions = sorted({(run.journey_key, run.journey_version) for run in claimed})
    definitions = await configuration.definitions(stride.session, versions)
    moving = claimed
    for run in claimed:
        run.wake_at = stride.now
    while moving:
        for (journey_key, version, step_key), group in _by_step(moving).items():
            definition = definitions[journey_key, version]
            await _take_step(stride, definition, definition.step(step_key), group)
        moving = [run for run in moving if stride.moves(run)]
    await runs.save_runs(stride.session, claimed)
    await publish(stride.session, stride.facts)


def _by_step(moving: Iterable[RunInHand]) -> dict[tuple[str, int, str], list[RunInHand]]:
    groups: dict[tuple[str, int, str], list[RunInHand]] = defaultdict(list)
    for run in moving:
        groups[run.journey_key, run.journey_version, run.step].append(run)
    return groups


async def _take_step(stride: Stride, definition: Definition, step: Step, group: list[RunInHand]) -> None:
    if isinstance(step, HoldoutStep):
        await _draw_arms(stride, definition, step, group)
    elif isinstance(step, SendStep):
        group = await _not_held_out(stride, definition, group)
        await _send(stride, step, group)
    elif isinstance(step, AskStep):
        group = await _not_held_out(stride, definition, group)
        _ask(stride, step, group)
    for run in group:
        if isinstance(step, EndStep):
            stride.end(run, "completed")
        elif run.ended_at is None:
            stride.go_on(run, definition, step)


async def _draw_arms(stride: Stride, definition: Definition, step: HoldoutStep, group: list[RunInHand]) -> None:
    """Draw the arm of customers who have none in this campaign; held-out runs end here."""
    salt = step.salt or definition.campaign_key
    draws = [
        assignments.Draw(run.customer_id, run.anchor_id, draw_arm(run.customer_id, salt, step.percent)) for run in group
    ]
    due_at = stride.now + stride.journeying.first_reading
    await assignments.assign_arms(stride.session, definition.campaign_key, draws, now=stride.now, due_at=due_at)
    await _not_held_out(stride, definition, group)


async def _not_held_out(stride: Stride, definition: Definition, group: list[RunInHand]) -> list[RunInHand]:
    """End the runs of customers whom the campaign holds out, also in part (customers of both arms who became one)."""
    arms = await assignments.find_arms(stride.session, definition.campaign_key, [run.customer_id for run in group])
    for run in group:
        known = arms.get(run.customer_id, frozenset())
        if known == {"holdout"}:
            run.arm = "holdout"
            stride.end(run, "completed")
        elif "holdout" in known:
            stride.set_aside(run)
        else:
            run.arm = "treatment"
    return [run for run in group if run.ended_at is None]


async def _send(stride: Stride, step: SendStep, group: list[RunInHand]) -> None:
    codes: list[results.Code] = []
    for run in group:
        message_id = effect_id(run.run_id, step.key, run.visit)
        coupon = None
        if step.coupon is not None:
            coupon = coupon_code(step.coupon.prefix, message_id, stride.journeying.coupon_secret())
            codes.append(results.Code(coupon, message_id, run.run_id, run.customer_id, run.anchor_id))
        stride.facts.append(message_requested(run, step, message_id=message_id, coupon=coupon, now=stride.now))
    if codes:
        await results.issue_coupons(stride.session, group[0].campaign_key, codes, now=stride.now)


def _ask(stride: Stride, step: AskStep, group: list[RunInHand]) -> None:
    for run in group:
        invitation_id = effect_id(run.run_id, step.key, run.visit)
        stride.facts.append(answer_requested(run, step, invitation_id=invitation_id, now=stride.now))
