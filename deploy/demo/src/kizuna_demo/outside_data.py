"""What comes from outside and what goes there: bought data about segments, and our own made anonymous."""

from datetime import timedelta

from kizuna_demo.configuration import WHAT_WE_KNOW, documents
from kizuna_demo.errors import StoryError
from kizuna_demo.finer_segments import TOP_TENTH
from kizuna_demo.platform import Json, Platform, refusal
from kizuna_demo.waiting import wait_until
from kizuna_demo.world import World

_HEAD = "segment,cell_size,age_band,concerts_a_year,music_spending,owns_a_record_player\n"
AS_AGREED = _HEAD + (
    "top-tenth,412,under_40,5.1,148000,0.38\n"
    "top-tenth,655,40_to_59,4.2,126000,0.55\n"
    "top-tenth,301,60_and_over,3.0,97000,0.71\n"
    "nearly-gold,240,under_40,3.3,84000,0.31\n"
    "nearly-gold,198,40_to_59,2.9,79000,0.44\n"
    "going-dormant,820,under_40,1.2,31000,0.12\n"
    "going-dormant,540,40_to_59,1.0,28000,0.20\n"
)
"""Invented figures; each cell is of more people than the least allowed."""
SMALL_CELL = 7
NOT_AS_AGREED = AS_AGREED + f"going-dormant,{SMALL_CELL},60_and_over,0.9,26000,0.33\n"
"""One cell is of so few that it would be about persons."""
_VALID_DAYS = 180
_ENDED = ("done", "failed", "cancelled", "expired")

EXPORT = {
    "shape": "rows",
    "columns": [
        {
            "name": "gender",
            "category": "性別",
            "source": {"kind": "trait", "trait": "gender"},
            "generalisation": {"kind": "categories", "values": {"male": "男性", "female": "女性"}},
        },
        {
            "name": "born",
            "category": "生年",
            "source": {"kind": "trait", "trait": "birthday"},
            "generalisation": {"kind": "calendar", "unit": "year"},
        },
        {
            "name": "rank",
            "category": "会員ランク",
            "source": {"kind": "rank"},
            "generalisation": {"kind": "as_is"},
        },
        {
            "name": "first_seen",
            "category": "利用開始時期",
            "source": {"kind": "moment", "of": "first_event"},
            "generalisation": {"kind": "calendar", "unit": "year"},
        },
    ],
    "k": 10,
    "purpose": "音楽の聴き方の共同研究 (デモ)",
    "recipient": "架空大学",
    "provision": "SFTP",
    "keep_days": 7,
}


async def buy_data(platform: Platform, world: World) -> Json:
    """Describe what is bought and why; a file with a small cell is refused whole, the corrected one is taken."""
    [document] = documents("Insight", chapter=WHAT_WE_KNOW)
    ends = (world.midnight + timedelta(days=_VALID_DAYS)).isoformat()
    path = f"/v1/insights/{document.key}"
    await platform.put("profile", path, {**document.spec, "expires_at": ends})
    refused = await refusal(platform.send_file("profile", f"{path}:import", NOT_AS_AGREED.encode(), kind="text/csv"))
    taken = await platform.send_file("profile", f"{path}:import", AS_AGREED.encode(), kind="text/csv")
    return {"refused": refused, "cells": taken["accepted"]}


async def export_anonymised(platform: Platform, world: World) -> Json:
    """Have an export made; told again, the story finds the one it asked for."""
    asked = await platform.post(
        "profile", "/v1/anonymised-exports", EXPORT, idempotency_key=f"demo-{world.today}-anonymised"
    )
    path = f"/v1/anonymised-exports/{asked['export_id']}"
    made = await wait_until(
        lambda: platform.get("profile", path),
        lambda seen: seen["state"] in _ENDED,
        what="the anonymised export should be made",
    )
    if made["state"] != "done":
        raise StoryError(f"The anonymised export is {made['state']}: {made['problem']}")
    return made


async def gather_outside(platform: Platform, *, bought: Json, export: Json) -> Json:
    """What bought data says of one segment, and what the export came to."""
    joined = await platform.get("profile", f"/v1/segments/{TOP_TENTH}/insights")
    [dataset] = joined["datasets"]
    return {
        "bought": {
            **bought,
            **{name: dataset[name] for name in ("key", "hypothesis", "minimum_cell_size", "expires_at")},
            "segment": TOP_TENTH,
            "joined": joined["cells"],
        },
        "export": {
            **export["figures"],
            "suppressed": export["figures"]["customers"] - export["figures"]["published"],
            "k": export["definition"]["k"],
            "item_categories": export["publication"]["item_categories"],
        },
    }
