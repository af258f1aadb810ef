"""What rules, sources and agreements make of events, on the real parts."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from services.identity.tests.integration.conftest import Sender

from contracts.identity import AnchorMoved, IdentifierLinked, ResolvedEvent
from identity_service.rules.hashing import digest_of_value, hashed_namespace, tombstones_of
from identity_service.service.digests import DigestFiller
from servicekit.clock import FrozenClock
from servicekit.testing import RunningService

MakeSource = Callable[..., Awaitable[Sender]]


@pytest.fixture
def make_source(identity: RunningService) -> MakeSource:
    """Make a source of a legal entity that verifies some namespaces."""

    async def make(source_id: str, *, legal_entity: str = "Kizuna Inc.", trusted: tuple[str, ...] = ()) -> Sender:
        body = {
            "name": source_id,
            "department": "crm",
            "brand": "kizuna",
            "legal_entity": legal_entity,
            "purposes": ["crm", "ads"],
            "trusted_namespaces": list(trusted),
        }
        answer = await identity.client.put(f"/v1/sources/{source_id}", json=body, headers=identity.headers())
        assert answer.status_code == 201, answer.text
        return Sender(identity, source_id, answer.json()["write_key"])

    return make


@pytest.fixture
def query(identity: RunningService) -> Callable[..., Awaitable[list[Any]]]:
    """Read rows of identity's database."""

    async def fetch(statement: str, *arguments: Any) -> list[Any]:
        connection = await identity.database.connect()
        try:
            return [tuple(row) for row in await connection.fetch(statement, *arguments)]
        finally:
            await connection.close()

    return fetch


def track(message_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "messageId": message_id, **fields}


def identify(message_id: str, *, traits: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"type": "identify", "messageId": message_id, "traits": traits or {}, **fields}


def external(*ids: tuple[str, str], **hashed: str) -> dict[str, Any]:
    plain = [{"type": namespace, "id": value} for namespace, value in ids]
    return {"externalIds": plain + [{"type": namespace, "sha256": value} for namespace, value in hashed.items()]}


async def configure(service: RunningService, name: str, **rules: Any) -> None:
    """Set a namespace's rules as they lie in the database."""
    row = {"value_limit": 5, "priority": 50, "is_unique": False, "blocked_values": [], "version": 1} | rules
    columns, marks = ", ".join(row), ", ".join(f"${number}" for number in range(2, len(row) + 2))
    changes = ", ".join(f"{column} = excluded.{column}" for column in row)
    connection = await service.database.connect()
    await connection.execute(
        f"INSERT INTO namespaces (name, {columns}) VALUES ($1, {marks}) ON CONFLICT (name) DO UPDATE SET {changes}",
        name,
        *row.values(),
    )
    await connection.close()


async def customers(service: RunningService, *names: tuple[str, str]) -> list[str | None]:
    body = {"identifiers": [{"namespace": namespace, "value": value} for namespace, value in names]}
    answer = await service.client.post("/v1/identifiers:batchLookup", json=body, headers=service.headers())
    return [one["customer_id"] for one in answer.json()["identifiers"]]


HELD = "SELECT namespace, value, reason FROM held_apart ORDER BY namespace, value"


async def test_a_family_computer_collapses_nobody_and_follows_the_last_login(
    identity: RunningService, shop: Sender, query: Any
) -> None:
    await shop.resolve(track("m1", userId="mother", anonymousId="pc"))
    await shop.resolve(track("m2", userId="child", anonymousId="pc"))
    await shop.resolve(track("m3", anonymousId="pc"))
    await shop.resolve(track("m4", userId="mother", anonymousId="pc"), track("m5", anonymousId="pc"))
    mother, child = await customers(identity, ("user_id", "mother"), ("user_id", "child"))
    events = {event.message_id: str(event.customer_id) for event in await identity.published(ResolvedEvent)}
    assert events == {"m1": mother, "m2": child, "m3": child, "m4": mother, "m5": mother}
    assert mother != child
    assert await query(HELD) == [("anonymous_id", "pc", "shared")] * 2
    rows = await query(
        "SELECT customer_id::text, is_current, rule FROM identifiers WHERE value = 'pc' ORDER BY anchor_id"
    )
    assert rows == [(mother, True, "same_event"), (child, False, "shared")]


