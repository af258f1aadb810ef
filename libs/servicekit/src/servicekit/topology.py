"""Making the declared streams and consumers exist, as an administrator of NATS; harmless to repeat."""

from collections.abc import Sequence
from typing import Protocol

from nats.aio.client import Client
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    KeyValueConfig,
    StorageType,
    StreamConfig,
)
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError


class Stream(Protocol):
    """A stream's declaration."""

    @property
    def name(self) -> str: ...
    @property
    def subjects(self) -> list[str]: ...
    @property
    def max_age_seconds(self) -> int: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def discard(self) -> str: ...
    @property
    def allow_atomic(self) -> bool: ...
    @property
    def duplicate_window_seconds(self) -> int: ...


class StreamConsumer(Protocol):
    """A durable consumer's declaration; it is named after its service."""

    @property
    def service(self) -> str: ...
    @property
    def stream(self) -> str: ...
    @property
    def filter_subjects(self) -> list[str]: ...
    @property
    def ack_wait_seconds(self) -> int: ...
    @property
    def max_ack_pending(self) -> int: ...


async def provision(
    url: str, streams: Sequence[Stream], consumers: Sequence[StreamConsumer], *, buckets: Sequence[str] = ()
) -> None:
    """Create or update streams, consumers and key-value buckets at `url` (an administrator's address)."""
    client = Client()
    await client.connect(url, connect_timeout=5, max_reconnect_attempts=3)
    try:
        jetstream = client.jetstream(timeout=15)
        for stream in streams:
            await _ensure_stream(jetstream, stream)
        for consumer in consumers:
            await jetstream.add_consumer(consumer.stream, _consumer_config(consumer))
        for bucket in buckets:
            await _ensure_bucket(jetstream, bucket)
    finally:
        await client.close()


async def _ensure_stream(jetstream: JetStreamContext, stream: Stream) -> None:
    config = StreamConfig(
        name=stream.name,
        subjects=stream.subjects,
        storage=StorageType.FILE,
        max_age=stream.max_age_seconds,
        max_bytes=stream.max_bytes,
        discard=DiscardPolicy.NEW if stream.discard == "new" else DiscardPolicy.OLD,
        duplicate_window=stream.duplicate_window_seconds,
        allow_atomic=stream.allow_atomic or None,
        max_msg_size=1_048_576,
    )
    try:
        await jetstream.stream_info(stream.name)
    except NotFoundError:
        await jetstream.add_stream(config)
    else:
        await jetstream.update_stream(config)


def _consumer_config(consumer: StreamConsumer) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=consumer.service,
        filter_subjects=consumer.filter_subjects,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=consumer.ack_wait_seconds,
        max_ack_pending=consumer.max_ack_pending,
        deliver_policy=DeliverPolicy.ALL,
        max_waiting=64,
    )


async def _ensure_bucket(jetstream: JetStreamContext, bucket: str) -> None:
    try:
        await jetstream.stream_info(f"KV_{bucket}")
    except NotFoundError:
        await jetstream.create_key_value(KeyValueConfig(bucket=bucket, history=1))
