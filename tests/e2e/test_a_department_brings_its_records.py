"""A department's systems know cards and no customers: orders of tills in a CP932 file with a broken line, ranks of a
loyalty system, signed words of a checkout - on the timeline, in a segment, in points, in a date, and whose they are.
Brought again, nothing changes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from tests.e2e.world import (
    CLOCK,
    ORDER,
    create_segment,
    create_sources,
    identify,
    known,
    ordered,
    post,
    put,
    tell,
)
from tests.running_platform import RunningPlatform, wait_for

STORY = "records"
TILLS, CARD, PURPOSE = f"{STORY}-tills", f"{STORY}.card", f"{STORY}-reminder"
SPENDERS, GOLD, POINTS = f"{STORY}-spenders", f"{STORY}-gold", f"{STORY}-points"
GIFTS, LIKES, SIZES = f"{STORY}-gifts", f"{STORY}_likes", f"{STORY}_sizes"
RANK, BALANCE = f"{STORY}_rank", f"{STORY}_balance"
ORDERS = """伝票番号,日時,カード番号,金額,店舗,分類
T-1,2026/11/01 10:05,C-1,"\\1,200",髙島屋前,花束｜贈答
T-2,2026/11/02 23:50,C-1,９００,髙島屋前,
T-3,2026/11/03 11:00,C-1,1.2.3,髙島屋前,花束
T-4,2026/11/03 12:00,C-2,500,髙島屋前,花束｜鉢植
"""
r"""CP932 has `\` where Japanese fonts draw ¥."""
HOW_ORDERS_ARE_READ = {
    "source_id": TILLS,
    "kind": "events",
    "mapping": {
        "伝票番号": "record_id",
        "日時": "occurred_at",
        "カード番号": f"external_ids.{CARD}",
        "金額": {"to": "properties.revenue", "type": "number"},
        "店舗": "properties.store",
        "分類": {"to": "properties.categories", "type": "list", "separator": "｜"},
    },
    "constants": {"event": ORDER, "properties.shop": STORY, "properties.currency": "USD"},  # the platform's
    "time_zone": "Asia/Tokyo",
}
SEEN = f"""query($id: ID!) {{ customer(id: $id) {{
  timeline(first: 20) {{ edges {{ node {{ name source department legalEntity occurredAt properties }} }} }}
  traits {{ name value source department }}
  segments {{ key }} computed relations(purpose: "{PURPOSE}") {{ relation occasion date source }} }} }}"""


def test_a_departments_records_are_known_of_whoever_has_the_card(platform: RunningPlatform, tmp_path: Path) -> None:
    secret = configure(platform)
    hanako = somebody_with_a_card(platform)
    orders, how = tmp_path / "orders.csv", tmp_path / "orders.json"
    orders.write_bytes(ORDERS.replace("\n", "\r\n").encode("cp932"))
    how.write_text(json.dumps(HOW_ORDERS_ARE_READ), encoding="utf-8")
    ranks = tmp_path / "ranks.csv"
    ranks.write_text(
        'card,rank,balance,likes,sizes\nC-1,gold,"12,345",茶;花,24.5/25\nC-2,silver,80,,\n', encoding="utf-8"
    )
    ranked = ["--source", TILLS, "--mapping", f"card=external_ids.{CARD}", "--mapping", f"rank=traits.{RANK}"]
    ranked += ["--mapping", f"balance=traits.{BALANCE}:number", "--mapping", f"likes=traits.{LIKES}:list(;)"]
    ranked += ["--mapping", f"sizes=traits.{SIZES}:list(/):number"]

    tried = bring(platform, orders, "--settings", str(how), "--dry-run")
    assert "done: 5 lines read, 3 taken, 1 not" in tried
    assert f"would be {ORDER} of {CARD}: " in tried
    assert "revenue (number)" in tried
    assert "categories (list)" in tried
    rejected = tmp_path / "rejected.csv"
    assert "3 taken, 1 not" in bring(platform, orders, "--settings", str(how), "--rejected", str(rejected))
    with rejected.open(encoding="utf-8", newline="") as opened:
        [line] = csv.DictReader(opened)
    assert (line["line"], line["column"]) == ("4", "金額")
    assert "2 taken, 0 not" in bring(platform, ranks, *ranked)
    assert signed(platform, secret, "msg-1") == {"accepted": 2, "rejected": [refused_date()]}

    wait_for("everything is known", lambda: is_concluded(platform, hanako), seconds=60)
    before = seen(platform, hanako)
    bought = [edge["node"] for edge in before["timeline"]["edges"] if edge["node"]["name"] == ORDER]
    assert [(one["source"], one["department"], one["legalEntity"]) for one in bought] == [
        (TILLS, "stores", "Kizuna Stores K.K.")
    ] * 3
    assert [(one["properties"]["revenue"], one["properties"].get("store")) for one in bought] == [
        (100, None), (900, "髙島屋前"), (1200, "髙島屋前"),
    ]  # fmt: skip
    assert [one["properties"].get("categories") for one in bought] == [None, None, ["花束", "贈答"]]
    assert bought[1]["occurredAt"].startswith("2026-11-02T14:50:00")  # the tills' clocks hang in Tokyo
    said = {trait["name"]: (trait["value"], trait["source"], trait["department"]) for trait in before["traits"]}
    assert (said[RANK], said[BALANCE]) == (("gold", TILLS, "stores"), (12345, TILLS, "stores"))
    assert (said[LIKES][0], said[SIZES][0]) == (["茶", "花"], [24.5, 25])
    assert before["computed"][POINTS] == 22
    assert before["relations"] == [{"relation": "妻", "occasion": "birthday", "date": "1984-02-29", "source": TILLS}]

    assert "3 taken (3 of them before), 1 not" in bring(platform, orders, "--settings", str(how))
    assert signed(platform, secret, "msg-2")["accepted"] == 2
    assert "2 taken, 0 not" in bring(platform, ranks, *ranked)  # read after the repetitions: they are done, too
    assert told_of_orders(platform) == (
        3,
        3,
        1,
        {"event": ORDER, "properties.shop": STORY, "properties.currency": "USD"},
    )
    after = seen(platform, hanako)
    assert [edge["node"] for edge in after["timeline"]["edges"] if edge["node"]["name"] == ORDER] == bought
    assert (after["computed"], after["relations"]) == (before["computed"], before["relations"])
    assert sorted(one["key"] for one in after["segments"]) == sorted(one["key"] for one in before["segments"])


def configure(platform: RunningPlatform) -> str:
    """The stores' tills and how they sign, what is counted of what they say."""
    source = {"name": "Tills", "department": "stores", "brand": "kizuna", "legal_entity": "Kizuna Stores K.K."}
    put(platform, "identity", f"/v1/sources/{TILLS}", source)
    put(platform, "identity", f"/v1/namespaces/{CARD}", {"priority": 5})
    spent = ordered(STORY, kind="event_sum", property="revenue", comparison="ge", value=2000)
    create_segment(platform, SPENDERS, name="高額", condition=spent)
    gift = {"property": "categories", "comparison": "contains", "value": "贈答"}
    bought_gifts = ordered(STORY)
    bought_gifts["where"] = [*bought_gifts["where"], gift]
    likes = {"kind": "trait", "trait": LIKES, "comparison": "contains_any", "value": ["花", "木"]}
    create_segment(platform, GIFTS, name="贈答", condition={"kind": "and", "conditions": [bought_gifts, likes]})
    is_gold = {"kind": "trait", "trait": RANK, "comparison": "eq", "value": "gold"}
    is_rich = {"kind": "trait", "trait": BALANCE, "comparison": "ge", "value": 10_000}
    create_segment(platform, GOLD, name="ゴールド", condition={"kind": "and", "conditions": [is_gold, is_rich]})
    rule = {"event": ORDER, "amount_of": "revenue", "per": 100, "points": 1, "rounding": "down"}
    put(platform, "profile", f"/v1/computed-traits/{POINTS}", {"name": "ポイント", "points": {"rules": [rule]}})
    secret: str = post(platform, "identity", f"/v1/sources/{TILLS}:rotateSigningSecret")["signing_secret"]
    return secret


def somebody_with_a_card(platform: RunningPlatform) -> str:
    """A customer of the web shop, who has told it the number of the stores' card."""
    card = {"type": CARD, "id": "C-1", "collection": "users"}
    key = create_sources(platform, STORY, "web")["web"]
    tell(platform, key, [identify(f"{STORY}-hanako", traits={"name": "花子"}, context={"externalIds": [card]})])
    (hanako,) = known(platform, f"{STORY}-hanako")
    return hanako


def bring(platform: RunningPlatform, file: Path, *options: str) -> str:
    """Import a file as a department does; return what was said."""
    command = [sys.executable, "-m", "kizuna_local", "import", str(file), *options]
    environment = dict(os.environ) | {"KIZUNA_HOME": str(platform.home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def signed(platform: RunningPlatform, secret: str, webhook_id: str) -> Any:
    """The checkout tells an order, a date, and a date that does not exist."""
    hanako = {"identifiers": [{"namespace": CARD, "value": "C-1"}]}
    given = {"relation": "妻", "occasion": "birthday", "date": "1984-02-29", "purpose": PURPOSE}
    date = hanako | {"event": "Relation Date Given", "properties": given, "record_id": 1}
    order = {"revenue": 100, "currency": "USD", "shop": STORY}
    records = [
        hanako | {"event": ORDER, "properties": order, "record_id": "T-9", "occurred_at": "2026-11-04T10:00:00+09:00"},
        date,
        date | {"properties": given | {"date": "1984-02-30"}, "record_id": 2},
    ]
    text, now = json.dumps({"records": records}), CLOCK.now()
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, now, text),
    }
    with platform.client("identity") as client:
        answer = client.post(f"/v1/partners/{TILLS}/records", content=text.encode(), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def told_of_orders(platform: RunningPlatform) -> tuple[Any, ...]:
    """What the graph says of the last import of orders, when each of its lines is told as repeated."""
    query = "{ imports(first: 20) { edges { node { id source kind accepted repeated rejected constants } } } }"
    listed = [edge["node"] for edge in platform.ask(query)["data"]["imports"]["edges"]]
    last = next(one for one in listed if (one["source"], one["kind"]) == (TILLS, "events"))
    lines = """query($id: ID!) { importLines(importId: $id, state: "accepted") {
      edges { node { line state customerId } } } }"""
    found = [edge["node"] for edge in platform.ask(lines, id=last["id"])["data"]["importLines"]["edges"]]
    assert [(one["line"], one["state"], one["customerId"] is not None) for one in found] == [
        (line, "repeated", True) for line in (2, 3, 5)
    ]
    return last["accepted"], last["repeated"], last["rejected"], last["constants"]


def refused_date() -> dict[str, Any]:
    return {"index": 2, "field": "properties.date", "detail": "There is no such day."}


def seen(platform: RunningPlatform, customer: str) -> dict[str, Any]:
    """What the graph says of a customer."""
    answer = platform.ask(SEEN, id=customer)
    assert "errors" not in answer, answer["errors"]
    found: dict[str, Any] = answer["data"]["customer"]
    return found


def is_concluded(platform: RunningPlatform, customer: str) -> bool:
    found = seen(platform, customer)
    is_member = {one["key"] for one in found["segments"] or ()} >= {SPENDERS, GOLD, GIFTS}
    return is_member and bool(found["relations"])