async def test_a_limit_counts_within_its_window(identity: RunningService, shop: Sender, clock: FrozenClock) -> None:
    await configure(identity, "card", value_limit=2, limit_window="monthly")
    for number in range(3):
        await shop.resolve(track(f"m{number}", userId="1", context=external(("card", f"c{number}"))))
    assert (await customers(identity, ("card", "c2"))) == [None]
    clock.advance(timedelta(days=31))
    await shop.resolve(track("m3", userId="1", context=external(("card", "c3"))))
    user, card = await customers(identity, ("user_id", "1"), ("card", "c3"))
    assert user == card


async def test_only_a_source_that_verified_it_links_by_a_verified_namespace(
    identity: RunningService, shop: Sender, make_source: MakeSource, query: Any
) -> None:
    await configure(identity, "line", verified_only=True)
    await shop.resolve(track("m1", userId="1", context=external(("line", "L1"))))
    await shop.resolve(track("m2", context=external(("line", "L1"))))
    assert await customers(identity, ("line", "L1")) == [None]
    assert await query(HELD) == [("line", "L1", "unverified")]
    assert await query("SELECT detail FROM rejections") == [
        ("No usable identifier: this source may not use those that it names.",)
    ]
    login = await make_source("login", trusted=("line",))
    await login.resolve(track("m3", userId="1", context=external(("line", "L1"))))
    user, line = await customers(identity, ("user_id", "1"), ("line", "L1"))
    assert user == line


async def test_a_restricted_id_is_used_by_who_brought_it_or_under_an_agreement(
    identity: RunningService, make_source: MakeSource, query: Any
) -> None:
    await configure(identity, "point", is_restricted=True)
    rail, hotel = await make_source("rail", legal_entity="Rail"), await make_source("hotel", legal_entity="Hotel")
    await rail.resolve(track("m1", userId="1", context=external(("point", "P1"))))
    await hotel.resolve(identify("m2", traits={"email": "h@example.jp"}, context=external(("point", "P1"))))
    user, point, email = await customers(identity, ("user_id", "1"), ("point", "P1"), ("email", "h@example.jp"))
    assert user == point != email
    assert await query(HELD) == [("point", "P1", "not_permitted")]
    now = identity.clock.now()
    await query(
        "INSERT INTO agreements (agreement_id, from_entity, to_entity, purposes, valid_from, valid_until, evidence, "
        "version, created_at, updated_at) VALUES ('a', 'Rail', 'Hotel', '{}', $1, $2, 'x', 1, $1, $1)",
        now,
        now + timedelta(days=1),
    )
    await hotel.resolve(identify("m3", traits={"email": "h@example.jp"}, context=external(("point", "P1"))))
    user, email = await customers(identity, ("user_id", "1"), ("email", "h@example.jp"))
    assert user == email
    assert await query("SELECT sources FROM identifiers WHERE namespace = 'point'") == [(["rail"],)]
    identity.clock.advance(timedelta(days=2))
    await hotel.resolve(track("m4", context=external(("point", "P1"), ("cabin", "c1"))))
    cabin, point = await customers(identity, ("cabin", "c1"), ("point", "P1"))
    assert cabin != point, "an agreement that has ended leaves nothing behind"


async def test_an_alias_of_a_trusted_source_joins_two_user_ids(
    identity: RunningService, shop: Sender, make_source: MakeSource, query: Any
) -> None:
    await shop.resolve(track("m1", userId="old"), track("m2", userId="new"))
    alias = {"type": "alias", "userId": "new", "previousId": "old"}
    await shop.resolve(alias | {"messageId": "m3"})
    old, new = await customers(identity, ("user_id", "old"), ("user_id", "new"))
    assert old != new
    assert await query(HELD) == [("user_id", "old", "unverified")]
    desk = await make_source("desk", trusted=("user_id",))
    await desk.resolve(alias | {"messageId": "m4"})
    old, new = await customers(identity, ("user_id", "old"), ("user_id", "new"))
    assert old == new
    ids = await query("SELECT value, rule FROM identifiers ORDER BY value")
    assert ids == [("new", "first_seen"), ("old", "alias")]
    assert await query("SELECT rule, source_id FROM links") == [("alias", "desk")]
    assert await query("SELECT kind, rule, decided_by, source_id FROM decisions") == [
        ("merge", "alias", "identity", "desk")
    ]
    event = (await identity.published(ResolvedEvent))[-1]
    assert event.properties == {"previous_id": "old"}
    await shop.resolve(track("m5", userId="old"))
    assert str((await identity.published(ResolvedEvent))[-1].customer_id) == new


