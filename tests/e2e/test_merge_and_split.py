"""Two people taken for one, and told apart again: each has exactly their own in every service and in the one view."""

from typing import Any

from tests.e2e.world import (
    answer_survey,
    create_campaign,
    create_journey,
    create_segment,
    create_sources,
    create_survey,
    customer_id,
    customer_view,
    days_ago,
    identify,
    mails,
    order,
    ordered,
    post,
    record_opt_ins,
    survey_step,
    tell,
)
from tests.running_platform import RunningPlatform, wait_for

STORY = "twins"
PEOPLE = {f"{STORY}-hanako": 3, f"{STORY}-taro": 1}
"""How many orders each has; buyers of one or more are asked, buyers of four are regulars."""
QUESTION = "お二人に教えてほしいこと"
VIEW = """
query View($id: ID!) {
  customer(id: $id) {
    id
    identifiers { namespace value }
    traits { name value source }
    rfm { frequency monetary }
    segments { name }
    timeline(first: 100) { totalCount edges { node { name properties } } }
    messages { templateKey state }
    permissions { channel topic status }
    responses { questionnaireKey npsScore }
    commitments { kind status }
    journeys { journeyKey status }
  }
}
"""


def test_two_people_taken_for_one_and_told_apart_again(platform: RunningPlatform) -> None:
    configure(platform)
    buy(platform, create_sources(platform, STORY, "shop")["shop"])
    answer_both(platform)
    ids = {name: str(customer_id(platform, name)) for name in PEOPLE}
    wait_for("both have answered", lambda: all(is_complete(view(platform, each)) for each in ids.values()), seconds=60)
    before = {name: settled(platform, ids[name]) for name in PEOPLE}
    for name, own in before.items():
        assert own["rfm"]["frequency"] == PEOPLE[name]
        assert len(own["permissions"]) == len(own["responses"]) == len(own["commitments"]) == 1

    merged = decide(platform, "/v1/customers:merge", {"customer_ids": list(ids.values())})
    wait_for("one of them has everything", lambda: has_both(view(platform, merged["customer_id"])), seconds=30)
    one = view(platform, merged["customer_id"])
    assert [segment["name"] for segment in one["segments"]] == ["お客様", "常連"]
    assert {view(platform, each)["id"] for each in ids.values()} == {merged["customer_id"]}, "former ids still resolve"

    stays = next(name for name in PEOPLE if ids[name] == merged["customer_id"])
    goes = next(name for name in PEOPLE if name != stays)
    parted = decide(platform, f"/v1/customers/{merged['customer_id']}:split", {"anchor_ids": anchors(platform, merged)})
    now = {stays: ids[stays], goes: parted["other_customer_ids"][0]}
    assert customer_id(platform, goes) == now[goes]
    for name in PEOPLE:
        wait_for(
            f"{name} has exactly their own again",
            lambda name=name: comparable(view(platform, now[name])) == comparable(before[name]),  # type: ignore[misc]  # bound now
            seconds=30,
        )
    assert view(platform, ids[goes])["id"] == now[goes], "the former id resolves to who holds its identifiers"


def configure(platform: RunningPlatform) -> None:
    """Buyers of anything are asked a question, and promised something."""
    several = {"kind": "event_count", "comparison": "ge"}
    create_segment(platform, f"{STORY}-buyers", name="お客様", condition=ordered(STORY))
    create_segment(platform, f"{STORY}-regulars", name="常連", condition=ordered(STORY, **several, value=4))
    create_survey(platform, f"{STORY}-survey", subject=QUESTION)
    create_campaign(platform, STORY, name="お客様の声")
    create_journey(
        platform, STORY, name="お客様の声", segment_key=f"{STORY}-buyers",
        steps=[survey_step(f"{STORY}-survey", next_step="over"), {"key": "over", "kind": "end"}],
    )  # fmt: skip


def buy(platform: RunningPlatform, key: str) -> None:
    """Each signs up with a name and an address that may be written to, and buys."""
    yesterday = days_ago(1)
    record_opt_ins(platform, [address(name) for name in PEOPLE], recorded_at=yesterday)
    at = {"timestamp": yesterday}
    for name, orders in PEOPLE.items():
        sign_up = identify(name, traits={"name": name, "email": address(name)}, messageId=f"{name}-up", **at)
        purchases = [
            order(STORY, name, f"{name}-{number}", revenue=100 + number, messageId=f"{name}-{number}", **at)
            for number in range(orders)
        ]
        tell(platform, key, [sign_up, *purchases])


def answer_both(platform: RunningPlatform) -> None:
    """Each answers through their own mail."""
    wait_for("both are asked", lambda: len(mails(platform, QUESTION)) == len(PEOPLE), seconds=60)
    received = mails(platform, QUESTION)
    for score, name in enumerate(PEOPLE, start=8):
        answer_survey(received[address(name)], score=score)


def address(name: str) -> str:
    return f"{name}@example.jp"


def view(platform: RunningPlatform, identifier: str) -> dict[str, Any]:
    return customer_view(platform, VIEW, identifier)


def comparable(own: dict[str, Any]) -> dict[str, Any]:
    """A view without its id and the order of what has none; lists of one moment come in any."""
    content = own | {"id": None, "timeline": [edge["node"] for edge in own["timeline"]["edges"]]}
    return {name: sorted(map(str, part)) if isinstance(part, list) else part for name, part in content.items()}


def is_complete(own: dict[str, Any]) -> bool:
    """Whether the answer, the promise and the mail's fate have arrived."""
    names = [edge["node"]["name"] for edge in own["timeline"]["edges"]]
    expected = {"Survey Invited", "Message Sent", "Survey Answered", "Commitment Made", "Journey Ended"}
    return bool(own["responses"] and own["commitments"] and expected <= set(names))


def settled(platform: RunningPlatform, identifier: str) -> dict[str, Any]:
    """The view once it no longer changes."""
    seen: list[dict[str, Any]] = [{}]

    def same_again() -> bool:
        seen.append(view(platform, identifier))
        return seen[-1] == seen[-2]

    wait_for("nothing more arrives", same_again)
    return seen[-1]


def has_both(own: dict[str, Any]) -> bool:
    """Whether what hangs on both people's anchors is in one view."""
    both = len(PEOPLE)
    return (
        own["rfm"] is not None
        and own["rfm"]["frequency"] == sum(PEOPLE.values())
        and [len(own[part]) for part in ("permissions", "responses", "commitments", "messages")] == [both] * 4
        and len(own["segments"]) == 2
    )


def decide(platform: RunningPlatform, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Merge or split."""
    return post(platform, "identity", path, body | {"why": "they share a telephone"})


def anchors(platform: RunningPlatform, merged: dict[str, Any]) -> list[str]:
    """The identifiers that the merge brought, to be given away again."""
    assert merged["anchors"] == len(merged["anchor_ids"]) == 2
    with platform.client("identity") as client:
        held = client.post("/v1/customers:batchGet", json={"customer_ids": [merged["customer_id"]]}).json()
    everything = {each["anchor_id"] for each in held["customers"][0]["identifiers"]}
    assert set(merged["anchor_ids"]) < everything
    return list(merged["anchor_ids"])
