"""What simulated members say and buy in the chapter "What do we know, right now?", and what follows from it.

Everybody here is a generated member of the shop. Whatever is told of them carries a source whose key begins with
`simulated-`. What must come out is worked out here by plain arithmetic, and shown beside what the platform says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from kizuna_demo.people import Person
from kizuna_demo.segment_spec import Event, Json
from kizuna_demo.world import World

LISTENING, FLORIST, COUNTER, APPLIANCES = (
    f"simulated-{name}" for name in ("listening", "florist", "counter", "appliances")
)
GIFT_REMINDER = "gift-reminder"

WASHING_MACHINE, REFRIGERATOR = "洗濯機", "冷蔵庫"
AUTHORS, OF_THE_COMPETITOR = 90, 60
NEWLYWEDS = 40
GIVERS = 60
BUYERS = 400
_OTHER_SHARES = {"エアコン": 1.0, "テレビ": 0.4, "電子レンジ": 0.3}
"""Everybody has an air conditioner: so everybody is a buyer, and lifts with it are 1."""
_WASHING_MACHINE_SHARE = 0.5
_REFRIGERATOR_SHARES = {True: 0.6, False: 0.2}
"""By whether a washing machine was bought: the washing machine leads to the refrigerator."""
TRUE_LIFT = _REFRIGERATOR_SHARES[True] / (
    _WASHING_MACHINE_SHARE * _REFRIGERATOR_SHARES[True] + (1 - _WASHING_MACHINE_SHARE) * _REFRIGERATOR_SHARES[False]
)
"""How often the refrigerator follows the washing machine, against how often everybody buys one."""
_PRICES = {WASHING_MACHINE: 128_000, REFRIGERATOR: 168_000, "エアコン": 98_000, "テレビ": 88_000, "電子レンジ": 24_800}
_ABOUT_THE_COMPETITOR = (
    ("ja", "ヨコミチ音盤の品ぞろえ、気になる #シミュレーション"),
    ("ja", "次はヨコミチ音盤で買ってみようかな #シミュレーション"),
    ("en", "Yokomichi Discs has it on vinyl. #simulated"),
)
_ABOUT_OTHER_THINGS = (
    ("ja", "キズナレコードで買ったCD、最高 #シミュレーション"),
    ("en", "Kizuna Records delivered fast, love it. #simulated"),
    ("ja", "今日はよく晴れた #シミュレーション"),
)


@dataclass(frozen=True, slots=True)
class Cast:
    """Members by what they do, each list the same for the same world; the first author does all of it."""

    authors: list[Person]
    """Speak on X; the first `OF_THE_COMPETITOR` of the competitor."""
    newlyweds: list[Person]
    givers: list[Person]
    """Gave their spouse's birthday to the florist."""
    buyers: list[Person]
    """Of appliances."""

    @property
    def example(self) -> Person:
        """The member who is shown at the end."""
        return self.authors[0]


def draw_cast(world: World) -> Cast:
    """Draw who does what."""
    random = Random(f"{world.seed}:cast")
    latest = _latest_purchases(world)
    with_handle = [person for person in world.people if person.x_handle]
    authors = random.sample(with_handle, k=AUTHORS)
    authors.sort(key=lambda person: latest[person.user_id], reverse=True)
    example, others = authors[0], [person for person in world.people if person != authors[0]]
    return Cast(
        authors=authors,
        newlyweds=[example, *random.sample(others, k=NEWLYWEDS - 1)],
        givers=[example, *random.sample(others, k=GIVERS - 1)],
        buyers=[example, *random.sample(others, k=BUYERS - 1)],
    )


def _latest_purchases(world: World) -> Mapping[str, date]:
    return {purchase.user_id: purchase.bought_on for purchase in world.purchases}  # per customer in order of time


def remarks(world: World, cast: Cast) -> list[Json]:
    """What the authors said, as the partner tells it: by their handles only."""
    random = Random(f"{world.seed}:remarks")
    told: list[Json] = []
    for number, author in enumerate(cast.authors):
        language, text = random.choice(_ABOUT_THE_COMPETITOR if number < OF_THE_COMPETITOR else _ABOUT_OTHER_THINGS)
        told.append(
            {
                "author": {"namespace": "x", "value": author.x_handle},
                "text": text,
                "url": f"https://x.example/simulated/{number}",
                "language": language,
                "occurred_at": (world.midnight - timedelta(minutes=random.randrange(1, 3 * 24 * 60))).isoformat(),
                "remark_id": f"demo-remark-{number}",
            }
        )
    return told


