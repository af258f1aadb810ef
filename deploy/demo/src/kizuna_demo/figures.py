"""The story's figures: gathered once from the services, kept in story.json, shown as a table."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from kizuna_demo.behaviour import BASE, EFFECT
from kizuna_demo.cdnow import CUSTOMERS
from kizuna_demo.check import CheckResult
from kizuna_demo.errors import StoryError
from kizuna_demo.journey import CAMPAIGN, QUESTIONNAIRE, read_results
from kizuna_demo.partner import NAMESPACE as PARTNERS_IDS
from kizuna_demo.platform import SERVICES, Json, Platform
from kizuna_demo.progress import Progress, replace_file
from kizuna_demo.simulation import Simulation
from kizuna_demo.truth import Truth
from kizuna_demo.waiting import wait_until

BRAND = "kizuna-records"
FIGURES_FILE = "story.json"
_COVERAGE = (
    "computed_at", "customers", "known", "anonymous", "linked_outside", "linked_outside_share", "by_namespace",
)  # fmt: skip
Figures = dict[str, Any]  # JSON, see README.md

QUERY = """\
{
  customerByIdentifier(namespace: "user_id", value: "%s") {
    id
    identifiers { namespace value }
    traits { name value source }
    rfm { recencyDays frequency monetary }
    rank { name }
    segments { name since }
    timeline(first: 10) { totalCount edges { node { name occurredAt properties } } }
    messages { templateKey state sentAt openedAt clickedAt }
    permissions { channel topic status }
    responses { questionnaireKey npsScore answers { questionKey value } }
    commitments { kind subject status ownerDepartment dueOn }
    journeys { journeyKey arm status outcome }
  }
}
"""


async def gather_figures(
    platform: Platform, *, progress: Progress, checked: CheckResult, simulation: Simulation
) -> Figures:
    """Ask every service once; the customer shown is one with much to see."""
    query = QUERY % simulation.most_talkative()
    coverage = await platform.get("identity", "/v1/coverage")
    brand = await _coverage_of_brand(platform)
    profile = await platform.get("profile", "/v1/totals")
    ranks = await platform.get("profile", "/v1/ranks/default")
    segments = await platform.get("profile", "/v1/segments")
    return {
        "today": progress.today.isoformat(),
        "seed": progress.seed,
        "events": {
            "told": progress.events,
            "permissions": progress.permissions,
            "accepted": coverage["accepted_events"],
            "rejected": coverage["rejected_events"],
            "duplicates": coverage["duplicate_events"],
            "on_timelines": progress.on_timelines,
            "on_timelines_at_the_end": profile["events"],
        },
        "purchases": {
            "of_the_file": profile["purchases"],
            "simulated": profile["purchases_simulated"],
            "revenue": profile["revenue"],
            "revenue_simulated": profile["revenue_simulated"],
            "currency": profile["currency"],
        },
        "customers": {
            "all": brand["customers"],
            "known": brand["known"],
            "linked": coverage["linked"],
            "linked_share": _share(coverage["linked"], coverage["customers"]),
        },
        "who_is_this": await _who_is_this(platform, progress, coverage),
        "ranks": [{"key": rank["key"], "name": rank["name"], "size": rank["size"]} for rank in ranks["ranks"]],
        "segments": [{"key": one["key"], "name": one["name"], "size": one["size"]} for one in segments["items"]],
        "campaign": await _campaign(platform, effect=simulation.true_effect),
        "survey": await _survey(platform, customers=brand["known"]),
        "check": {
            "customers": checked.customers,
            "purchases": checked.purchases,
            "differences": len(checked.differences),
        },
        "addresses": _addresses(platform),
        "query": query,
        "answer": await platform.graphql(query),
    }


def read_figures(directory: Path) -> Figures | None:
    """The figures of a story told to its end, None when there is none."""
    path = directory / FIGURES_FILE
    return msgspec.json.decode(path.read_bytes()) if path.exists() else None


def write_figures(directory: Path, figures: Figures) -> None:
    """Keep them beside credentials.json."""
    replace_file(directory / FIGURES_FILE, msgspec.json.format(msgspec.json.encode(figures)))


async def _who_is_this(platform: Platform, progress: Progress, coverage: Json) -> Json:
    """What came from elsewhere, what linking made of it, and what would have been right (only a demo knows)."""
    synced, linked = progress.synced, progress.linked
    if synced is None or linked is None:
        raise StoryError("The chapter of linking was left out: run `kizuna reset`.")
    truth = Truth(joined=linked.joined, same=linked.same, right=linked.right)
    return {
        "lists": [msgspec.to_builtins(one) for one in progress.lists],
        "id_syncs": msgspec.to_builtins(synced),
        "coverage": {name: coverage[name] for name in _COVERAGE},
        "members_under_partners_ids": _share(coverage["by_namespace"].get(PARTNERS_IDS, 0), CUSTOMERS),
        "linking": linked.run,
        "truth": {**msgspec.to_builtins(truth), "precision": truth.precision, "recall": truth.recall},
        "accepted": await _candidate(platform, linked.accept),
        "undone": await _candidate(platform, linked.undo),
        "undone_was_wrong": linked.undone_was_wrong,
    }


async def _coverage_of_brand(platform: Platform) -> Json:
    """The shop's own customers, without those whom only the group's lists name, by the day's last count."""
    history = await wait_until(
        lambda: platform.get("identity", "/v1/coverage/history", brand=BRAND),
        lambda seen: bool(seen["items"]) and seen["items"][-1]["known"] >= CUSTOMERS,
        what=f"identity should have counted {CUSTOMERS} known customers of {BRAND}",
        patience_seconds=300,
    )
    newest: Json = history["items"][-1]
    return newest


async def _candidate(platform: Platform, candidate_id: str | None) -> Json | None:
    """What spoke for and against a pair, without its values."""
    if candidate_id is None:
        return None
    candidate = await platform.get("identity", f"/v1/linking/candidates/{candidate_id}")
    return {
        **{name: candidate[name] for name in ("candidate_id", "state", "score", "decision_id")},
        "fields": [{name: one[name] for name in ("field", "agreement", "weight")} for one in candidate["fields"]],
    }


async def _campaign(platform: Platform, *, effect: float) -> Json:
    results = await read_results(platform)
    return {
        "key": CAMPAIGN,
        **{name: results[name] for name in ("treatment", "holdout", "lift", "revenue_lift", "mixed", "coupons")},
        "truth": {
            "base": BASE,
            "effect_on_reached": EFFECT,
            "effect": round(effect, 4),
        },
    }


async def _survey(platform: Platform, *, customers: int) -> Json:
    coverage = await platform.get("survey", "/v1/coverage", questionnaire=QUESTIONNAIRE)
    nps = await platform.get("survey", "/v1/nps", questionnaire=QUESTIONNAIRE)
    totals = await platform.get("survey", "/v1/totals")
    return {
        "invited": coverage["invited"],
        "answered": coverage["answered"],
        "coverage": coverage["coverage"],
        "census_coverage": _share(coverage["answered"], customers),
        **{name: nps[name] for name in ("nps", "promoters", "passives", "detractors")},
        "commitments": totals["commitments"],
    }


def _addresses(platform: Platform) -> dict[str, str]:
    credentials = platform.credentials
    return {
        "GraphiQL": f"{credentials.gateway.rstrip('/')}/graphiql",
        **{f"REST of {service}": f"{credentials.address(service)}/v1" for service in SERVICES},
        "mailbox": f"{credentials.mailbox.rstrip('/')}/messages",
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def money(value: object) -> Decimal:
    """An amount as the services write it: text, or a number."""
    return Decimal(str(value))
