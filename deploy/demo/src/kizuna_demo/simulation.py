"""Simulated customers read their mails, follow links, buy and answer, all of it through what real customers use.

Nothing here asks the platform who is in which arm: a simulated customer who found the coupon in the mailbox was
reached, everybody else of the segment was not (held out, no address, or no permission).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

import aiohttp

from kizuna_demo.behaviour import Behaviour, draw_behaviour, purchases_by_customer, true_effect
from kizuna_demo.configuration import documents
from kizuna_demo.errors import StoryError
from kizuna_demo.mailbox import Mail, Mailbox
from kizuna_demo.patience import patiently, refuse_busy
from kizuna_demo.platform import Platform, encode_json
from kizuna_demo.progress import Progress, SimulatedPurchase
from kizuna_demo.segment_spec import Event
from kizuna_demo.waiting import PATIENCE_SECONDS
from kizuna_demo.world import World, order_properties
from servicekit.clock import Clock

COUPON_SENDER = "news@shop.example"
INVITATION_SENDER = "voice@shop.example"

_BUSY_CUSTOMERS = 8
"""How many customers do something at the same moment."""
_LOOK_AGAIN_SECONDS = 0.5
_TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass(slots=True)
class Reached:
    """What the simulated customers did, by user_id."""

    coupon: set[str] = field(default_factory=set)
    invitation: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    """Any of both mails."""
    clicked: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)


class Simulation:
    """The customers of the journey, each with a drawn behaviour."""

    def __init__(self, platform: Platform, *, world: World, members: Iterable[str], clock: Clock) -> None:
        """`members`: user_ids of those in the segment when the journey was published."""
        past = purchases_by_customer(world.purchases)
        self._promises = offered_promises()
        self._behaviours: Mapping[str, Behaviour] = {
            user_id: draw_behaviour(user_id, past=past[user_id], promises=len(self._promises), seed=world.seed)
            for user_id in members
        }
        self._user_ids = {person.email: person.user_id for person in world.people if person.email}
        self._opted_in = {person.user_id for person in world.people if person.opted_in}
        self._visitors = {visitor.user_id for visitor in world.visitors}
        self._platform = platform
        self._mailbox = Mailbox(platform)
        self._busy = asyncio.Semaphore(_BUSY_CUSTOMERS)
        self._clock = clock
        self._coupons: dict[str, str] = {}
        self.reached = Reached()

    async def read_mails_until(self, over: Callable[[], Awaitable[bool]], *, on_mail: Callable[[int], None]) -> None:
        """React to every mail that arrives, until nothing more will. `on_mail` hears how many just came."""
        latest = time.monotonic()
        last_look = False
        while not last_look:
            last_look = await over()  # asked before looking, so that the last look misses nothing
            async with asyncio.TaskGroup() as group:
                async for mail in self._mailbox.new_mails():
                    latest = time.monotonic()
                    on_mail(1)
                    group.create_task(self._react(mail))
            if time.monotonic() - latest > PATIENCE_SECONDS:
                raise StoryError(
                    f"No mail for {PATIENCE_SECONDS:.0f} s, yet not all are sent: see `kizuna logs delivery`."
                )
            if not last_look:
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def decide_purchases(self, progress: Progress) -> list[SimulatedPurchase]:
        """Who buys, now that everybody knows whether the coupon reached them. What was decided before stays."""
        decided = {purchase.user_id for purchase in progress.simulated}
        return [
            SimulatedPurchase(
                order_id=f"simulated-{user_id}",
                user_id=user_id,
                bought_at=self._clock.now(),
                amount=behaviour.amount,
                discs=behaviour.discs,
                coupon=self._coupons.get(user_id),
            )
            for user_id, behaviour in self._behaviours.items()
            if user_id not in decided and behaviour.buys(reached=user_id in self.reached.coupon)
        ]

    @property
    def true_effect(self) -> float:
        """What the journey really changed in the share who buy, on average over its customers."""
        return true_effect(self._behaviours, reachable=self._opted_in)

    def most_talkative(self) -> str:
        """The user_id of a customer with much to see: answered, clicked, bought, browsed before."""
        return max(
            self._behaviours,
            key=lambda user_id: (
                user_id in self.reached.answered and any(self._behaviours[user_id].commitments),
                user_id in self.reached.clicked,
                self._behaviours[user_id].buys(reached=user_id in self.reached.coupon),
                user_id in self._visitors,
            ),
        )

    async def _react(self, mail: Mail) -> None:
        user_id = self._user_ids.get(mail.recipient)
        behaviour = self._behaviours.get(user_id) if user_id else None
        if user_id is None or behaviour is None:
            return
        async with self._busy:
            if mail.sender == COUPON_SENDER:
                self.reached.coupon.add(user_id)
                await self._read_coupon(mail, user_id, behaviour=behaviour)
            elif mail.sender == INVITATION_SENDER:
                self.reached.invitation.add(user_id)
                await self._answer(mail, user_id, behaviour=behaviour)

    async def _read_coupon(self, mail: Mail, user_id: str, *, behaviour: Behaviour) -> None:
        if not behaviour.opens:
            return
        content = await self._mailbox.open(mail)
        await self._visit("GET", content.pixels[0])
        self.reached.opened.add(user_id)
        if content.coupon:
            self._coupons[user_id] = content.coupon
        if behaviour.clicks:
            await self._visit("GET", content.tracked[0])
            self.reached.clicked.add(user_id)

    async def _answer(self, mail: Mail, user_id: str, *, behaviour: Behaviour) -> None:
        if not behaviour.answers:
            return
        content = await self._mailbox.open(mail)
        await self._visit("GET", content.pixels[0])
        await self._visit("GET", content.forms[0])
        answers = answers_of(behaviour, promises=self._promises)
        await self._visit("POST", content.forms[0], body=encode_json({"answers": answers}))
        self.reached.opened.add(user_id)
        self.reached.answered.add(user_id)

    async def _visit(self, method: str, address: str, *, body: bytes | None = None) -> None:
        """Go to a public address, not further where it redirects: the shop at the other end does not exist."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"} if body else {}

        async def go() -> None:
            async with self._platform.session.request(
                method, address, data=body, headers=headers, allow_redirects=False, timeout=_TIMEOUT
            ) as response:
                refuse_busy(response)
                if response.status >= 400:
                    raise StoryError(f"{method} of a mail's link: HTTP {response.status} {await response.text()}")
                await response.read()

        await patiently(go, what=f"{method} of a mail's link")


