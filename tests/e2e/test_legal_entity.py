"""Several companies, one customer base: what another linked is not written to by the maker until the two agree, or
until the maker collects it itself."""

from typing import Any

from tests.e2e.world import (
    create_campaign,
    create_template,
    customer_view,
    days_ago,
    identify,
    known,
    mail_step,
    mails,
    post,
    put,
    tell,
)
from tests.running_platform import RunningPlatform, wait_for

STORY = "legal-entity"
MAKER, DEALER = "絆製作所株式会社", "絆販売株式会社"
LESSOR = "絆リース株式会社"  # with whom nobody agreed on anything
BEFORE, AFTER = "製作所からのお知らせ", "製作所から、あらためてのお知らせ"
UNKNOWN, REGISTERED = "製作所から、まだ存じ上げない方へ", "製作所から、ご登録のお礼"
ADDRESSES = {"maker": f"{STORY}-maker@example.jp", "dealer": f"{STORY}-dealer@example.jp"}
MESSAGES = "query($id: ID!) { customer(id: $id) { messages { templateKey state failureReason } } }"


def test_what_one_company_linked_is_used_by_another_once_they_agreed(platform: RunningPlatform) -> None:
    keys = {name: source(platform, name, entity) for name, entity in (("maker", MAKER), ("dealer", DEALER))}
    configure(platform, *ADDRESSES.values())
    for name, key in keys.items():
        tell(platform, key, [identify(f"{STORY}-{name}", traits={"name": name, "email": ADDRESSES[name]})])
    customers = dict(zip(keys, known(platform, *(f"{STORY}-{name}" for name in keys)), strict=True))

    send(platform, keys, "before", BEFORE)
    await_messages(platform, customers, "before", {"maker": ("sent", None), "dealer": ("failed", "legal_entity")})
    assert set(mails(platform, BEFORE)) == {ADDRESSES["maker"]}

    agree(platform)
    send(platform, keys, "after", AFTER)
    await_messages(platform, customers, "after", dict.fromkeys(customers, ("sent", None)))
    assert set(mails(platform, AFTER)) == set(ADDRESSES.values())


def test_what_the_maker_collects_itself_it_may_use_though_another_was_first(platform: RunningPlatform) -> None:
    keys = {name: source(platform, f"both-{name}", entity) for name, entity in (("maker", MAKER), ("lessor", LESSOR))}
    address = f"{STORY}-both@example.jp"
    configure(platform, address)
    registered = identify(f"{STORY}-both", traits={"name": "both", "email": address})
    tell(platform, keys["lessor"], [registered])
    (customer,) = known(platform, f"{STORY}-both")

    send(platform, {"both": keys["lessor"]}, "unknown", UNKNOWN)
    await_messages(platform, {"both": customer}, "unknown", {"both": ("failed", "legal_entity")})

    tell(platform, keys["maker"], [registered])
    send(platform, {"both": keys["maker"]}, "registered", REGISTERED)
    await_messages(platform, {"both": customer}, "registered", {"both": ("sent", None)})
    assert set(mails(platform, REGISTERED)) == {address}
    assert mails(platform, UNKNOWN) == {}


def source(platform: RunningPlatform, name: str, legal_entity: str) -> str:
    """A company's source; its write key."""
    body = {"name": name, "department": "sales", "brand": "kizuna", "legal_entity": legal_entity}
    created = put(platform, "identity", f"/v1/sources/{STORY}-{name}", body | {"purposes": ["marketing"]})
    return str(created["write_key"])


def configure(platform: RunningPlatform, *addresses: str) -> None:
    """They may be written to by the maker, as far as they are asked."""
    topic = {"name": "製作所のお知らせ", "legal_entity": MAKER, "purpose": "marketing"}
    put(platform, "delivery", f"/v1/topics/{STORY}", topic)
    opt_ins = [
        {"channel": "email", "value": address, "topic": STORY, "status": "granted", "basis": "opt_in_form"}
        for address in addresses
    ]
    post(platform, "delivery", "/v1/permissions:record", {"permissions": opt_ins})


def send(platform: RunningPlatform, keys: dict[str, str], name: str, subject: str) -> None:
    """The maker writes to them."""
    key = f"{STORY}-{name}"
    create_template(platform, key, subject=subject)
    create_campaign(platform, key, name=name)
    journey = {
        "name": name, "campaign_key": key, "reentry": {"once": True}, "trigger": {"kind": "event", "event": key},
        "steps": [mail_step("mail", key, topic=STORY)],
    }  # fmt: skip
    put(platform, "campaign", f"/v1/journeys/{key}", journey)
    post(platform, "campaign", f"/v1/journeys/{key}:publish")
    for whose, write_key in keys.items():
        tell(platform, write_key, [{"type": "track", "event": key, "userId": f"{STORY}-{whose}"}])


def agree(platform: RunningPlatform) -> None:
    """The dealer lets the maker use what it linked."""
    agreement: dict[str, Any] = {
        "from_entity": DEALER, "to_entity": MAKER, "purposes": ["marketing"], "valid_from": days_ago(1),
        "evidence": "a contract",
    }  # fmt: skip
    put(platform, "identity", f"/v1/agreements/{STORY}", agreement)


def await_messages(
    platform: RunningPlatform, customers: dict[str, str], name: str, expected: dict[str, tuple[str, str | None]]
) -> None:
    """Wait until that became of the messages."""

    def are_so() -> bool:
        return {who: became(platform, customer, name) for who, customer in customers.items()} == expected

    wait_for(f"{name}: {expected}", are_so)


def became(platform: RunningPlatform, customer: str, name: str) -> tuple[str, str | None] | None:
    """What the graph says became of the message; None while there is none."""
    messages = customer_view(platform, MESSAGES, customer)["messages"]
    found = [one for one in messages if one["templateKey"] == f"{STORY}-{name}"]
    return (found[0]["state"], found[0]["failureReason"]) if found else None
