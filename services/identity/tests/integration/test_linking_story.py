"""From what departments send over HTTP to one customer: linked, reviewed, rejected, taken back."""

from datetime import timedelta
from typing import Any

from services.identity.tests.integration.conftest import make_sender
from services.identity.tests.linking import GIVEN_NAMES, REVIEW_ALL, SURNAMES, Desk

from identity_service.app import build
from identity_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, running

SHOP = {
    "lastName": "渡邊", "firstName": "花子", "lastNameKana": "ワタナベ", "firstNameKana": "ハナコ",
    "birthday": "1984-03-05",
    "address": {"postalCode": "150-0001", "state": "東京都", "city": "渋谷区", "street": "神宮前一丁目2番3号"},
}  # fmt: skip
CRM = {"氏名": "渡辺　花子", "フリガナ": "ﾜﾀﾅﾍﾞ ﾊﾅｺ", "生年月日": "昭和59年3月5日", "住所": "渋谷区神宮前1-2-3"}
TWIN = SHOP | {"firstName": "葉子", "firstNameKana": "ヨウコ"}


def identify(user_id: str, traits: dict[str, Any]) -> dict[str, Any]:
    return {"type": "identify", "userId": user_id, "traits": traits}


def other_person(number: int) -> dict[str, Any]:
    return {
        "lastName": SURNAMES[number % 10], "firstName": GIVEN_NAMES[number // 10],
        "birthday": f"19{50 + number % 50}-{1 + number % 12:02}-{1 + number % 28:02}",
        "address": {"postalCode": "5300001", "state": "大阪府", "city": "大阪市北区", "street": f"梅田{number + 1}-1"},
    }  # fmt: skip


async def test_what_two_departments_write_of_one_person_becomes_one_customer(
    environment: Environment, clock: FrozenClock
) -> None:
    async with running(build, Settings, environment, clock=clock) as identity:
        desk = Desk(identity)
        shop, crm = await make_sender(identity, "shop"), await make_sender(identity, "crm")
        await shop.resolve(*(identify(f"S-{number}", other_person(number)) for number in range(99)))
        await shop.resolve(identify("S-hanako", SHOP), identify("S-yoko", TWIN))
        clock.advance(timedelta(hours=1))
        await desk.run()
        assert await desk.candidates("linked") == []

        # one person written in two ways is new to the base: only she is scored, and linked
        await crm.resolve(identify("C-77", CRM))
        hanako, yoko, known_by_crm = [await desk.who(name) for name in ("S-hanako", "S-yoko", "C-77")]
        clock.advance(timedelta(hours=1))
        run = await desk.run("incremental")
        assert (run["customers_scored"], run["linked"]) == (1, 1)
        assert await desk.are_one(hanako, known_by_crm)
        assert not await desk.are_one(hanako, yoko)
        [linked] = await desk.candidates("linked")
        written = {field["field"]: (field["written"], field["other_written"]) for field in linked["fields"]}
        assert set(written["birth_date"]) == {"1984-03-05", "昭和59年3月5日"}
        [graph] = (await desk.post("/v1/customers:batchGraph", {"customer_ids": [hanako]}))["customers"]
        edges = [edge for edge in graph["edges"] if edge["rule"] == "probabilistic"]
        assert {(edge["score"], edge["legal_entity"]) for edge in edges} >= {(linked["score"], "Kizuna Inc.")}
        assert known_by_crm in graph["former_customer_ids"]

        # somebody takes it back: no run does it again
        await desk.decide(linked, "undo")
        assert not await desk.are_one(hanako, known_by_crm)
        clock.advance(timedelta(hours=1))
        assert (await desk.run())["linked"] == 0

        # the next ones wait for review: one is accepted, one is rejected for good
        await desk.thresholds(**REVIEW_ALL)
        await crm.resolve(identify("C-1", other_person(1)), identify("C-2", other_person(2)))
        clock.advance(timedelta(hours=1))
        await desk.run("incremental")
        first, second = await desk.candidates("review", run_id=(await desk.newest_run())["run_id"])
        await desk.decide(first, "accept")
        await desk.decide(second, "reject")
        assert await desk.are_one(first["customer_id"], first["other_customer_id"])
        await desk.thresholds(upper=0.9, lower=0.5)
        await desk.run()
        assert not await desk.are_one(second["customer_id"], second["other_customer_id"])

        # events of either side go on arriving at one customer
        await shop.resolve({"type": "track", "event": "Bought", "userId": "S-1"})
        await crm.resolve({"type": "track", "event": "Called", "userId": "C-1"})
        both = [{await desk.who(f"S-{number}"), await desk.who(f"C-{number}")} for number in (1, 2)]
        assert sorted(len(customers) for customers in both) == [1, 2]