def answers_of(behaviour: Behaviour, *, promises: list[str]) -> dict[str, int | str | list[str]]:
    """The questionnaire's answers; the follow-up question depends on the score."""
    answers: dict[str, int | str | list[str]] = {"recommend": behaviour.score}
    wanted = [promise for promise, stated in zip(promises, behaviour.commitments, strict=True) if stated]
    if wanted:
        answers["stay_while"] = wanted
    if behaviour.score <= 6:
        answers["what_was_missing"] = behaviour.words
    elif behaviour.score >= 9:
        answers["what_was_good"] = behaviour.words
    return answers


def offered_promises() -> list[str]:
    """The keys of the promises our questionnaire offers."""
    questions = [question for document in documents("Questionnaire") for question in document.spec["questions"]]
    offers = [question for question in questions if question["kind"] == "commitment"]
    return [option["key"] for offer in offers for option in offer["options"]]


def told_by_simulation(purchases: Iterable[SimulatedPurchase]) -> Iterable[Event]:
    """The purchases as the shop tells them, marked as simulated."""
    for purchase in purchases:
        order = order_properties(order_id=purchase.order_id, amount=purchase.amount, discs=purchase.discs)
        coupon = {"coupon": purchase.coupon} if purchase.coupon else {}
        yield Event(
            type="track",
            event="Order Completed",
            message_id=f"demo-{purchase.order_id}",
            timestamp=purchase.bought_at,
            user_id=purchase.user_id,
            properties={**order, **coupon, "simulated": True},
        )
