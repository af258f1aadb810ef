"""Erased means erased, on the whole platform: canary values go once round the loop, their customer is erased, and then
no table, log, metric or - its retention over - event stream holds a trace of them. Out of scope is the mailbox that the
mails went to: it is the customer's own."""

import asyncio
import json
from typing import Any

import asyncpg
import httpx
from nats.aio.client import Client

from contracts.topology import STREAMS
from kizuna_local.addresses import SERVICES
from kizuna_local.event_log import ADMINISTRATOR, password
from kizuna_local.home import Home
from kizuna_local.real_parts import build_postgres
from servicekit.testing import tables_that_mention
from tests.e2e.world import (
    CLOCK,
    answer_survey,
    create_campaign,
    create_journey,
    create_rank,
    create_segment,
    create_sources,
    create_survey,
    create_template,
    days_ago,
    identify,
    links,
    mail_step,
    mails,
    open_and_click,
    order,
    ordered,
    post,
    record_opt_ins,
    survey_step,
    tell,
)
from tests.running_platform import RunningPlatform, send_batch, wait_for

STORY = "erasure"
THANKS, QUESTION = "お礼", "お礼に教えてください"
MAIL, NUMBER, COOKIE = "kanaria-mail-81c5@example.jp", "kanaria-number-4d20", "kanaria-cookie-99f3"
CANARIES = {
    "mail": MAIL,
    "user id": NUMBER,
    "cookie": COOKIE,
    "phone": "+819087654321",
    "phone as written": "090-8765-4321",
    "name": "金糸雀 カナリア花子",
    "street": "小鳥町七丁目8-9",
    "trait": "kanaria-trait-5be7",
    "property": "kanaria-property-0a6e",
    "answer": "kanaria-answer-c38d の自由記述",
    "rejected": "kanaria-rejected-77aa",
    "group": "kanaria-group-e1f0",
    "former": "kanaria-former-b2b2",
}
OTHERS = tuple(f"{STORY}-o{number}" for number in (1, 2, 3))


def test_erased_means_erased(platform: RunningPlatform) -> None:
    keys = create_sources(platform, STORY, "shop", "crm", "web")
    configure(platform)
    plant(platform, keys)
    once_round_the_loop(platform)
    customer_id, others = customer_of(platform, NUMBER), [customer_of(platform, other) for other in OTHERS]
    expect_canaries(platform)
    disclose(platform, customer_id)
    before = [view(platform, other) for other in others]

    erasure = post(platform, "identity", f"/v1/customers/{customer_id}:erase", {"why": "request 1"})
    wait_for("every service has confirmed", lambda: state_of(platform, erasure)["state"] == "complete", seconds=30)
    complete = state_of(platform, erasure)
    assert {receipt["service"] for receipt in complete["receipts"]} == set(SERVICES)
    assert complete["completed_at"] < complete["streams_expire_at"]
    assert traces_in_tables(platform) == {}

    tell_late(platform, keys)
    assert traces_in_tables(platform) == {}
    assert view(platform, customer_id) == {"rfm": None, "traits": [], "messages": [], "responses": []}
    assert [view(platform, other) for other in others] == before

    assert traces_in_files(platform), "until their retention is over the event streams hold what was said"
    expire_streams(platform)
    assert traces_in_files(platform) == {}
    assert traces_in_metrics(platform) == []
    sign_up_again(platform, keys, former_customer_id=customer_id)


def configure(platform: RunningPlatform) -> None:
    """A mail and a survey to everybody who ever bought."""
    create_rank(platform)
    create_segment(platform, STORY, name="購入者", condition=ordered(STORY))
    create_template(platform, f"{STORY}-coupon", subject=THANKS)
    create_survey(platform, f"{STORY}-survey", subject=QUESTION)
    create_campaign(platform, STORY, name="お礼")
    create_journey(
        platform, STORY, name="お礼", segment_key=STORY,
        steps=[
            mail_step("mail", f"{STORY}-coupon", coupon={"prefix": "DANKE"}, next="question"),
            survey_step(f"{STORY}-survey", next_step="rest"),
            {"key": "rest", "kind": "wait", "days": 1, "next": "again"},
            mail_step("again", f"{STORY}-coupon"),
        ],
    )  # fmt: skip


