"""Departments: each asks with a token of its own, a policy decides what it is told, and what circulates is counted."""

from pathlib import Path

from kizuna_demo.configuration import WHAT_WE_KNOW, apply_documents
from kizuna_demo.journey import SEGMENT, member_pages
from kizuna_demo.platform import Json, Platform, chunks
from kizuna_demo.waiting import wait_until
from kizuna_local.home import Home
from kizuna_local.keys import issue_user_token
from servicekit.clock import Clock

ADVERTISING, CRM, SALES = "advertising", "crm", "sales"
_SCOPES = {
    ADVERTISING: ("identity:read", "profile:read"),
    CRM: ("identity:read", "profile:read", "profile:write"),
}
_READ_BY_CRM = 200
"""Timelines of so many customers."""

SEEN_QUERY = """\
query ($number: String!) {
  customerByIdentifier(namespace: "user_id", value: $number) {
    traits { name value }
    rfm { frequency monetary }
    rank { name }
    segments { key }
    signs { key }
    remarks { text }
    timeline(first: 100) { totalCount edges { node { name department } } }
  }
}
"""


def speaking_for(platform: Platform, department: str, *, home: Path, clock: Clock) -> Platform:
    """The platform as a department reaches it, with a token as `kizuna token --department` makes it."""
    token = issue_user_token(Home(home), clock=clock, scopes=_SCOPES[department], department=department)
    return platform.speaking_for(token)


async def agree_on_policy(credentials_path: Path) -> None:
    """One document says who may read what; it holds from the next request on."""
    await apply_documents(credentials_path, "Policy", chapter=WHAT_WE_KNOW)


async def compare_views(platform: Platform, user_id: str, *, home: Path, clock: Clock) -> Json:
    """What two departments are told of one customer by the same question."""
    answers = {
        department: await speaking_for(platform, department, home=home, clock=clock).graphql(SEEN_QUERY, number=user_id)
        for department in (ADVERTISING, CRM)
    }
    return {"user_id": user_id, **{department: in_short(answer) for department, answer in answers.items()}}


def in_short(answer: Json) -> Json:
    """Names and numbers of what a department was told, no values."""
    customer = answer["customerByIdentifier"]
    edges = customer["timeline"]["edges"]
    return {
        "traits": sorted(trait["name"] for trait in customer["traits"]),
        "is_rank_shown": customer["rank"] is not None,
        "are_purchases_shown": customer["rfm"] is not None,
        "segments": sorted(segment["key"] for segment in customer["segments"]),
        "signs": sorted(sign["key"] for sign in customer["signs"]),
        "remarks": len(customer["remarks"]),
        "events": customer["timeline"]["totalCount"],
        "of_departments": sorted({edge["node"]["department"] for edge in edges if edge["node"]["department"]}),
    }


async def use_each_others(platform: Platform, segment: str, *, home: Path, clock: Clock) -> Json:
    """Advertising addresses a segment of CRM's; CRM reads what others told of some of its members."""
    advertising, crm = (speaking_for(platform, department, home=home, clock=clock) for department in (ADVERTISING, CRM))
    addressed = [customer_id async for some in member_pages(advertising, segment) for customer_id in some]
    for some in chunks(addressed[:_READ_BY_CRM]):
        await crm.post("profile", "/v1/timelines:batchGet", {"customer_ids": some, "first": 50})
    return {"segment": segment, "addressed": len(addressed)}


async def read_circulation(platform: Platform, *, addressed: int) -> Json:
    """What each department gave and who used it, once what was just read is counted (every few seconds)."""
    report = await wait_until(
        lambda: platform.get("profile", "/v1/circulation", segment=SEGMENT),
        lambda seen: _read_by(seen, ADVERTISING, giver=CRM, kind="segment") >= addressed,
        what=f"{addressed} members read by {ADVERTISING} should be counted",
    )
    return {
        "given": totals_of(report["given"], "department"),
        "used": [use for use in report["used"] if use["reader"] in (ADVERTISING, CRM)],
        "segments": report["segments"],
        "results": report["results"],
    }


def totals_of(rows: list[Json], by: str) -> list[Json]:
    """Counts by department and kind, over all months, the largest first."""
    totals: dict[tuple[str | None, str], int] = {}
    for row in rows:
        totals[row[by], row["kind"]] = totals.get((row[by], row["kind"]), 0) + row["count"]
    return [
        {by: department, "kind": kind, "count": count}
        for (department, kind), count in sorted(totals.items(), key=lambda item: -item[1])
    ]


def _read_by(report: Json, reader: str, *, giver: str, kind: str) -> int:
    return sum(
        use["count"] for use in report["used"] if (use["reader"], use["giver"], use["kind"]) == (reader, giver, kind)
    )
