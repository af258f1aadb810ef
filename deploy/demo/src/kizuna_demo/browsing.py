"""Anonymous visitors of the web shop; some become known later, as visitors do: by signing in or by registering."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal
from uuid import UUID

VISITORS = 3_000
KNOWN_SHARE = 0.6
_BROWSED_WITHIN = timedelta(days=30)

PAGES = (
    ("/", "トップ"),
    ("/new-arrivals", "新着"),
    ("/ranking", "売上ランキング"),
    ("/genre/jazz", "ジャズ"),
    ("/genre/classical", "クラシック"),
    ("/genre/rock", "ロック"),
    ("/coupons", "クーポン"),
    ("/cart", "カート"),
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One page seen."""

    path: str
    title: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser. `user_id` is set for those who turn known, at `known_at` by `known_by`."""

    anonymous_id: str
    visits: tuple[Visit, ...]
    user_id: str | None
    known_by: Literal["identify", "later_event"]
    known_at: datetime


def generate_visitors(user_ids: Sequence[str], *, until: datetime, seed: int) -> list[Visitor]:
    """`VISITORS` browsers over the 30 days before `until`; `KNOWN_SHARE` of them belong to a customer each."""
    random = Random(f"{seed}:browsing")
    known = iter(random.sample(user_ids, k=VISITORS))
    return [_visitor(random, user_id=next(known), until=until) for _ in range(VISITORS)]


def _visitor(random: Random, *, user_id: str, until: datetime) -> Visitor:
    anonymous_id = str(UUID(int=random.getrandbits(128), version=4))
    moment = until - random.random() * _BROWSED_WITHIN
    visits = []
    for path, title in random.choices(PAGES, k=random.randint(1, 4)):
        visits.append(Visit(path=path, title=title, seen_at=moment))
        moment += timedelta(seconds=random.randint(5, 120))
    return Visitor(
        anonymous_id=anonymous_id,
        visits=tuple(visits),
        user_id=user_id if random.random() < KNOWN_SHARE else None,
        known_by=random.choice(("identify", "later_event")),
        known_at=min(moment, until),
    )