def canary_events() -> dict[str, list[dict[str, Any]]]:
    """What the departments say of the canary, all of it a day ago; the web site sees two customers who become one."""
    at = {"timestamp": days_ago(1)}
    person = {
        "name": CANARIES["name"], "email": MAIL, "phone": CANARIES["phone as written"], "favourite": CANARIES["trait"],
        "address": {"street": CANARIES["street"], "city": "千代田区"},
    }  # fmt: skip
    remark = {"remark": CANARIES["property"]}
    return {
        "crm": [identify(NUMBER, traits=person, messageId="c1", **at)],
        "shop": [
            order(STORY, NUMBER, "1", revenue=10, properties=remark, messageId="c2", **at),
            {"type": "group", "userId": NUMBER, "groupId": CANARIES["group"], "messageId": "c3", "traits": {}, **at},
        ],
        "web": [
            {"type": "page", "name": CANARIES["former"], "anonymousId": COOKIE, "messageId": "c4", **at},
            {"type": "identify", "userId": NUMBER, "anonymousId": COOKIE, "messageId": "c5", **at},
            # no event name: kept for review
            {"type": "track", "userId": NUMBER, "messageId": "c6", "properties": {"x": CANARIES["rejected"]}, **at},
        ],
    }


def plant(platform: RunningPlatform, keys: dict[str, str]) -> None:
    at = days_ago(1)
    record_opt_ins(platform, [MAIL, *(f"{other}@example.jp" for other in OTHERS)], recorded_at=at)
    for source, events in canary_events().items():
        for event in events:  # one by one, so that the cookie is a customer of its own before it is known
            assert send_batch(platform, keys[source], [event]).status_code in {200, 400}
    for other in OTHERS:
        traits = {"email": f"{other}@example.jp", "name": other}
        bought = order(STORY, other, other, revenue=10, timestamp=at)
        tell(platform, keys["crm"], [identify(other, traits=traits, timestamp=at), bought])


def once_round_the_loop(platform: RunningPlatform) -> None:
    """The mails arrive; the canary opens, clicks and answers."""
    everybody = {MAIL, *(f"{other}@example.jp" for other in OTHERS)}
    for subject in (THANKS, QUESTION):
        wait_for(f"all have got {subject}", lambda: mails(platform, subject).keys() == everybody, seconds=60)  # noqa: B023
    open_and_click(mails(platform, THANKS)[MAIL])
    answer_survey(mails(platform, QUESTION)[MAIL], score=9, words=CANARIES["answer"])

    def has_answered() -> bool:
        seen = view(platform, customer_of(platform, NUMBER))
        return bool(seen["responses"]) and any(message["clickedAt"] for message in seen["messages"])

    wait_for("the answer and the click are in the view", has_answered, seconds=30)


def customer_of(platform: RunningPlatform, user_id: str) -> str:
    body = {"identifiers": [{"namespace": "user_id", "value": user_id}]}
    found = post(platform, "identity", "/v1/identifiers:batchLookup", body)["identifiers"][0]
    return str(found["customer_id"])


def view(platform: RunningPlatform, customer_id: str) -> dict[str, Any]:
    """What the services say of a customer when they are asked."""

    def of(service: str, path: str) -> dict[str, Any]:
        found: dict[str, Any] = post(platform, service, path, {"customer_ids": [customer_id]})["customers"][0]
        return found

    profile = of("profile", "/v1/customers:batchGet")
    rfm = profile["rfm"]
    return {
        "rfm": rfm and rfm["frequency"],
        "traits": sorted(trait["name"] for trait in profile["traits"]),
        "messages": [
            {"templateKey": message["template_key"], "clickedAt": message["clicked_at"]}
            for message in of("delivery", "/v1/messages:batchGet")["messages"]
        ],
        "responses": [response["response_id"] for response in of("survey", "/v1/responses:batchGet")["responses"]],
    }


def expect_canaries(platform: RunningPlatform) -> None:
    """Every canary is somewhere, and every service holds something: what is searched for is found."""
    found = traces_in_tables(platform)
    assert {table.split(".")[0] for table in found} >= {"identity", "profile", "delivery", "survey"}
    for name, value in CANARIES.items():
        assert traces_in_tables(platform, {name: value}), name


def disclose(platform: RunningPlatform, customer_id: str) -> None:
    """All services together show every canary (a rejected event is nobody's for sure)."""
    shown = ""
    for service in SERVICES:
        with platform.client(service) as client:
            answer = client.get(f"/v1/customers/{customer_id}/export")
            assert answer.status_code == 200, answer.text
            shown += json.dumps(answer.json(), ensure_ascii=False)
    hidden = {"rejected"}
    assert {name for name, value in CANARIES.items() if value not in shown} <= hidden


def state_of(platform: RunningPlatform, erasure: dict[str, Any]) -> dict[str, Any]:
    with platform.client("identity") as client:
        content: dict[str, Any] = client.get(f"/v1/erasures/{erasure['erasure_id']}").json()
        return content


