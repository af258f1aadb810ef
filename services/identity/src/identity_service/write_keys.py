"""Write keys at the front door: a map in memory, fed by the key-value bucket that mirrors the sources.

Keys are known only by a keyed hash, here as in the database.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic

import structlog
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from contracts.topology import WRITE_KEYS_BUCKET
from identity_service.errors import UNAVAILABLE, StoreUnavailable
from servicekit.errors import Unavailable
from servicekit.nats import NatsConnection
from servicekit.workers import describe

log = structlog.get_logger(__name__)

_MINIMUM_SECRET_BYTES = 32


class KeyHasher:
    """Turns a write key into the hash it is known by."""

    def __init__(self, secret_file: Path) -> None:
        self._secret_file = secret_file
        self._secret: bytes | None = None

    def __call__(self, write_key: str) -> str:
        """Return the keyed hash as hexadecimal text."""
        if self._secret is None:
            self._secret = read_secret(self._secret_file)
        return hmac.digest(self._secret, write_key.encode(errors="replace"), sha256).hex()


def read_secret(secret_file: Path) -> bytes:
    """Return the secret.

    Raises:
        ValueError: it is too short to be one.
    """
    secret = secret_file.read_bytes().strip()
    if len(secret) < _MINIMUM_SECRET_BYTES:
        raise ValueError(f"IDENTITY_SECRET_FILE must hold at least {_MINIMUM_SECRET_BYTES} bytes.")
    return secret


@dataclass(frozen=True, kw_only=True)
class KeyHolder:
    """The source that a write key belongs to, as the mirror says it."""

    source_id: str
    department: str
    brand: str
    legal_entity: str
    purposes: tuple[str, ...]

    def to_json(self) -> bytes:
        """Return it as the mirror's value."""
        return json.dumps(vars(self), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


class KeyMirror:
    """Writes the mirror: keyed hash -> source."""

    def __init__(self, nats: NatsConnection) -> None:
        self._nats = nats

    async def _bucket(self) -> KeyValue:
        return await self._nats.jetstream.key_value(WRITE_KEYS_BUCKET)

    async def put(self, key_hash: str, holder: KeyHolder, *, former_hash: str | None = None) -> None:
        """Make a key known, and its former one unknown."""
        bucket = await self._bucket()
        await bucket.put(key_hash, holder.to_json())
        if former_hash is not None and former_hash != key_hash:
            await bucket.delete(former_hash)

    async def reconcile(self, load_holders: Callable[[], Awaitable[Mapping[str, KeyHolder]]]) -> int:
        """Make the mirror equal to the sources; return how many entries had to be changed.

        The mirror is read before the sources: a key is mirrored after its source is committed, so what the mirror holds
        and the sources do not is really gone.
        """
        bucket = await self._bucket()
        mirrored = await _read_all(bucket)
        holders = await load_holders()
        changed = 0
        for key_hash, holder in holders.items():
            if mirrored.get(key_hash) != holder.to_json():
                await bucket.put(key_hash, holder.to_json())
                changed += 1
        for key_hash in mirrored.keys() - holders.keys():
            await bucket.delete(key_hash)
            changed += 1
        return changed


async def _next(watcher: KeyValue.KeyWatcher, seconds: float) -> KeyValue.Entry | None:
    entry: KeyValue.Entry | None = await watcher.updates(timeout=seconds)  # type: ignore[no-untyped-call]  # nats-py
    return entry


async def _read_all(bucket: KeyValue) -> dict[str, bytes]:
    watcher = await bucket.watchall(ignore_deletes=True)
    found: dict[str, bytes] = {}
    try:
        while (entry := await _next(watcher, 5)) is not None:
            if entry.value is not None:
                found[entry.key] = entry.value
    finally:
        await watcher.stop()  # type: ignore[no-untyped-call]  # nats-py
    return found


class WriteKeys:
    """The front door's map: keyed hash -> source id. It follows the bucket and asks it about unknown keys."""

    _REFRESH_SECONDS = 300
    _UNKNOWN_SECONDS = 2
    _MOST_UNKNOWN = 10_000
    _MOST_QUESTIONS_A_SECOND = 100

    def __init__(self, *, nats: NatsConnection, hasher: KeyHasher) -> None:
        self._nats = nats
        self._hash = hasher
        self._sources: dict[str, str] = {}
        self._unknown: dict[str, float] = {}
        self._questions: dict[str, asyncio.Task[str | None]] = {}
        self._bucket: KeyValue | None = None
        self._is_read, self._is_stopping = False, False
        self._asked_since, self._asked = 0.0, 0
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow the bucket."""
        self._watching = asyncio.create_task(self._follow(), name="write-keys")

    async def ready(self) -> None:
        """Raise unless the bucket was read once."""
        if not self._is_read:
            raise Unavailable("The write keys are not read yet.")

    async def stop(self) -> None:
        """Follow it no more."""
        self._is_stopping = True
        while self._watching is not None and not self._watching.done():
            self._watching.cancel()  # nats-py takes a cancellation for a timeout in places: say it until it is heard
            await asyncio.wait({self._watching}, timeout=0.1)

    def source_of(self, write_key: str) -> str | None:
        """Return the source of a known key."""
        return self._sources.get(self._hash(write_key))

    async def look_up(self, write_key: str) -> str | None:
        """Ask the bucket about a key the map does not hold (yet), for the same key at most every two seconds.

        Requests that come at once with the same new key share one question.

        Raises:
            StoreUnavailable: the event log is down, or too many different keys are being asked for.
        """
        key_hash = self._hash(write_key)
        question = self._questions.get(key_hash)
        if question is None:
            question = self._questions[key_hash] = asyncio.create_task(self._ask(key_hash))
            question.add_done_callback(lambda _: self._questions.pop(key_hash, None))
        return await asyncio.shield(question)

    async def _ask(self, key_hash: str) -> str | None:
        now = monotonic()
        if self._unknown.get(key_hash, 0) > now:
            return None
        if not self._may_ask(now):
            raise StoreUnavailable
        try:
            bucket = await self._open_bucket()
            self._enter(key_hash, (await bucket.get(key_hash)).value)
        except KeyNotFoundError:
            if len(self._unknown) >= self._MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[key_hash] = now + self._UNKNOWN_SECONDS
        except UNAVAILABLE as error:
            raise StoreUnavailable from error
        return self._sources.get(key_hash)

    def _may_ask(self, now: float) -> bool:
        """Guessing of keys must not become a load on the event log."""
        if now - self._asked_since >= 1:
            self._asked_since, self._asked = now, 0
        self._asked += 1
        return self._asked <= self._MOST_QUESTIONS_A_SECOND

    async def _open_bucket(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await self._nats.jetstream.key_value(WRITE_KEYS_BUCKET)
        return self._bucket

    def _enter(self, key_hash: str, value: bytes | None) -> None:
        if value:
            self._sources[key_hash] = str(json.loads(value)["source_id"])

    async def _follow(self) -> None:
        while not self._is_stopping:
            try:
                await self._nats.connected()
                await self._follow_once()
            except Exception as error:  # noqa: BLE001 - whatever it is: keep the map as it is and follow anew
                log.warning("write_keys_not_followed", error=describe(error))
                await asyncio.sleep(1)

    async def _follow_once(self) -> None:
        """Read the whole bucket, then its changes; after a while anew, in case the server forgot this watcher."""
        watcher = await (await self._open_bucket()).watchall()
        present: set[str] = set()
        try:
            while (entry := await _next(watcher, 10)) is not None:
                if entry.operation is None:
                    self._enter(entry.key, entry.value)
                    present.add(entry.key)
            for gone in self._sources.keys() - present:
                del self._sources[gone]
            self._is_read = True
            with suppress(TimeoutError, asyncio.TimeoutError):
                async with asyncio.timeout(self._REFRESH_SECONDS):
                    async for entry in watcher:
                        self._apply(entry)
        finally:
            with suppress(Exception):
                await watcher.stop()  # type: ignore[no-untyped-call]  # nats-py

    def _apply(self, entry: KeyValue.Entry) -> None:
        if entry.operation is None:
            self._enter(entry.key, entry.value)
            self._unknown.pop(entry.key, None)
        else:
            self._sources.pop(entry.key, None)
