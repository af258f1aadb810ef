"""What simulated customers do, drawn once from the seed and the customer's id.

Whatever is measured can so be compared with the truth: everybody buys with probability `BASE`, those whom the coupon
reached with `BASE + EFFECT`. The draw behind it is the same in both cases, as if one could see both worlds.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from kizuna_demo.cdnow import Purchase

BASE = 0.06
EFFECT = 0.08
OPEN_SHARE = 0.55
CLICK_SHARE = 0.45
"""Of those who open."""
ANSWER_SHARE = 0.30
"""Of those whom the invitation reached."""
COMMITMENT_SHARE = 0.5
"""Of those who answer, for each promise offered."""

_SCORE_WEIGHTS = (1, 1, 1, 2, 2, 6, 9, 17, 21, 20, 20)  # NPS answers 0 ... 10
_REASONS_OF_PROMOTERS = ("品ぞろえがよい", "届くのが早い", "新着のお知らせが役に立つ")
_REASONS_OF_DETRACTORS = ("探しているCDが見つからない", "送料が高い", "お知らせが多すぎる")
_MISSING = Decimal("9.99")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One customer's draws."""

    opens: bool
    clicks: bool
    purchase_draw: float
    amount: Decimal
    discs: int
    answers: bool
    score: int
    words: str
    commitments: tuple[bool, ...]

    def buys(self, *, reached: bool) -> bool:
        """Whether the customer buys, given that the coupon reached them or not."""
        return self.purchase_draw < BASE + (EFFECT if reached else 0.0)


def draw_behaviour(user_id: str, *, past: Sequence[Purchase], promises: int, seed: int) -> Behaviour:
    """The same customer does the same for the same seed. Buys again for an amount once paid before."""
    random = Random(f"{seed}:behaviour:{user_id}")
    opens = random.random() < OPEN_SHARE
    clicks = random.random() < CLICK_SHARE
    purchase_draw = random.random()
    paid = [purchase for purchase in past if purchase.amount > 0]
    model = random.choice(paid) if paid else None
    answers = random.random() < ANSWER_SHARE
    score = random.choices(range(11), weights=_SCORE_WEIGHTS)[0]
    return Behaviour(
        opens=opens,
        clicks=opens and clicks,
        purchase_draw=purchase_draw,
        amount=model.amount if model else _MISSING,
        discs=model.discs if model else 1,
        answers=answers,
        score=score,
        words=random.choice(_REASONS_OF_DETRACTORS if score <= 6 else _REASONS_OF_PROMOTERS),
        commitments=tuple(random.random() < COMMITMENT_SHARE for _ in range(promises)),
    )


def true_effect(behaviours: Mapping[str, Behaviour], *, reachable: Collection[str]) -> float:
    """The true difference between the arms in the share who buy, whole arms compared (intention to treat).

    Only a simulation sees both worlds: what each customer would do when treated and when held out. The mean
    difference over all of them is what an experiment estimates. Who is not `reachable` (no address, no permission)
    does the same in both arms, which makes it smaller than `EFFECT`.
    """
    if not behaviours:
        return 0.0
    won = sum(one.buys(reached=user_id in reachable) - one.buys(reached=False) for user_id, one in behaviours.items())
    return won / len(behaviours)


def purchases_by_customer(purchases: Sequence[Purchase]) -> Mapping[str, list[Purchase]]:
    """user_id -> that customer's purchases."""
    by_customer: dict[str, list[Purchase]] = {}
    for purchase in purchases:
        by_customer.setdefault(purchase.user_id, []).append(purchase)
    return by_customer