def tell_late(platform: RunningPlatform, keys: dict[str, str]) -> None:
    """Everything is said again, with the same message ids and with new ones, and the opt-in is loaded again."""
    for source, events in canary_events().items():
        again = [
            event | {"messageId": f"late-{event['messageId']}"} for event in events if "c6" not in event["messageId"]
        ]
        assert send_batch(platform, keys[source], events).status_code in {200, 400}
        tell(platform, keys[source], again)
    record_opt_ins(platform, [MAIL], recorded_at=days_ago(1))
    for link in links(mails(platform, THANKS)[MAIL]):
        if link.startswith("http://127.0.0.1"):
            httpx.get(link)
    now = CLOCK.now().isoformat()
    tell(platform, keys["crm"], [identify(OTHERS[0], traits={"name": now})])

    def marked() -> bool:
        body = {"customer_ids": [customer_of(platform, OTHERS[0])]}
        traits = post(platform, "profile", "/v1/customers:batchGet", body)["customers"][0]["traits"]
        return now in [trait["value"] for trait in traits]

    wait_for("what was said late is dealt with", marked)


def sign_up_again(platform: RunningPlatform, keys: dict[str, str], *, former_customer_id: str) -> None:
    tell(platform, keys["crm"], [identify(NUMBER, traits={"email": MAIL})])
    wait_for("the new customer is known", lambda: customer_of(platform, NUMBER) != "None")
    new = customer_of(platform, NUMBER)
    assert new != former_customer_id
    wait_for("the new customer has a profile", lambda: view(platform, new)["traits"] == ["email"])
    tell_late(platform, keys)
    assert view(platform, new)["traits"] == ["email"]
    assert view(platform, new)["rfm"] in {None, 0}


def traces_in_tables(platform: RunningPlatform, canaries: dict[str, str] = CANARIES) -> dict[str, int]:
    """Rows that hold a canary, by `service.table`, in any column of any table."""

    async def search() -> dict[str, int]:
        postgres = build_postgres(Home(platform.home))
        found: dict[str, int] = {}
        for service in SERVICES:
            connection = await asyncpg.connect(postgres.url(service))
            for table, rows in (await tables_that_mention(connection, list(canaries.values()))).items():
                found[f"{service}.{table}"] = rows
            await connection.close()
        return found

    return asyncio.run(search())


def expire_streams(platform: RunningPlatform) -> None:
    """Let the streams' retention be over now: with a `max_age` of a second instead of a week, for a while."""

    async def expire() -> None:
        home, client = Home(platform.home), Client()
        port = platform.environment["KIZUNA_PORT_BASE"]
        await client.connect(f"nats://{ADMINISTRATOR}:{password(home, ADMINISTRATOR)}@127.0.0.1:{int(port) + 42}")
        jetstream = client.jetstream()
        configured = [(await jetstream.stream_info(stream.name)).config for stream in STREAMS]
        try:
            for config in configured:
                await jetstream.update_stream(config.evolve(max_age=1, duplicate_window=1))
            async with asyncio.timeout(20):
                for stream in STREAMS:
                    while (await jetstream.stream_info(stream.name)).state.messages:  # noqa: ASYNC110
                        await asyncio.sleep(0.2)  # the server expires them by itself
        finally:
            for config in configured:
                await jetstream.update_stream(config)
            await client.close()

    asyncio.run(expire())


def traces_in_files(platform: RunningPlatform) -> dict[str, list[str]]:
    """Canaries in any file below the platform's home, but for the customer's own mailbox and the tables' files.

    PostgreSQL's files are seen through SQL: deleted rows stay in them until VACUUM, and in no table.
    """
    home = Home(platform.home)
    found: dict[str, list[str]] = {}
    for path in home.root.rglob("*"):
        if home.mailbox in path.parents or home.postgres in path.parents or not path.is_file():
            continue
        content = path.read_bytes()
        names = [name for name, value in CANARIES.items() if is_in(value, content)]
        if names:
            found[str(path.relative_to(home.root))] = names
    return found


def traces_in_metrics(platform: RunningPlatform) -> list[str]:
    shown = b""
    for service in (*SERVICES, "gateway"):
        with platform.client(service) as client:
            answer = client.get("/metrics")
            assert answer.status_code == 200
            shown += answer.content
    return [name for name, value in CANARIES.items() if is_in(value, shown)]


def is_in(value: str, content: bytes) -> bool:
    return value.encode() in content or json.dumps(value)[1:-1].encode() in content
