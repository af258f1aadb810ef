"""Live updates: which customers changed just now, heard on NATS and told to whoever watches them.

Core NATS, no stream: nobody watching misses anything by not listening. The gateway listens only while somebody
watches. A watcher holds one flag, not a queue: however much happens, the next look at the customer shows all of it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from gateway.errors import GatewayError
from servicekit.errors import Unavailable
from servicekit.nats import NatsConnection

log = structlog.get_logger(__name__)

SUBJECTS = ("live.>", "profile.>", "campaign.>", "delivery.>", "survey.>", "identity.anchors.moved.v1.*")
"""Everything that changes what a customer view shows."""

PENDING_BYTES = 32 * 1024 * 1024
GRACE_SECONDS = 5.0
"""NATS may be away so long (a node restarts) before subscriptions end; after that clients should know."""
_CHECK_SECONDS = 0.25


class _FactOfCustomer(msgspec.Struct):
    customer_id: str
    former_customer_id: str | None = None


class _Facts(msgspec.Struct):
    facts: list[_FactOfCustomer]


_decoder = msgspec.json.Decoder(_Facts)


class Watcher:
    """Waits for changes of one customer, who may be known under several ids while moves are under way."""

    def __init__(self, updates: "LiveUpdates") -> None:
        self._updates = updates
        self._changed = asyncio.Event()
        self.customer_ids: set[str] = set()

    def watch(self, customer_id: str) -> None:
        """Also watch this id."""
        if customer_id not in self.customer_ids:
            self.customer_ids.add(customer_id)
            self._updates.add(customer_id, self)

    def notify(self) -> None:
        """Something changed, or the connection was lost."""
        self._changed.set()

    async def changed(self) -> None:
        """Wait until something changed since the last call.

        Raises:
            GatewayError: NATS is away (UNAVAILABLE).
        """
        await self._changed.wait()
        self._changed.clear()
        self._updates.require_listening()


class LiveUpdates:
    """The gateway's ear on NATS, shared by all subscriptions of the process."""

    def __init__(self, nats: NatsConnection, *, max_watchers: int) -> None:
        self._nats = nats
        self._max_watchers = max_watchers
        self._watchers: dict[str, set[Watcher]] = {}
        self._count = 0
        self._subscriptions: list[Subscription] = []
        self._keeper: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._lost = False

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return self._count

    @contextmanager
    def watcher(self) -> Iterator[Watcher]:
        """Give a watcher for as long as the context lasts.

        Raises:
            GatewayError: NATS is away (UNAVAILABLE), or too many watch already (LIMIT_EXCEEDED).
        """
        if not self._nats.is_ready:
            raise _unavailable()
        if self._count >= self._max_watchers:
            raise GatewayError("Too many live subscriptions; try again later", code="LIMIT_EXCEEDED")
        watcher = Watcher(self)
        self._count += 1
        self._wanted.set()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_listening(), name="live-updates")
        try:
            yield watcher
        finally:
            self._count -= 1
            self._forget(watcher)

    def add(self, customer_id: str, watcher: Watcher) -> None:
        """Tell `watcher` when a fact about this customer arrives."""
        self._watchers.setdefault(customer_id, set()).add(watcher)

    def require_listening(self) -> None:
        """Raise GatewayError when NATS has been away for longer than the grace."""
        if self._lost:
            raise _unavailable()

    async def listening(self) -> None:
        """Wait until the subscriptions are in place. Raises GatewayError when that cannot be."""
        deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
        while not self._subscriptions:
            if self._lost or asyncio.get_running_loop().time() > deadline:
                raise _unavailable()
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Stop listening."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            await self._unsubscribe()

    def _forget(self, watcher: Watcher) -> None:
        for customer_id in watcher.customer_ids:
            watchers = self._watchers.get(customer_id, set())
            watchers.discard(watcher)
            if not watchers:
                self._watchers.pop(customer_id, None)

    async def _keep_listening(self) -> None:
        """Listen while somebody watches. After a gap everybody looks again, because facts may have been missed."""
        clock = asyncio.get_running_loop().time
        away_since: float | None = None
        while True:
            if not self._count:
                await self._unsubscribe()
                away_since, self._lost = None, False
                self._wanted.clear()
                await self._wanted.wait()
            if self._nats.is_ready:
                if not self._subscriptions:
                    await self._subscribe()
                if away_since is not None:
                    away_since, self._lost = None, False
                    self._notify_all()
            else:
                away_since = away_since if away_since is not None else clock()
                if clock() - away_since > GRACE_SECONDS and not self._lost:
                    self._lost = True
                    self._notify_all()
            await asyncio.sleep(_CHECK_SECONDS)

    async def _subscribe(self) -> None:
        try:
            client = self._nats.client
            self._subscriptions = [
                await client.subscribe(subject, cb=self._hear, pending_bytes_limit=PENDING_BYTES)
                for subject in SUBJECTS
            ]
            await client.flush(timeout=2)
        except (nats.errors.Error, Unavailable, OSError, TimeoutError) as error:
            log.warning("live_updates_not_subscribed", error=type(error).__name__)
            await self._unsubscribe()

    async def _unsubscribe(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            try:
                await subscription.unsubscribe()
            except (nats.errors.Error, OSError):  # the connection is gone, and the subscription with it
                continue

    async def _hear(self, message: Msg) -> None:
        try:
            facts = _decoder.decode(message.data).facts
        except msgspec.DecodeError:
            return  # not facts: another subject's business
        for fact in facts:
            for customer_id in (fact.customer_id, fact.former_customer_id):
                for watcher in self._watchers.get(customer_id, ()) if customer_id else ():
                    watcher.notify()

    def _notify_all(self) -> None:
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.notify()


def _unavailable() -> GatewayError:
    return GatewayError(
        "Live updates are not available: the event log cannot be reached", code="UNAVAILABLE", service="nats"
    )
