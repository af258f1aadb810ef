"""What is published fits the contract."""

import json
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID, uuid4

import hypothesis.strategies as st
from hypothesis import given
from msgspec import Raw

from contracts.identity import EventKind
from contracts.identity import ResolvedEvent as Contract
from identity_service.events import ResolvedEvent, encode_event, resolved_envelopes
from identity_service.ids import TimeOrderedIds, derived_id
from identity_service.rules.tracking import EVENT_NAMES
from servicekit.nats import MAX_PAYLOAD_BYTES
from servicekit.outbox import partition_of

NOW = datetime(2026, 11, 20, 3, 0, 0, 123456, tzinfo=UTC)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(st.text(), json_values, max_size=4)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(st.uuids(), st.uuids(), moments, st.text(min_size=1), st.sampled_from(get_args(EventKind)), objects, objects)
def test_the_bytes_are_what_the_contract_reads(
    event_id: UUID,
    customer_id: UUID,
    moment: datetime,
    text: str,
    kind: str,
    properties: dict[str, object],
    traits: dict[str, object],
) -> None:
    fields = {
        "event_id": event_id,
        "customer_id": customer_id,
        "anchor_id": event_id,
        "occurred_at": moment,
        "source_id": "shop",
        "message_id": text,
        "kind": kind,
        "name": text,
        "received_at": moment,
    }
    event = ResolvedEvent(**fields, properties=Raw(json.dumps(properties)), traits=Raw(json.dumps(traits)))  # type: ignore[arg-type]
    body = encode_event(event)
    read = Contract.model_validate_json(body)
    assert read == Contract.model_validate({**fields, "properties": properties, "traits": traits})
    assert json.loads(body) == json.loads(read.model_dump_json())


def test_the_encoded_struct_has_the_contracts_fields() -> None:
    assert set(ResolvedEvent.__struct_fields__) == set(Contract.model_fields)
    assert set(EVENT_NAMES) == set(get_args(EventKind))


def resolved(size: int, customer_id: UUID) -> ResolvedEvent:
    return ResolvedEvent(
        event_id=uuid4(),
        customer_id=customer_id,
        anchor_id=uuid4(),
        occurred_at=NOW,
        source_id="shop",
        message_id="m",
        kind="track",
        name="x",
        received_at=NOW,
        properties=Raw(json.dumps({"text": "x" * size})),
        traits=Raw(b"{}"),
    )


def test_messages_are_grouped_by_partition_within_the_size_limit() -> None:
    customers = [UUID(int=number) for number in range(20)]
    events = [resolved(30_000, customer) for customer in customers * 10]
    envelopes = resolved_envelopes([(event, None) for event in events], partitions=4, at=NOW)
    seen = []
    for envelope in envelopes:
        assert len(envelope.body) <= MAX_PAYLOAD_BYTES
        facts = [Contract.model_validate(fact) for fact in json.loads(envelope.body)["facts"]]
        assert {f"{Contract.fact_type}.{partition_of(fact.customer_id, 4)}" for fact in facts} == {envelope.subject}
        seen += [fact.event_id for fact in facts]
    assert sorted(seen) == sorted(event.event_id for event in events)


def test_the_same_events_give_the_same_message_id() -> None:
    events = [(resolved(10, UUID(int=1)), None), (resolved(10, UUID(int=1)), None)]
    first, again = (resolved_envelopes(events, partitions=16, at=NOW)[0].id for _ in range(2))
    other = resolved_envelopes(events[:1], partitions=16, at=NOW)[0].id
    assert first == again != other


def test_new_ids_sort_by_age_and_derived_ones_repeat() -> None:
    milliseconds = 1_000
    new_id = TimeOrderedIds(lambda: milliseconds)
    made = [new_id() for _ in range(10_000)]
    milliseconds -= 500
    made += [new_id() for _ in range(10)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert {one.version for one in made} == {7}
    assert derived_id("shop", "m1") == derived_id("shop", "m1") != derived_id("shopm", "1")
    assert derived_id("shop", "m1").version == 8


def test_ids_of_later_milliseconds_are_larger() -> None:
    moment = NOW
    new_id = TimeOrderedIds(lambda: int(moment.timestamp() * 1000))
    first = new_id()
    moment += timedelta(milliseconds=1)
    assert new_id() > first