async def test_an_alias_gives_an_anonymous_history_to_a_user(identity: RunningService, shop: Sender) -> None:
    await shop.resolve(track("m1", anonymousId="a1"))
    await shop.resolve({"type": "alias", "messageId": "m2", "userId": "1", "previousId": "a1"})
    user, anonymous = await customers(identity, ("user_id", "1"), ("anonymous_id", "a1"))
    assert user == anonymous is not None


async def test_groups_keep_what_was_said_last_in_whatever_order(
    identity: RunningService, shop: Sender, query: Any
) -> None:
    def group(message_id: str, day: int, user: str, **traits: Any) -> dict[str, Any]:
        return {
            "type": "group", "messageId": message_id, "userId": user, "groupId": "acme", "traits": traits,
            "timestamp": f"2026-11-{day:02}T00:00:00Z",
        }  # fmt: skip

    await shop.resolve(group("m1", 3, "1", plan="pro", seats=5))
    await shop.resolve(group("m2", 1, "2", plan="free", city="Nara"), group("m3", 2, "2", city="Kobe", seats=9))
    await shop.resolve(group("m4", 2, "1", city="Kobe"))
    traits, occurred_at = (await query("SELECT traits::text, occurred_at FROM groups"))[0]
    assert traits == '{"city": "Kobe", "plan": "pro", "seats": 5}'
    assert occurred_at.day == 3
    assert await query(
        "SELECT value FROM group_members JOIN identifiers USING (anchor_id) WHERE group_id = 'acme' ORDER BY value"
    ) == [("1",), ("2",)]


async def test_what_sources_say_of_a_person_is_kept_per_field_and_source(
    identity: RunningService, shop: Sender, crm: Sender, query: Any
) -> None:
    def said(message_id: str, day: int, **traits: Any) -> dict[str, Any]:
        return identify(message_id, userId="1", traits=traits, timestamp=f"2026-11-{day:02}T00:00:00Z")

    await shop.resolve(said("m1", 3, lastName="渡邊", color="red"), track("m2", userId="1"))
    await shop.resolve(said("m3", 2, lastName="鈴木", firstName="花子"))
    await crm.resolve(said("m4", 1, lastName="佐藤"), said("m5", 1, color="blue"))
    rows = await query(
        "SELECT source_id, written ->> 'surname', written ->> 'given_name', normal ->> 'given_name', occurred_at "
        "FROM person_records ORDER BY source_id"
    )
    assert [row[:4] for row in rows] == [("crm", "佐藤", None, None), ("shop", "渡邊", "花子", "花子")]
    assert rows[1][4].day == 3
    [changed] = await query("SELECT changed_at FROM person_records WHERE source_id = 'shop'")
    identity.clock.advance(timedelta(hours=1))
    await shop.resolve(said("m6", 2, lastName="鈴木", firstName="花子"))
    assert [changed] == await query("SELECT changed_at FROM person_records WHERE source_id = 'shop'")


EMAIL = "hanako@example.jp"
EMAIL_SHA256 = sha256(EMAIL.encode()).hexdigest()


async def test_a_hashed_address_is_the_plain_one_once_that_is_known(
    identity: RunningService, shop: Sender, crm: Sender, query: Any
) -> None:
    await crm.resolve(track("m1", context=external(("partner", "p1"), email=EMAIL_SHA256)))
    await crm.resolve(track("m2", context=external(email=EMAIL_SHA256)))
    before = await query("SELECT namespace FROM identifiers ORDER BY namespace")
    assert before == [("email_sha256",), ("partner",)]
    await shop.resolve(identify("m3", userId="1", traits={"email": EMAIL.upper()}))
    partner, user, email = await customers(identity, ("partner", "p1"), ("user_id", "1"), ("email", EMAIL))
    assert partner == user == email
    await crm.resolve(track("m4", context=external(("partner", "p2"), email=EMAIL_SHA256.upper())))
    plain = await query("SELECT anchor_id FROM identifiers WHERE namespace = 'email'")
    assert (await identity.published(ResolvedEvent))[-1].anchor_id == plain[0][0]
    assert await customers(identity, ("partner", "p2")) == [partner]
    stored = await query("SELECT digest FROM identifiers WHERE digest IS NOT NULL")
    assert stored == [(digest_of_value(EMAIL, secret=b"test secret, not used anywhere else"),)]
    assert EMAIL_SHA256 not in str(await query("SELECT value FROM identifiers"))


