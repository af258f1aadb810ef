"""Values: computed traits, cut points and RFM, the lifecycle, points and the distance to the next rank."""

import asyncio
from pathlib import Path

from kizuna_demo.browsing import PAGES
from kizuna_demo.configuration import WHAT_WE_KNOW, apply_documents
from kizuna_demo.journey import user_ids_of
from kizuna_demo.platform import Json, Platform
from kizuna_demo.waiting import wait_until

PRESETS = ("advocate-score", "days-since-purchase", "lifetime-value", "usual-hour")
"""Of those offered; `favourite-category` has nothing to say of CDs without categories (config: favourite-genre)."""
ADVOCATE_FROM = 20
"""Points of the advocate score: one deed, or a promoter's answer."""
_FIFTHS = ("20", "40", "60", "80")


async def put_values(platform: Platform, credentials_path: Path) -> None:
    """Put the presets and our own values; returns when cut points are taken."""
    offered = {one["key"]: one for one in (await platform.get("profile", "/v1/computed-traits:presets"))["items"]}
    for key in PRESETS:
        preset = {name: offered[key][name] for name in ("name", "description", "unit", "value")}
        await platform.put("profile", f"/v1/computed-traits/{key}", preset)
    await apply_documents(credentials_path, "ComputedTrait", "Lifecycle", "CutPoints", chapter=WHAT_WE_KNOW)
    await wait_until(
        lambda: platform.get("profile", "/v1/cut-points"),
        lambda seen: all(subject["version"] > 0 for subject in seen["items"]),
        what="cut points should be taken",
    )


async def preview(platform: Platform, condition: Json, *, mode: str = "exact") -> Json:
    """How many customers fulfil a condition."""
    return await platform.post("profile", "/v1/segments:preview", {"condition": condition, "mode": mode})


async def gather_values(platform: Platform) -> Json:
    """Presets, fifths, states of the lifecycle with their counts, and one customer who is nearly gold."""
    cuts = await platform.get("profile", "/v1/cut-points/monetary/versions", first=1)
    monetary = cuts["items"][0]
    return {
        "presets": list(PRESETS),
        "monetary_fifths": {percent: monetary["at_least"][percent] for percent in _FIFTHS},
        "top_tenth_from": monetary["at_least"]["90"],
        "buyers": monetary["customers"],
        "best_in_all": await _best_in_all(platform),
        **await _lifecycle(platform),
        "advocates": await _count(platform, _computed("advocate-score", "ge", ADVOCATE_FROM)),
        "favourite_genres": {
            title: await _count(platform, _computed("favourite-genre", "eq", title))
            for path, title in PAGES
            if path.startswith("/genre/")
        },
        "example": await _nearly_gold(platform),
    }


async def _best_in_all(platform: Platform) -> int:
    """Customers with the RFM scores 5, 5, 5."""
    best = [
        {"kind": "percentile", "of": measure, "position": "top", "percent": 20}
        for measure in ("recency", "frequency", "monetary")
    ]
    return await _count(platform, {"kind": "and", "conditions": best})


def _computed(key: str, comparison: str, value: object) -> Json:
    return {"kind": "value", "of": {"kind": "computed", "key": key}, "comparison": comparison, "value": value}


async def _count(platform: Platform, condition: Json) -> int:
    return int((await preview(platform, condition))["count"])


async def _lifecycle(platform: Platform) -> Json:
    """Each state with how many customers are in it; everybody is in exactly one."""
    states = [state["key"] for state in (await platform.get("profile", "/v1/lifecycle"))["states"]]
    counts = await asyncio.gather(*(preview(platform, {"kind": "lifecycle", "states": [state]}) for state in states))
    return {
        "lifecycle": [{"state": state, "customers": one["count"]} for state, one in zip(states, counts, strict=True)],
        "everybody": counts[0]["total"],
    }


async def _nearly_gold(platform: Platform) -> Json | None:
    """The first of the segment: "N points to Gold", and what else is computed of this customer."""
    page = await platform.get("profile", "/v1/customers", segment="nearly-gold", first=1)
    customer_ids = [item["customer_id"] for item in page["items"]]
    if not customer_ids:
        return None
    answer = await platform.post("profile", "/v1/customers:batchGet", {"customer_ids": customer_ids})
    [customer] = answer["customers"]
    [(user_id, _)] = (await user_ids_of(platform, customer_ids))[:1]
    return {
        "user_id": user_id,
        **{name: customer[name] for name in ("points", "next_rank", "lifecycle", "computed", "rfm_scores")},
        "rank": customer["rank"]["name"],
    }
