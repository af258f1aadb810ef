"""Related persons' dates: for one purpose, by REST or by event, moved with their anchor, taken back, ended, erased."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.profile.tests.integration.test_erasure import erased, mentioned_in
from services.profile.tests.profile_facts import event, moved

from contracts.profile import ProfileCustomerErased, SegmentEntered, SegmentExited
from contracts.relations import RELATION_DATE_GIVEN as GIVEN
from contracts.relations import RELATION_DATE_WITHDRAWN as WITHDRAWN
from servicekit.auth import sign_token
from servicekit.testing import RunningService

PURPOSE = "anniversary-reminder"
WIFE = {"relation": "wife", "occasion": "birthday", "date": "1984-02-29", "purpose": PURPOSE}
DAUGHTER = {"relation": "daughter", "occasion": "birthday", "date": "--03-14", "purpose": PURPOSE}


async def read(profile: RunningService, *customers: UUID, purpose: str = PURPOSE) -> list[list[dict[str, Any]]]:
    body = {"customer_ids": [str(customer) for customer in customers], "purpose": purpose}
    answer = await profile.client.post("/v1/relations:batchGet", json=body, headers=profile.headers())
    assert answer.status_code == 200, answer.text
    return [each["relations"] for each in answer.json()["customers"]]


async def dates(profile: RunningService, *customers: UUID) -> list[list[tuple[str, str]]]:
    return [[(row["relation"], row["date"]) for row in rows] for rows in await read(profile, *customers)]


async def sent(profile: RunningService, *facts: Any) -> None:
    await profile.publish(facts)
    await profile.drain()


def said(name: str, customer: UUID, at: datetime, what: dict[str, Any], **more: Any) -> Any:
    return event(customer, name, at, **what, **more)


def given(customer: UUID, at: datetime, what: dict[str, Any], **more: Any) -> Any:
    return said(GIVEN, customer, at, what, **more)


async def test_the_florist_is_told_at_checkout_and_only_the_reminder_may_know(profile: RunningService) -> None:
    customer, now = uuid4(), profile.clock.now()
    await sent(profile, given(customer, now, WIFE, greeting="Kanaria"), given(customer, now, DAUGHTER))
    assert await dates(profile, customer) == [[("wife", "1984-02-29"), ("daughter", "--03-14")]]
    assert await read(profile, customer, purpose="advertising") == [[]]
    wife = (await read(profile, customer))[0][0]
    path = f"/v1/customers/{customer}/relations/{wife['relation_id']}"
    answer = await profile.client.get(path, params={"purpose": PURPOSE}, headers=profile.headers())
    assert answer.json() == wife
    answer = await profile.client.get(path, params={"purpose": "advertising"}, headers=profile.headers())
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["field"] == "purpose"
    answer = await profile.client.get(path, headers=profile.headers())
    assert answer.status_code == 422
    body = {"customer_ids": [str(customer)]}
    answer = await profile.client.post("/v1/timelines:batchGet", json=body, headers=profile.headers())
    events = answer.json()["customers"][0]["events"]
    assert [(each["name"], each["properties"]) for each in events] == [(GIVEN, {"purpose": PURPOSE})] * 2
    assert "1984" not in answer.text
    assert await mentioned_in(profile, "Kanaria") == set()
    assert await mentioned_in(profile, "wife") == {"relations", "relation_statements"}


async def test_conditions_and_tokens_read_dates_for_their_purpose(profile: RunningService) -> None:
    customer, now = uuid4(), profile.clock.now()
    await sent(profile, given(customer, now, WIFE))
    wife = (await read(profile, customer))[0][0]
    body = {"customer_ids": [str(customer)], "purpose": PURPOSE}
    of_wife = {"relation": "wife", "occasion": "birthday", "purpose": PURPOSE}
    before = {"kind": "date", "position": "before", "date": "2000-01-01", "of": of_wife}
    for asked, told in (
        ({"relation": "Wife", "occasion": " Birthday"}, 1),  # labels are kept so that these mean the same
        ({"purpose": "Any"}, "condition.of.purpose"),
        ({"occasion": "a@b"}, "condition.of.occasion"),
    ):
        condition = before | {"of": of_wife | asked}
        preview = await profile.client.post(
            "/v1/segments:preview", json={"condition": condition}, headers=profile.headers()
        )
        assert preview.json().get("count") == told or preview.json()["errors"][0]["field"] == told, preview.text
    path = f"/v1/customers/{customer}/relations/{wife['relation_id']}"
    for purposes, status in ((("newsletter",), 403), (("newsletter", PURPOSE), 200)):
        token = sign_token(
            profile.environment.user_key, issuer="kizuna", subject="x", scopes=("profile:read",), department="ads",
            issued_at=now.timestamp(), lifetime_seconds=60, purposes=purposes,
        )  # fmt: skip
        client, headers = profile.client, {"Authorization": f"Bearer {token}"}
        answers = {
            "purpose": [
                await client.post("/v1/relations:batchGet", json=body, headers=headers),
                await client.get(path, params={"purpose": PURPOSE}, headers=headers),
            ],
            "condition.of.purpose": [
                await client.post("/v1/segments:preview", json={"condition": before}, headers=headers)
            ],
        }
        for field, said_of in answers.items():
            for answer in said_of:
                assert answer.status_code == status, answer.text
                assert status == 200 or answer.json()["errors"][0]["field"] == field


async def test_rest_ends_in_the_same_place_and_refuses_what_does_not_fit(profile: RunningService) -> None:
    customer, now = uuid4(), profile.clock.now()
    path = f"/v1/customers/{customer}/relations/{uuid4()}"
    headers = profile.headers()
    assert (await profile.client.put(path, json=WIFE, headers=headers)).status_code == 404
    await sent(profile, event(customer, "Store Visited", now - timedelta(days=1)))
    first = await profile.client.put(path, json=WIFE, headers=headers)
    again = await profile.client.put(path, json=WIFE, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    profile.clock.advance(timedelta(minutes=1))
    corrected = WIFE | {"date": {"month": 3, "day": 1}, "until": "2027-03-31"}
    answer = await profile.client.put(path, json=corrected, headers=profile.headers())
    assert (answer.status_code, answer.json()["date"]) == (200, "--03-01")
    for wrong, status, field in [
        ({"purpose": "advertising"}, 409, "purpose"),
        ({"relation": "hanako@example.jp"}, 422, "relation"),
        ({"occasion": "090-1234-5678"}, 422, "occasion"),
        ({"date": "2025-02-29"}, 422, "date"),
        ({"until": "2026-11-19"}, 422, "until"),
        ({"name": "Hanako"}, 422, "name"),
    ]:
        answer = await profile.client.put(path, json=WIFE | wrong, headers=profile.headers())
        assert answer.status_code == status, answer.text
        assert answer.json()["errors"][0]["field"] == field
    assert await dates(profile, customer) == [[("wife", "--03-01")]]
    assert (await profile.client.delete(path, headers=profile.headers())).status_code == 204
    assert (await profile.client.delete(path, headers=profile.headers())).status_code == 404
    assert await read(profile, customer) == [[]]
    assert await mentioned_in(profile, "wife") == set()


async def test_what_was_taken_back_stays_so_whatever_comes_late(profile: RunningService) -> None:
    customer, now = uuid4(), profile.clock.now()
    early = given(customer, now - timedelta(days=3), WIFE)
    back = said(WITHDRAWN, customer, now - timedelta(days=2), WIFE)
    late = given(customer, now - timedelta(days=4), WIFE)
    await sent(profile, early)
    await sent(profile, back)
    await sent(profile, late, early)
    assert await read(profile, customer) == [[]]
    assert await mentioned_in(profile, "wife") == set()
    await sent(profile, given(customer, now, WIFE))
    assert await dates(profile, customer) == [[("wife", "1984-02-29")]]


async def test_after_its_last_day_nobody_reads_it_and_it_goes(profile: RunningService) -> None:
    customer, now = uuid4(), profile.clock.now()
    older = given(customer, now - timedelta(days=9), WIFE)
    await sent(profile, older, given(customer, now, WIFE | {"until": "2026-11-21"}), given(customer, now, DAUGHTER))
    profile.clock.advance(timedelta(days=1, hours=11, minutes=59))  # 23:59 of that day in Tokyo
    assert len((await read(profile, customer))[0]) == 2
    profile.clock.advance(timedelta(minutes=1))
    assert await dates(profile, customer) == [[("daughter", "--03-14")]]
    sweeper = next(worker for worker in profile.service.workers if worker.name == "relations")
    sweeper.wake()  # type: ignore[attr-defined]  # a PeriodicWorker
    while await mentioned_in(profile, "wife"):
        pass
    await sent(profile, moved(customer, former=customer, to=uuid4(), occurred_at=now))
    assert await mentioned_in(profile, "wife") == set()
    assert await mentioned_in(profile, "daughter") == {"relations", "relation_statements"}


async def test_dates_move_with_their_anchor_and_come_back(profile: RunningService) -> None:
    one, other, anchor, now = uuid4(), uuid4(), uuid4(), profile.clock.now()
    await sent(
        profile,
        given(one, now - timedelta(days=3), WIFE),
        given(other, now - timedelta(days=2), WIFE | {"date": "--02-28"}, anchor_id=anchor),
        given(other, now - timedelta(days=2), DAUGHTER, anchor_id=anchor),
    )
    apart = await dates(profile, one, other)
    await sent(profile, moved(anchor, former=other, to=one, occurred_at=now))
    assert await dates(profile, one, other) == [[("wife", "--02-28"), ("daughter", "--03-14")], []]
    await sent(profile, moved(anchor, former=one, to=other, occurred_at=now, version=2, reason="split"))
    assert await dates(profile, one, other) == apart == [
        [("wife", "1984-02-29")], [("wife", "--02-28"), ("daughter", "--03-14")]
    ]  # fmt: skip


async def test_they_are_disclosed_and_erased_with_their_owner(profile: RunningService) -> None:
    customer, other, now = uuid4(), uuid4(), profile.clock.now()
    await sent(profile, given(customer, now, WIFE), given(other, now, DAUGHTER))
    path = f"/v1/customers/{customer}/export"
    answer = await profile.client.get(path, headers=profile.headers("privacy:read"))
    tables = answer.json()["tables"]
    assert [(row["relation"], row["purpose"]) for row in tables["relations"]] == [("wife", PURPOSE)]
    assert len(tables["relation_statements"]) == 1
    await sent(profile, erased(profile, customer))
    (receipt,) = await profile.published(ProfileCustomerErased)
    assert (receipt.rows["relations"], receipt.rows["relation_statements"]) == (1, 1)
    await sent(profile, given(customer, now, WIFE))
    answer = await profile.client.put(
        f"/v1/customers/{customer}/relations/{uuid4()}", json=WIFE, headers=profile.headers()
    )
    assert answer.status_code == 404
    assert await mentioned_in(profile, "wife") == set()
    assert await dates(profile, other) == [[("daughter", "--03-14")]]


async def test_the_reminder_is_due_seven_days_before_and_not_after_it_was_taken_back(profile: RunningService) -> None:
    """M09: asked at checkout, reminded of a week ahead; a leap day's on 28 February in other years."""
    of = {"relation": "wife", "occasion": "birthday", "purpose": PURPOSE}
    condition = {"kind": "anniversary", "of": of, "position": "days_before", "days": 7}
    body = {"name": "reminder", "condition": condition}
    answer = await profile.client.put("/v1/segments/reminder", json=body, headers=profile.headers())
    assert answer.status_code == 201, answer.text
    await profile.client.post("/v1/segments/reminder:publish", headers=profile.headers())
    customer, other, elsewhere, now = uuid4(), uuid4(), uuid4(), profile.clock.now()
    await sent(profile, *(given(each, now, WIFE) for each in (customer, other)))
    await sent(profile, given(elsewhere, now, WIFE | {"purpose": "advertising"}))
    (taken_back,) = (await read(profile, other))[0]
    path = f"/v1/customers/{other}/relations/{taken_back['relation_id']}"
    assert (await profile.client.delete(path, headers=profile.headers())).status_code == 204
    assert await profile.published(SegmentEntered) == []
    profile.clock.advance(datetime(2027, 2, 20, 15, tzinfo=UTC) - now)  # 21 February begins in Tokyo
    while not (entered := await profile.published(SegmentEntered)):
        pass
    assert [(fact.customer_id, fact.reason) for fact in entered] == [(customer, "time")]
    profile.clock.advance(timedelta(days=1))
    while not (exited := await profile.published(SegmentExited)):
        pass
    assert [fact.customer_id for fact in exited] == [customer]