async def test_digests_of_what_was_stored_without_are_filled_in_from_wherever_it_was_stopped(
    identity: RunningService, shop: Sender, crm: Sender, query: Any
) -> None:
    secret = b"test secret, not used anywhere else"
    emails = [EMAIL, *(f"{number}@example.jp" for number in range(6))]
    await shop.resolve(*(identify(f"m{each}", userId=each[0], traits={"email": each}) for each in emails))
    right = await query("SELECT anchor_id, digest FROM identifiers ORDER BY anchor_id")
    await query("UPDATE identifiers SET digest = NULL WHERE anchor_id > $1", right[2][0])  # as before migration 0002
    stopped = DigestFiller(database=identity.database, secret=lambda: secret, stretch=2)
    assert await stopped.fill()
    assert 0 < len(await query("SELECT FROM identifiers WHERE namespace = 'email' AND digest IS NULL")) < 5
    others = [DigestFiller(database=identity.database, secret=lambda: secret, stretch=2) for _ in range(2)]
    while any([await other.fill() for other in others]):
        pass
    assert await query("SELECT anchor_id, digest FROM identifiers ORDER BY anchor_id") == right
    await crm.resolve(track("hashed", context=external(("partner", "p1"), email=EMAIL_SHA256)))
    partner, user = await customers(identity, ("partner", "p1"), ("user_id", EMAIL[0]))
    assert partner == user

    body = {"priority": 3, "normaliser": "phone"}  # from now on partners may send these hashed, too
    await shop.resolve(track("card", userId="0", context=external(("tel", "+819012345678"))))
    assert await query("SELECT digest FROM identifiers WHERE namespace = 'tel'") == [(None,)]
    assert not await stopped.fill()
    answer = await identity.client.put("/v1/namespaces/tel", json=body, headers=identity.headers())
    assert answer.status_code in {200, 201}, answer.text
    while await stopped.fill():
        pass
    [(digest,)] = await query("SELECT digest FROM identifiers WHERE namespace = 'tel'")
    assert digest == digest_of_value("+819012345678", secret=secret)


async def test_both_forms_in_one_batch_meet(identity: RunningService, crm: Sender) -> None:
    await crm.resolve(
        track("m1", context=external(("partner", "p1"), email=EMAIL_SHA256)),
        identify("m2", userId="1", traits={"email": EMAIL}),
        track("m3", context=external(("partner", "p3"), email=EMAIL_SHA256)),
    )
    found = await customers(identity, ("partner", "p1"), ("user_id", "1"), ("partner", "p3"), ("email", EMAIL))
    assert len(set(found)) == 1 and found[0] is not None


async def test_every_source_leaves_its_evidence(
    identity: RunningService, shop: Sender, make_source: MakeSource, query: Any
) -> None:
    hotel = await make_source("hotel", legal_entity="Hotel")
    await shop.resolve(track("m1", userId="1", anonymousId="a1"), track("m2", userId="1", anonymousId="a1"))
    await hotel.resolve(track("m3", userId="1", anonymousId="a1"), track("m4", userId="1", anonymousId="a1"))
    links = await query("SELECT source_id, legal_entity, purposes, event_id FROM links ORDER BY source_id")
    events = {event.message_id: event.event_id for event in await identity.published(ResolvedEvent)}
    assert links == [
        ("hotel", "Hotel", ["crm", "ads"], events["m3"]),
        ("shop", "Kizuna Inc.", ["crm"], events["m1"]),
    ]
    assert await query("SELECT DISTINCT source_id, sources FROM identifiers") == [("shop", ["shop", "hotel"])]
    linked = await identity.published(IdentifierLinked)
    assert {(one.legal_entity, tuple(one.purposes)) for one in linked} == {("Kizuna Inc.", ("crm",))}


async def test_a_merge_by_a_rule_is_a_decision_that_says_what_it_moved(
    identity: RunningService, shop: Sender, query: Any
) -> None:
    await shop.resolve(track("m1", anonymousId="a1"))
    await shop.resolve(track("m2", userId="1", context=external(("card", "c1"))))
    await shop.resolve(track("m3", userId="1", anonymousId="a1"))
    [decision] = await query("SELECT decision_id, customer_id, rule, source_id, rules_version, event_id FROM decisions")
    events = {event.message_id: event for event in await identity.published(ResolvedEvent)}
    [(version,)] = await query("SELECT max(version) FROM rules_versions")
    assert decision[1:] == (events["m1"].customer_id, "same_event", "shop", version, events["m3"].event_id)
    moved = await identity.published(AnchorMoved)
    assert {one.decision_id for one in moved} == {decision[0]} and len(moved) == 2
    assert await query("SELECT anchor_id, decision_id FROM moves ORDER BY anchor_id") == sorted(
        (one.anchor_id, one.decision_id) for one in moved
    )
    former = await query("SELECT customer_id, anchor_id FROM former_customers")
    assert former == [(events["m2"].customer_id, min(one.anchor_id for one in moved))]


