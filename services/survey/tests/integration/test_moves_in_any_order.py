"""Whatever the order of moves, requests and answers: what survey holds stands under whoever holds the anchor."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.campaign import AnswerRequested
from contracts.identity import AnchorMoved
from contracts.survey import InvitationIssued
from servicekit.clock import FrozenClock
from servicekit.database import raw
from servicekit.tables import rows_follow
from servicekit.testing import RunningService
from survey_service.models import Base

ANCHORS = 3
ANSWERS: dict[str, Any] = {"recommend": 8, "offer": ["price", "new_arrivals"]}
EACH = {"invitations": 1, "responses": 1, "answers": 2, "commitments": 2, "commitment_changes": 2}
"""Rows that one answered invitation leads to."""
STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "move", "answer", "wait"]), st.integers(0, ANCHORS - 1), st.integers(0, 3)),
    max_size=12,
)


async def rows(survey: RunningService, table: str, anchors: list[UUID]) -> dict[UUID, list[UUID]]:
    """By anchor, the customers of its rows."""
    async with survey.database.transaction() as session:
        found = await (await raw(session)).fetch(
            f"SELECT anchor_id, array_agg(customer_id) AS customers FROM {table} "  # a table of the models
            "WHERE anchor_id = ANY($1::uuid[]) GROUP BY anchor_id",
            anchors,
        )
    return {row["anchor_id"]: row["customers"] for row in found}


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, random=st.randoms(use_true_random=False))
async def test_rows_are_where_their_anchors_are(
    survey: RunningService,
    questionnaire: dict[str, Any],
    ask: Callable[..., AnswerRequested],
    clock: FrozenClock,
    steps: list[tuple[str, int, int]],
    random: Any,
) -> None:
    await survey.client.put("/v1/questionnaires/after_purchase", json=questionnaire, headers=survey.headers())
    anchors, people = [uuid4() for _ in range(ANCHORS)], [uuid4() for _ in range(4)]
    home, versions = dict(zip(anchors, people, strict=False)), dict.fromkeys(anchors, 0)
    asked, waiting = dict.fromkeys(anchors, 0), list[AnswerRequested | AnchorMoved]()
    for what, number, to in steps:
        anchor, customer = anchors[number], people[to]
        if what == "ask":
            asked[anchor] += 1
            waiting.append(ask(customer_id=home[anchor]).model_copy(update={"anchor_id": anchor}))
        elif what == "move" and customer != home[anchor]:
            versions[anchor] += 1
            waiting.append(
                AnchorMoved(
                    event_id=uuid4(), customer_id=customer, anchor_id=anchor, occurred_at=clock.now(),
                    former_customer_id=home[anchor], version=versions[anchor], reason="merge",
                )
            )  # fmt: skip
            home[anchor] = customer
        elif what == "answer":
            await answer(survey, anchors)
        else:
            random.shuffle(waiting)
            await survey.publish(waiting)
            waiting = []
    random.shuffle(waiting)
    await survey.publish(waiting)
    await answer(survey, anchors)
    await survey.drain()
    for table in rows_follow(Base):
        expected = {anchor: [home[anchor]] * EACH[table] * count for anchor, count in asked.items() if count}
        assert await rows(survey, table, anchors) == expected, table


async def answer(survey: RunningService, anchors: list[UUID]) -> None:
    """Answer every invitation there is so far, moving or not."""
    for invitation in await survey.published(InvitationIssued):
        if invitation.anchor_id in anchors:
            posted = await survey.client.post(invitation.url, json={"answers": ANSWERS})
            assert posted.status_code in {200, 201}, posted.text
