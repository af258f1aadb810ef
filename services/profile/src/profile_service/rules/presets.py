"""Computed traits ready to be put, with where their formulas are from. docs/values.md explains them."""

from dataclasses import dataclass
from typing import Any

REFERRED = "Referral Converted"
"""Somebody bought through the customer's link; a tracked event of the advocate's."""
ENTERED = "Campaign Entered"
"""The customer took part in a lottery or the like."""


@dataclass(frozen=True)
class Preset:
    """A computed trait as it can be put under its key."""

    key: str
    name: str
    description: str
    unit: str | None
    value: dict[str, Any]
    source: str


def presets(purchase: str, amount: str, currency: str) -> list[Preset]:
    """All presets, by key."""
    bought = {"kind": "events", "event": purchase}
    return [
        _advocate_score(),
        Preset(
            "days-since-purchase",
            "Days since the last purchase",
            "Whole days of 24 hours; missing for whoever did not buy.",
            "days",
            {"kind": "time_since", "of": {**bought, "function": "last"}, "unit": "days"},
            "Recency, as in Hughes, Strategic Database Marketing (1994).",
        ),
        Preset(
            "favourite-category",
            "Favourite category",
            "What was bought most often in the last two years; of equals the first by the alphabet.",
            None,
            {**bought, "function": "most_frequent", "property": "category", "window": {"days": 730}},
            "The mode: the likeliest category of the next purchase if tastes stay.",
        ),
        Preset(
            "lifetime-value",
            "Lifetime value so far",
            "All amounts ever paid; what is to come is not guessed.",
            currency,
            {**bought, "function": "sum", "property": amount},
            "The historic customer value of Gupta and Lehmann, Managing Customers as Investments (2005), undiscounted.",
        ),
        _one_off_score(bought),
        Preset(
            "usual-hour",
            "Usual hour",
            "The hour (0 to 23, in the customers' zone) at which mails are opened most often, of half a year.",
            "hour",
            {"kind": "events", "event": "Email Opened", "function": "most_frequent_hour", "window": {"days": 182}},
            "The mode of opening hours: when a message is likeliest to be seen at once.",
        ),
    ]


def _number(value: float) -> dict[str, Any]:
    return {"kind": "constant", "value": value}


def _if(condition: dict[str, Any], points: int) -> dict[str, Any]:
    return {"kind": "case", "cases": [{"condition": condition, "value": _number(points)}], "otherwise": _number(0)}


def _one_off_score(bought: dict[str, Any]) -> Preset:
    entries = {"kind": "events", "event": ENTERED, "function": "count", "window": {"days": 730}}
    purchases = {**bought, "function": "count", "window": {"days": 730}}
    total = {"kind": "add", "of": [entries, purchases]}
    return Preset(
        "one-off-score",
        "One-off score",
        f"Of what the customer did in two years, the share in percent that was entering lotteries (`{ENTERED}`) and "
        "not buying, drawn towards 0 by two imagined purchases: 0 is a buyer, near 100 a hunter of prizes. Missing for "
        "whoever never entered.",
        "percent",
        {
            "kind": "case",
            "cases": [
                {
                    "condition": {"kind": "value", "of": entries, "comparison": "ge", "value": 1},
                    "value": {
                        "kind": "round_down",
                        "of": {
                            "kind": "divide",
                            "of": [
                                {"kind": "multiply", "of": [_number(100), entries]},
                                {"kind": "add", "of": [total, _number(2)]},
                            ],
                        },
                    },
                }
            ],
        },
        "A share with additive smoothing (Laplace's rule of succession), so that one entry alone proves nothing.",
    )


def _advocate_score() -> Preset:
    year = {"days": 365}
    referred = {"kind": "events", "event": REFERRED, "function": "count", "window": year}
    praised = {
        "kind": "events",
        "event": "Remark Made",
        "function": "count",
        "window": year,
        "where": [{"property": "opinion", "comparison": "eq", "value": "positive"}],
    }

    def answered(comparison: str, score: int) -> dict[str, Any]:
        return {
            "kind": "event_count",
            "event": "Survey Answered",
            "comparison": "ge",
            "value": 1,
            "window": year,
            "where": [{"property": "nps_score", "comparison": comparison, "value": score}],
        }

    def capped(count: dict[str, Any], each: int, most: int) -> dict[str, Any]:
        product = {"kind": "multiply", "of": [count, _number(each)]}
        return {"kind": "least", "of": [product, _number(most)]}

    return Preset(
        "advocate-score",
        "Advocate score",
        f"0 to 100, of one year: 20 for each customer brought (`{REFERRED}`), at most 60; 10 for each positive remark, "
        "at most 20; 20 for an answer of 9 or 10 to how likely the customer is to recommend us, nothing where one of 6 "
        "or less was given as well.",
        "points",
        {
            "kind": "add",
            "of": [
                capped(referred, 20, 60),
                capped(praised, 10, 20),
                _if(
                    {"kind": "and", "conditions": [answered("ge", 9), {"kind": "not", "condition": answered("le", 6)}]},
                    20,
                ),
            ],
        },
        "What was done weighs three times what was said: Kumar, Petersen and Leone, How Valuable Is Word of Mouth? "
        "(HBR 2007); promoters and detractors: Reichheld, The One Number You Need to Grow (HBR 2003). The "
        "weights are ours.",
    )