async def test_who_comes_back_after_a_merge_by_a_rule_has_a_version_it_never_had(
    identity: RunningService, shop: Sender, query: Any
) -> None:
    """A resolver that read it before the merge must not take it for unchanged."""
    await shop.resolve(track("m1", anonymousId="a1"))
    for number in range(5):  # each of them changes the younger customer
        await shop.resolve(track(f"c{number}", userId="1", context=external((f"card{number}", "c"))))
    [(old, quiet), (young, busy)] = await query("SELECT customer_id, version FROM customers ORDER BY customer_id")
    assert quiet < busy - 2
    anchors = await query("SELECT anchor_id, version FROM identifiers WHERE customer_id = $1 ORDER BY 1", young)
    await shop.resolve(track("m2", userId="1", anonymousId="a1"))
    [(stays, joined)] = await query("SELECT customer_id, version FROM customers")
    assert stays == old and joined > busy
    [(decision,)] = await query("SELECT decision_id FROM decisions")
    path, headers = f"/v1/decisions/{decision}:undo", identity.headers("identity:decide")
    assert (await identity.client.post(path, json={"why": "Two persons."}, headers=headers)).status_code == 201
    assert await query("SELECT version > $2 FROM customers WHERE customer_id = $1", young, busy) == [(True,)]
    moved = await query("SELECT anchor_id, version FROM identifiers WHERE customer_id = $1 ORDER BY 1", young)
    assert moved == [(anchor_id, version + 2) for anchor_id, version in anchors], "facts count the moves of each anchor"


async def test_what_a_person_separated_no_event_joins(identity: RunningService, shop: Sender, query: Any) -> None:
    await shop.resolve(track("m1", userId="1"), track("m2", context=external(("card", "c1"))))
    anchors = await query("SELECT anchor_id FROM identifiers ORDER BY anchor_id")
    for side, (anchor_id,) in enumerate(anchors):
        await query(
            "INSERT INTO separations (decision_id, anchor_id, side) VALUES ($1, $2, $3)", UUID(int=1), anchor_id, side
        )
    await shop.resolve(track("m3", userId="1", context=external(("card", "c1"))))
    user, card = await customers(identity, ("user_id", "1"), ("card", "c1"))
    assert user != card
    assert await query(HELD) == [("card", "c1", "separated")]
    await query("UPDATE separations SET is_active = false")
    await shop.resolve(track("m4", userId="1", context=external(("card", "c1"))))
    user, card = await customers(identity, ("user_id", "1"), ("card", "c1"))
    assert user == card


async def test_nothing_late_resurrects_who_was_erased(identity: RunningService, shop: Sender, query: Any) -> None:
    secret, erased_at = b"test secret, not used anywhere else", identity.clock.now() - timedelta(days=2)
    digest = digest_of_value(EMAIL, secret=secret)
    for stone in tombstones_of("email", EMAIL, digest, secret=secret):
        await query(
            "INSERT INTO tombstones (digest, erased_at, erasure_id) VALUES ($1, $2, $3)", stone, erased_at, uuid4()
        )

    def visit(message_id: str, days_ago: int, **context: Any) -> dict[str, Any]:
        moment = identity.clock.now() - timedelta(days=days_ago)
        return track(message_id, userId="1", timestamp=moment.isoformat(), context=context)

    await shop.resolve(visit("late", 3, traits={"email": EMAIL}), visit("hashed", 3, **external(email=EMAIL_SHA256)))
    assert await query("SELECT * FROM identifiers") == []
    await shop.resolve(visit("again", 1, traits={"email": EMAIL}))
    await shop.resolve(visit("later still", 4, traits={"email": EMAIL}))
    assert [event.message_id for event in await identity.published(ResolvedEvent)] == ["again"]
    assert await query("SELECT not_before FROM identifiers WHERE namespace = 'email'") == [(erased_at,)]
    assert await query("SELECT accepted, erased FROM ingest_totals") == [(1, 3)]


def test_hashed_forms_have_a_namespace_of_their_own() -> None:
    assert hashed_namespace("email") == "email_sha256"
