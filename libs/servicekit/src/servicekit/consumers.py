"""Consumers: a batch of facts, their inbox rows and the change are ONE transaction; then the messages are acked."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

import structlog
from nats.aio.msg import Msg
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.clock import Clock
from servicekit.database import Database, is_transient, raw
from servicekit.erasure import of_living_customers, reopen_erasures
from servicekit.metrics import Metrics
from servicekit.moves import hold_moves
from servicekit.nats import NatsConnection, PullSubscription
from servicekit.outbox import Fact
from servicekit.tracing import continue_traces
from servicekit.workers import describe, pause

log = structlog.get_logger(__name__)

Handler = Callable[[AsyncSession, list[Any]], Awaitable[None]]
"""Takes the transaction and the new facts of one type; the facts' type is the handler's own, hence Any here."""

AwaitedNames = Callable[[], Awaitable[frozenset[str]]]
"""Asked once for each pull: the `name`s of the facts of one type that matter now."""

BATCH_BYTES = 4 * 1024 * 1024
"""At most so much is handled at once, some ten thousand events: done well before it would be delivered again."""

_POISON_NAMESPACE = UUID("5f1d3c52-0f0e-4a0c-9a7a-6f0d5b0a1c11")


_ENTER_ONE = "INSERT INTO inbox (event_id, received_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_ENTER_NEW = """
INSERT INTO inbox (event_id, received_at)
SELECT DISTINCT id, $2::timestamptz FROM unnest($1::uuid[]) AS t (id) ORDER BY id
ON CONFLICT DO NOTHING RETURNING event_id
"""
_PUT_ASIDE = """
INSERT INTO dead_letters (event_id, stream, type, payload, error, failed_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (event_id) DO UPDATE SET error = excluded.error, failed_at = excluded.failed_at, replayed_at = NULL
"""
_DEAD_LETTERS = """
SELECT event_id, type, payload FROM dead_letters
WHERE stream = $1 AND replayed_at IS NULL ORDER BY failed_at LIMIT $2
"""


class RetryLater(Exception):
    """Raised by a handler when a part it needs is down: the batch stays and comes again."""


@dataclass(frozen=True)
class Poison:
    """A fact that cannot be handled, or a message that cannot be read."""

    event_id: UUID
    fact_type: str
    payload: bytes
    error: str


@dataclass
class Batch:
    """What one pull brought: facts by type, and what could not be read."""

    facts: list[Fact] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)


class Consumer:
    """One durable consumer (named after the service) of one stream.

    `handlers` maps a fact's class to its handler. Types are handled in the mapping's order, in stream order. Facts
    seen before are dropped (inbox), facts of moved anchors carry their current customer (anchors table), facts about
    erased customers are dropped (their inbox row stays). A batch that fails is halved until the one bad fact is found,
    which becomes a dead letter in its inbox row's transaction.

    `awaited_names` is for types of which most facts are no concern of the service: those with another `name` are
    dropped before anything costly (validation, inbox), and a message that mentions none of them is not even decoded.

    Notices (facts that concern no customer) go the same way without the steps that ask for one.
    """

    def __init__(
        self,
        *,
        stream: str,
        service: str,
        handlers: Mapping[type[Any], Handler],
        database: Database,
        nats: NatsConnection,
        clock: Clock,
        metrics: Metrics,
        batch: int = 32,
        awaited_names: Mapping[type[Any], AwaitedNames] | None = None,
    ) -> None:
        self.name = f"consumer-{stream}"
        self.stream = stream
        self._handlers = {kind.fact_type: (kind, handler) for kind, handler in handlers.items()}
        self._adapters = {kind.fact_type: TypeAdapter(list[kind]) for kind in handlers}  # type: ignore[valid-type]  # a runtime class
        self._database = database
        self._nats = nats
        self._clock = clock
        self._metrics = metrics
        self._batch = batch
        self._awaited_names = {kind.fact_type: names for kind, names in (awaited_names or {}).items()}
        self._subscription = PullSubscription(nats, stream=stream, durable=service, window=batch * 2)
        for fact_type in self._handlers:
            metrics.dead_letters.labels(stream, fact_type)  # zero is shown too, or the first one is no increase

    async def run(self, stop: asyncio.Event) -> None:
        """Pull, handle, acknowledge, until told to stop; what is in hand is finished."""
        await self._subscription.start()
        try:
            while messages := await self._subscription.next_messages(self._batch, stop, limit_bytes=BATCH_BYTES):
                await self._take(messages, stop)
        finally:
            await self._subscription.stop()

    async def _take(self, messages: list[Msg], stop: asyncio.Event) -> None:
        traces = [(message.headers or {}).get("traceparent") for message in messages]
        attributes: dict[str, str | int] = {
            "messaging.system": "nats",
            "messaging.destination.name": self.stream,
            "messaging.batch.message_count": len(messages),
        }
        with continue_traces(f"{self.stream} process", traces, attributes=attributes):
            delay = 0.2
            while True:
                try:
                    await self.handle(await self._read(messages))
                    break
                except Exception as error:  # noqa: BLE001  # trouble that passes: handle() puts poison aside
                    log.warning("batch_waits", stream=self.stream, error=describe(error), retry_in_seconds=delay)
                    if stop.is_set():
                        return
                    for message in messages:
                        await message.in_progress()
                    await pause(stop, delay)
                    delay = min(delay * 2, 10)
        for message in messages:
            await message.ack()
        self._metrics.consumer_lag.labels(self.stream).set(messages[-1].metadata.num_pending)

    async def _read(self, messages: Sequence[Msg]) -> Batch:
        types = {(message.headers or {}).get("ce-type", "") for message in messages}
        names = {fact_type: await ask() for fact_type, ask in self._awaited_names.items() if fact_type in types}
        return read_batch(messages, self._adapters, names)

    async def handle(self, batch: Batch) -> None:
        """Handle a batch so that each fact has its effect once, whatever was handled before.

        Raises:
            Exception: only what may pass by waiting (connection trouble, RetryLater); nothing was changed by that part.
        """
        for poison in batch.poison:
            await self._put_aside(poison)
        await self._halve(batch.facts)

    async def _halve(self, facts: Sequence[Fact]) -> None:
        if not facts:
            return
        try:
            async with self._database.transaction() as session:
                await self._apply(session, facts)
        except Exception as error:
            if isinstance(error, RetryLater) or is_transient(error):
                raise
            if len(facts) == 1:
                fact = facts[0]
                await self._put_aside(Poison(fact.event_id, fact.fact_type, _as_json(fact), describe(error)))
                return
            middle = len(facts) // 2
            await self._halve(facts[:middle])
            await self._halve(facts[middle:])

    async def _apply(self, session: AsyncSession, facts: Sequence[Fact]) -> None:
        await hold_moves(session)
        fresh = await take_new(session, facts, clock=self._clock)
        for fact_type, (kind, handler) in self._handlers.items():
            chosen = [fact for fact in fresh if fact.fact_type == fact_type]
            if not chosen:
                continue
            if getattr(handler, "takes_moves", False):
                await reopen_erasures(session, [fact.customer_id for fact in chosen])
            elif "customer_id" in kind.model_fields and not getattr(handler, "takes_erased", False):
                chosen = await of_living_customers(session, chosen)
                if not chosen:
                    continue
            await handler(session, chosen)
            self._metrics.facts.labels(self.stream, fact_type).inc(len(chosen))

    async def _put_aside(self, poison: Poison) -> None:
        async with self._database.transaction() as session:
            connection = await raw(session)
            now = self._clock.now()
            await connection.execute(_ENTER_ONE, poison.event_id, now)
            await connection.execute(
                _PUT_ASIDE,
                poison.event_id,
                self.stream,
                poison.fact_type,
                poison.payload,
                poison.error,
                now,
            )
        self._metrics.dead_letters.labels(self.stream, poison.fact_type).inc()
        log.error(
            "dead_letter", stream=self.stream, type=poison.fact_type, event_id=str(poison.event_id), error=poison.error
        )

    async def replay(self, *, limit: int = 1000) -> int:
        """Handle this stream's dead letters again; return how many succeeded. One that fails again stays."""
        async with self._database.transaction() as session:
            rows = await (await raw(session)).fetch(
                _DEAD_LETTERS,
                self.stream,
                limit,
            )
        succeeded = 0
        for row in rows:
            succeeded += await self._replay_one(row["event_id"], row["type"], row["payload"])
        return succeeded

    async def _replay_one(self, event_id: UUID, fact_type: str, payload: bytes) -> bool:
        if fact_type not in self._handlers:
            return False
        kind, _ = self._handlers[fact_type]
        try:
            fact = kind.model_validate_json(payload)
            async with self._database.transaction() as session:
                connection = await raw(session)
                await connection.execute("DELETE FROM inbox WHERE event_id = $1", event_id)
                await self._apply(session, [fact])
                await connection.execute(
                    "UPDATE dead_letters SET replayed_at = $2 WHERE event_id = $1", event_id, self._clock.now()
                )
        except Exception as error:  # noqa: BLE001  # whatever it is, it stays a dead letter
            log.error(
                "replay_failed", stream=self.stream, type=fact_type, event_id=str(event_id), error=describe(error)
            )
            return False
        return True


def consumers_of(
    streams: Mapping[str, Mapping[type[Any], Handler]],
    *,
    service: str,
    database: Database,
    nats: NatsConnection,
    clock: Clock,
    metrics: Metrics,
    batch: int = 32,
) -> list[Consumer]:
    """Return a service's consumers: stream -> what handles which of its facts. `batch`: messages at once, at most."""
    return [
        Consumer(
            stream=stream,
            service=service,
            handlers=handlers,
            database=database,
            nats=nats,
            clock=clock,
            metrics=metrics,
            batch=batch,
        )
        for stream, handlers in streams.items()
    ]


def read_batch(
    messages: Sequence[Msg], adapters: Mapping[str, TypeAdapter[Any]], names: Mapping[str, frozenset[str]] | None = None
) -> Batch:
    """Decode messages into facts; types nobody handles are dropped, what cannot be read becomes poison.

    Of types listed in `names` only facts with one of these names are kept.
    """
    batch = Batch()
    for message in messages:
        headers = message.headers or {}
        fact_type = headers.get("ce-type", "")
        adapter = adapters.get(fact_type)
        awaited = (names or {}).get(fact_type)
        if adapter is None or (awaited is not None and not _mentions(message.data, awaited)):
            continue
        try:
            batch.facts.extend(_validate(message.data, adapter, awaited))
        except (ValueError, KeyError, TypeError, RecursionError):
            _read_singly(message, fact_type, adapter, batch)
    return batch


_PREFIX = b'{"facts":'


def _validate(body: bytes, adapter: TypeAdapter[Any], awaited: frozenset[str] | None) -> list[Fact]:
    """Return a body's facts (those with an awaited name); ValueError, KeyError or TypeError when one does not fit."""
    facts: list[Fact]
    if awaited is None and body.startswith(_PREFIX):
        facts = adapter.validate_json(body[len(_PREFIX) : -1])  # parsed and validated in one pass: a third cheaper
    else:
        items = _facts_of(body)
        names = awaited
        if names is not None:
            items = [item for item in items if isinstance(item, dict) and item.get("name") in names]
        facts = adapter.validate_python(items)
    return facts


def _mentions(body: bytes, names: frozenset[str]) -> bool:
    """Whether one of the names may stand in the body; writers spell plain ASCII in one way only."""
    return any(json.dumps(name).encode() in body or not (name.isascii() and name.isprintable()) for name in names)


def _facts_of(body: bytes) -> Any:  # JSON of unknown shape, validated by the caller
    return json.loads(body)["facts"]


def _read_singly(message: Msg, fact_type: str, adapter: TypeAdapter[Any], batch: Batch) -> None:
    try:
        items = list(_facts_of(message.data))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        identifier = uuid5(_POISON_NAMESPACE, f"{message.metadata.stream}/{message.metadata.sequence.stream}")
        batch.poison.append(Poison(identifier, fact_type, message.data, type(error).__name__))
        return
    for position, item in enumerate(items):
        try:
            batch.facts.extend(adapter.validate_python([item]))
        except ValidationError as error:
            try:
                identifier = UUID(str(item["event_id"]))
            except (KeyError, TypeError, ValueError):
                identifier = uuid5(
                    _POISON_NAMESPACE, f"{message.metadata.stream}/{message.metadata.sequence.stream}/{position}"
                )
            fields = ", ".join(".".join(map(str, each["loc"][1:])) for each in error.errors(include_input=False)[:5])
            batch.poison.append(
                Poison(identifier, fact_type, json.dumps(item).encode(), f"does not fit the contract: {fields}")
            )


def _as_json(fact: Fact) -> bytes:
    """A fact that could not be handled: what is wrong with it must not keep it from being put aside."""
    try:
        return fact.model_dump_json().encode()
    except ValueError:  # deeper than pydantic follows, or halves of surrogate pairs
        return json.dumps(dict(fact), default=_plain).encode()  # type: ignore[call-overload]  # a pydantic model


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, BaseModel) else str(value)


async def take_new(session: AsyncSession, facts: Sequence[Fact], *, clock: Clock) -> list[Fact]:
    """Enter the facts into the inbox; return those never handled before, each once, in order."""
    connection = await raw(session)
    rows = await connection.fetch(
        _ENTER_NEW,
        [fact.event_id for fact in facts],
        clock.now(),
    )
    unseen = {row["event_id"] for row in rows}
    fresh = []
    for fact in facts:
        if fact.event_id in unseen:
            unseen.discard(fact.event_id)
            fresh.append(fact)
    return fresh
