"""Whatever the order of moves, links, opt-ins and messages: everything stands under whoever holds the anchor."""

from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.identity import AnchorMoved
from delivery_service.models import Base
from servicekit.tables import rows_follow

ANCHORS = 3
STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "move", "move", "wait"]), st.integers(0, ANCHORS - 1), st.integers(0, 3)),
    max_size=10,
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, random=st.randoms(use_true_random=False))
async def test_rows_and_permissions_are_where_their_anchors_are(
    delivery: Any, steps: list[tuple[str, int, int]], random: Any
) -> None:
    if not await delivery.fetch("SELECT FROM topics"):
        await delivery.configure()
    people, tag = [uuid4() for _ in range(4)], uuid4().hex[:8]
    links = [delivery.linked(f"{tag}-{number}@example.com", customer_id=people[number]) for number in range(ANCHORS)]
    home, versions = {link.anchor_id: link.customer_id for link in links}, dict.fromkeys(range(ANCHORS), 0)
    address = {link.anchor_id: link.value for link in links}
    await delivery.permit(*address.values())
    waiting: list[Any] = list(links)
    requests = []
    for what, number, to in steps:
        link, customer = links[number], people[to]
        if what == "send":
            requests.append(delivery.requested(link, customer_id=home[link.anchor_id]))
            waiting.append(requests[-1])
        elif what == "move" and customer != home[link.anchor_id]:
            versions[number] += 1
            waiting.append(
                AnchorMoved(
                    event_id=uuid4(), customer_id=customer, anchor_id=link.anchor_id, occurred_at=delivery.clock.now(),
                    former_customer_id=home[link.anchor_id], version=versions[number], reason="merge",
                )
            )  # fmt: skip
            home[link.anchor_id] = customer
        elif what == "wait":
            random.shuffle(waiting)
            await delivery.send(*waiting)
            waiting = []
    random.shuffle(waiting)
    await delivery.send(*waiting)

    await check_rows(delivery, home)
    await check_permissions(delivery, home, people)
    for request in requests:
        message = await delivery.message(request)
        if message["state"] == "sent":  # it hangs on the contact point it went to
            assert message["contact_anchor_id"] == message["anchor_id"]
            assert address[message["anchor_id"]] in {to for to, _ in delivery.mailbox.mails}


async def check_rows(delivery: Any, home: dict[UUID, UUID]) -> None:
    """Every row stands under who holds its anchor."""
    assert set(rows_follow(Base).values()) == {"move"}
    for table in rows_follow(Base):
        for row in await delivery.fetch(f"SELECT * FROM {table} WHERE anchor_id = ANY($1::uuid[])", list(home)):
            assert row["customer_id"] == home[row["anchor_id"]], table


async def check_permissions(delivery: Any, home: dict[UUID, UUID], people: list[UUID]) -> None:
    """Everybody has the permissions of the contact points they hold."""
    answer = await delivery.call("POST", "/v1/permissions:batchGet", {"customer_ids": [str(each) for each in people]})
    for entry in answer["customers"]:
        held = sorted(str(anchor) for anchor, holder in home.items() if str(holder) == entry["customer_id"])
        assert sorted(permission["anchor_id"] for permission in entry["permissions"]) == held
