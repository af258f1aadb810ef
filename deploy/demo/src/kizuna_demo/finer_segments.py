"""Segments in the whole condition language: published, previewed, compared; and a list put together by hand."""

from pathlib import Path

from kizuna_demo.configuration import WHAT_WE_KNOW, apply_documents, documents
from kizuna_demo.journey import PUBLISH_SEGMENT, SEGMENT, member_pages
from kizuna_demo.platform import Json, Platform
from kizuna_demo.values import preview
from kizuna_demo.waiting import wait_until

TOP_TENTH = "top-tenth"
LIST, LIST_NAME, LIST_SIZE = "listening-evening", "試聴会の招待客", 50
TRIED = {
    "kind": "and",
    "conditions": [
        {"kind": "identifier", "namespace": "line"},
        {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 2, "window": {"days": 365}},
    ],
}
"""Reached by LINE, bought twice within a year."""

PUT_LIST = "mutation ($input: PutSegmentInput!) { putSegment(input: $input) { segment { key kind } } }"
ADD_TO_LIST = "mutation ($input: SegmentMembersInput!) { addSegmentMembers(input: $input) { outcomes { outcome } } }"
OVERLAP = "query ($keys: [String!]!) { segmentOverlap(keys: $keys) { a b aSize bSize both onlyA onlyB } }"


async def publish_finer_segments(platform: Platform, crm: Platform, credentials_path: Path) -> None:
    """CRM publishes the segments; topics and signs are configured. Returns when everybody has been looked at."""
    for document in documents("Segment", chapter=WHAT_WE_KNOW):
        await crm.graphql(PUBLISH_SEGMENT, input={"key": document.key, **document.spec})
    await apply_documents(credentials_path, "RemarkTopic", "Sign", chapter=WHAT_WE_KNOW)
    await wait_until(
        lambda: _statuses(platform),
        lambda seen: seen == {"published"},
        what="segments and signs should be evaluated for everybody",
    )


async def _statuses(platform: Platform) -> set[str]:
    segments = (await platform.get("profile", "/v1/segments"))["items"]
    signs = (await platform.get("profile", "/v1/signs"))["items"]
    return {one["status"] for one in (*segments, *signs)}


async def invite(crm: Platform) -> None:
    """A static list: the first of the top tenth, put on it one by one."""
    members = [customer_id async for some in member_pages(crm, TOP_TENTH) for customer_id in some][:LIST_SIZE]
    await crm.graphql(PUT_LIST, input={"key": LIST, "kind": "static", "name": LIST_NAME})
    await crm.graphql(ADD_TO_LIST, input={"key": LIST, "customerIds": members})


async def gather_segments(platform: Platform) -> Json:
    """Sizes, an estimate beside the exact count, two segments compared."""
    keys = [document.key for document in documents("Segment", chapter=WHAT_WE_KNOW)]
    listed = (await platform.get("profile", "/v1/segments"))["items"]
    estimate, exact = [await preview(platform, TRIED, mode=mode) for mode in ("estimate", "exact")]
    overlaps = await platform.graphql(OVERLAP, keys=[TOP_TENTH, SEGMENT])
    return {
        "sizes": [
            {"key": one["key"], "name": one["name"], "size": one["size"]}
            for one in listed
            if one["key"] in (*keys, LIST)
        ],
        "preview": {
            **{name: estimate[name] for name in ("count", "low", "high", "total")},
            "exact": exact["count"],
        },
        "overlap": overlaps["segmentOverlap"][0],
    }
