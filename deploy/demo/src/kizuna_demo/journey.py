"""Ranks and segments are published, then one journey with a holdout; the simulated customers live through it."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from kizuna_demo.cdnow import CUSTOMERS
from kizuna_demo.configuration import documents
from kizuna_demo.loading import tell_events
from kizuna_demo.narration import Narrator
from kizuna_demo.platform import Json, Platform, chunks
from kizuna_demo.progress import Progress, save_progress
from kizuna_demo.simulation import Simulation, told_by_simulation
from kizuna_demo.waiting import wait_until
from kizuna_local.documents import Document

CAMPAIGN = "welcome-back"
QUESTIONNAIRE = "bond-nps"
SEGMENT = "going-dormant"
UNDECIDED = ("requested", "reserved", "sending")
"""States of messages that will still change."""
_MEMBERS_PAGE = 1000

PUBLISH_SEGMENT = (
    "mutation ($input: PublishSegmentInput!) { publishSegment(input: $input) { segment { key version } } }"
)
PUBLISH_JOURNEY = (
    "mutation ($input: PublishJourneyInput!) { publishJourney(input: $input) { journey { key version } } }"
)


async def publish_segments(platform: Platform, *, narrator: Narrator) -> None:
    """Define the segments, and wait until every customer has been looked at."""
    with narrator.step("Ranks and segments, over everybody"):
        for document in documents("Segment"):
            await platform.graphql(PUBLISH_SEGMENT, input={"key": document.key, **document.spec})
        await wait_until(
            lambda: _backfilled(platform),
            lambda seen: seen.status == {"published"} and seen.ranked >= CUSTOMERS,
            what=f"segments should be filled and {CUSTOMERS} customers have a rank",
        )


async def start_journey(platform: Platform, *, progress: Progress, directory: Path, narrator: Narrator) -> None:
    """Publish the journey; who is in its segment at that moment is remembered, since who buys leaves it."""
    with narrator.step("Journey: a coupon for the dormant"):
        if not progress.journey_customers:
            progress.journey_customers = {
                user_id: customer_id
                async for some in member_pages(platform, SEGMENT)
                for user_id, customer_id in await user_ids_of(platform, some)
            }
            save_progress(directory, progress)
        for document in documents("Journey"):
            await platform.graphql(PUBLISH_JOURNEY, input=_journey_input(document))


async def live_through_journey(
    platform: Platform, simulation: Simulation, *, progress: Progress, directory: Path, narrator: Narrator
) -> None:
    """Mails are read while they are sent; then some buy; then those who were asked answer; then all of it is seen."""
    members = len(progress.journey_customers)
    with narrator.step("Coupons arrive, are opened, clicked") as bar:
        await simulation.read_mails_until(lambda: _all_coupons_sent(platform, members), on_mail=bar.advance)

    with narrator.step("Simulated customers buy") as bar:
        progress.simulated += simulation.decide_purchases(progress)
        save_progress(directory, progress)
        await tell_events(platform, "shop", told_by_simulation(progress.simulated), on_progress=bar.advance)

    with narrator.step("They are asked, and some answer") as bar:
        await simulation.read_mails_until(lambda: _all_invitations_sent(platform), on_mail=bar.advance)

    with narrator.step("All of it comes back as events"):
        await _wait_for_echoes(platform, simulation, bought=len(progress.simulated))


class _Backfill(NamedTuple):
    status: set[str]
    """Of the segments."""
    evaluated: int
    ranked: int
    """Customers who hold a rank."""


async def _backfilled(platform: Platform) -> _Backfill:
    segments = (await platform.get("profile", "/v1/segments"))["items"]
    ranks = (await platform.get("profile", "/v1/ranks/default"))["ranks"]
    return _Backfill(
        status={segment["status"] for segment in segments},
        evaluated=sum(segment["evaluated"] for segment in segments),
        ranked=sum(rank["size"] for rank in ranks),
    )


async def member_pages(platform: Platform, segment: str) -> AsyncIterator[list[str]]:
    """customer_ids of a segment's members, a page at a time."""
    after: dict[str, str] = {}
    while True:
        page = await platform.get("profile", "/v1/customers", segment=segment, first=_MEMBERS_PAGE, **after)
        yield [item["customer_id"] for item in page["items"]]
        if not page["next"]:
            return
        after = {"after": page["next"]}


async def user_ids_of(platform: Platform, customer_ids: list[str]) -> list[tuple[str, str]]:
    """(user_id, customer_id) of customers who have a user_id."""
    answers = [
        await platform.post("identity", "/v1/customers:batchGet", {"customer_ids": some})
        for some in chunks(customer_ids)
    ]
    return [
        (identifier["value"], customer["customer_id"])
        for answer in answers
        for customer in answer["customers"]
        for identifier in customer["identifiers"]
        if identifier["namespace"] == "user_id"
    ]


async def read_results(platform: Platform) -> Json:
    """What the campaign achieved so far."""
    return await platform.get("campaign", f"/v1/campaigns/{CAMPAIGN}/results")


async def _refresh_results(platform: Platform) -> None:
    """Have campaign read everybody's purchases now rather than at its next turn, and wait for it."""
    asked = await platform.post("campaign", f"/v1/campaigns/{CAMPAIGN}/results:refresh", {})
    requested_at = datetime.fromisoformat(asked["requested_at"])
    await wait_until(
        lambda: read_results(platform),
        lambda results: bool(results["as_of"]) and datetime.fromisoformat(results["as_of"]) >= requested_at,
        what="campaign should have read the purchases",
    )


async def _all_coupons_sent(platform: Platform, members: int) -> bool:
    """Everybody is in an arm, and for each of the treated one message is decided: sent, or not to be sent."""
    results = await read_results(platform)
    treated = results["treatment"]["customers"]
    assigned = treated + results["holdout"]["customers"]
    return bool(assigned >= members and await _decided_messages(platform) >= treated)


async def _all_invitations_sent(platform: Platform) -> bool:
    """For each of the treated the second message, the invitation, is decided too."""
    results = await read_results(platform)
    return bool(await _decided_messages(platform) >= 2 * results["treatment"]["customers"])


async def _decided_messages(platform: Platform) -> int:
    totals = await platform.get("delivery", "/v1/totals")
    return sum(count for state, count in totals["messages"].items() if state not in UNDECIDED)


async def _wait_for_echoes(platform: Platform, simulation: Simulation, *, bought: int) -> None:
    """What the customers did has arrived at profile, campaign and survey."""

    async def look() -> tuple[int, int, int, int]:
        totals = await platform.get("profile", "/v1/totals")
        results = await read_results(platform)
        coverage = await platform.get("survey", "/v1/coverage", questionnaire=QUESTIONNAIRE)
        treatment = results["treatment"]
        return totals["purchases_simulated"], treatment["opened"], treatment["clicked"], coverage["answered"]

    did = simulation.reached
    expected = (bought, len(did.opened), len(did.clicked), len(did.answered))
    await wait_until(
        look,
        lambda seen: all(one >= other for one, other in zip(seen, expected, strict=True)),
        what=f"simulated purchases, opened, clicked, answered should be {expected}",
    )
    await _refresh_results(platform)


def _journey_input(document: Document) -> Json:
    """The mutation's input: GraphQL names fields in camel case; trigger and steps are free JSON."""
    spec = {("campaignKey" if name == "campaign_key" else name): value for name, value in document.spec.items()}
    return {"key": document.key, **spec}