def speakers_of_the_competitor(cast: Cast) -> list[Person]:
    """Whose remarks name the competitor."""
    return cast.authors[:OF_THE_COMPETITOR]


def new_names(world: World, cast: Cast) -> Iterator[Event]:
    """The counter notes a family name long ago, and another one yesterday."""
    random = Random(f"{world.seed}:newlyweds")
    names = sorted({person.last_name for person in world.people})
    for person in cast.newlyweds:
        married = random.choice([name for name in random.sample(names, k=2) if name != person.last_name])
        for said, name, moment in (
            ("before", person.last_name, world.midnight - timedelta(days=400)),
            ("after", married, world.midnight - timedelta(hours=6)),
        ):
            yield Event(
                type="identify",
                message_id=f"demo-name-{said}-{person.user_id}",
                timestamp=moment,
                user_id=person.user_id,
                traits={"lastName": name},
            )


def birthdays_of_spouses(world: World, cast: Cast) -> dict[str, date]:
    """user_id -> a day within the next two months, of an unknown year; never 29 February."""
    random = Random(f"{world.seed}:spouses")
    days = {person.user_id: world.today + timedelta(days=random.randrange(60)) for person in cast.givers}
    days[cast.example.user_id] = world.today + timedelta(days=3)
    return {
        user_id: day - timedelta(days=1) if (day.month, day.day) == (2, 29) else day for user_id, day in days.items()
    }


def within_days(days: Mapping[str, date], *, on: date, ahead: int) -> list[str]:
    """Whose day returns within so many days from `on`, that day included."""
    comes = {user_id: _days_until(day, on=on) for user_id, day in days.items()}
    return [user_id for user_id, left in comes.items() if left <= ahead]


def _days_until(day: date, *, on: date) -> int:
    this_year = day.replace(year=on.year)
    return ((this_year if this_year >= on else this_year.replace(year=on.year + 1)) - on).days


def told_by_florist(world: World, cast: Cast) -> Iterator[Event]:
    """At the checkout: when is your spouse's birthday? We remind you a week before."""
    for user_id, day in birthdays_of_spouses(world, cast).items():
        yield Event(
            type="track",
            event="Relation Date Given",
            message_id=f"demo-spouse-{user_id}",
            timestamp=world.midnight - timedelta(hours=9),
            user_id=user_id,
            properties={
                "relation": "spouse",
                "occasion": "birthday",
                "date": f"--{day:%m-%d}",
                "purpose": GIFT_REMINDER,
            },
        )


def baskets(world: World, cast: Cast) -> dict[str, list[str]]:
    """user_id -> categories in the order they are bought; the example lacks the refrigerator only."""
    random = Random(f"{world.seed}:baskets")
    drawn: dict[str, list[str]] = {}
    for person in cast.buyers:
        basket = [category for category, share in _OTHER_SHARES.items() if random.random() < share]
        washes = random.random() < _WASHING_MACHINE_SHARE
        cools = random.random() < _REFRIGERATOR_SHARES[washes]
        drawn[person.user_id] = basket + [WASHING_MACHINE] * washes + [REFRIGERATOR] * cools
    drawn[cast.example.user_id] = ["エアコン", WASHING_MACHINE]
    return drawn


def told_by_appliances(world: World, drawn: Mapping[str, Sequence[str]]) -> Iterator[Event]:
    """An order for each category, over the last 900 days, in the basket's order."""
    random = Random(f"{world.seed}:appliances")
    for user_id, basket in drawn.items():
        days = sorted((random.randrange(1, 900) for _ in basket), reverse=True)
        for number, (category, ago) in enumerate(zip(basket, days, strict=True)):
            order = f"simulated-appliance-{user_id}-{number}"
            yield Event(
                type="track",
                event="Appliance Bought",
                message_id=f"demo-{order}",
                timestamp=_noon(world, days_ago=ago),
                user_id=user_id,
                properties={
                    "order_id": order,
                    "category": category,
                    "price": _PRICES[category],
                    "currency": "JPY",
                    "simulated": True,
                },
            )


def _noon(world: World, *, days_ago: int) -> datetime:
    return world.midnight - timedelta(days=days_ago) + timedelta(hours=12)


def lift(drawn: Mapping[str, Sequence[str]], one: str, other: str) -> float:
    """N n(A and B) / (n(A) n(B)), over everybody who bought anything."""
    with_one, with_other = ({user_id for user_id, basket in drawn.items() if each in basket} for each in (one, other))
    return len(drawn) * len(with_one & with_other) / (len(with_one) * len(with_other))
