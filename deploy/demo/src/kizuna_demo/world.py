"""The world as its four sources tell it: the shop, the CRM, the web site and a partner's DMP."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from kizuna_demo.addresses import Address
from kizuna_demo.browsing import Visitor, generate_visitors
from kizuna_demo.cdnow import TOKYO, Purchase, read_purchases
from kizuna_demo.people import Person, generate_people
from kizuna_demo.segment_spec import Event, Json, Product

CURRENCY = "USD"
PARTNER_SHARE = 0.25
"""Of the customers: whom the partner told of interests, by a member number it was given."""
SYNCED_SHARE = 0.734
"""Of those with an e-mail address: whose id the partner syncs. Both together are 70 % of all customers."""
INTERESTS = ("jazz", "classical", "rock", "pop", "enka", "soundtracks")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class World:
    """Everything that happened before the story begins. `today` is the day after the last purchase, in Tokyo."""

    today: date
    seed: int
    purchases: list[Purchase]
    people: list[Person]
    visitors: list[Visitor]

    @property
    def midnight(self) -> datetime:
        """When `today` began; everything told here happened before."""
        return datetime(self.today.year, self.today.month, self.today.day, tzinfo=TOKYO)


def build_world(*, today: date, seed: int) -> World:
    """The same world for the same day and seed."""
    purchases = read_purchases(last_on=today - timedelta(days=1))
    user_ids = list(dict.fromkeys(purchase.user_id for purchase in purchases))
    midnight = datetime(today.year, today.month, today.day, tzinfo=TOKYO)
    return World(
        today=today,
        seed=seed,
        purchases=purchases,
        people=generate_people(user_ids, seed=seed),
        visitors=generate_visitors(user_ids, until=midnight, seed=seed),
    )


def registration_times(world: World) -> dict[str, datetime]:
    """user_id -> when the customer registered: with the first purchase."""
    registered: dict[str, datetime] = {}
    for purchase in world.purchases:  # per customer the file is in order of time
        registered.setdefault(purchase.user_id, purchase.bought_at)
    return registered


def told_by_crm(world: World) -> Iterator[Event]:
    """One `identify` per customer, on the day of the first purchase."""
    registered = registration_times(world)
    for person in world.people:
        yield Event(
            type="identify",
            message_id=f"demo-crm-{person.user_id}",
            timestamp=registered[person.user_id],
            user_id=person.user_id,
            traits=_traits(person),
            context=_handles(person),
        )


def told_by_shop(world: World) -> Iterator[Event]:
    """Every purchase of the file as `Order Completed`, in order of time."""
    for purchase in sorted(world.purchases, key=lambda purchase: purchase.bought_on):
        yield Event(
            type="track",
            event="Order Completed",
            message_id=f"demo-order-{purchase.order_id}",
            timestamp=purchase.bought_at,
            user_id=purchase.user_id,
            properties=order_properties(order_id=purchase.order_id, amount=purchase.amount, discs=purchase.discs),
        )


def told_by_web(world: World) -> Iterator[Event]:
    """First what nobody's browsers did, then who some of them turned out to be."""
    yield from _page_views(world.visitors)
    yield from _recognitions(world.visitors)


@dataclass(frozen=True, slots=True)
class PartnerProfile:
    """One customer as the partner's DMP knows it; `draw` (0-1) says how well."""

    person: Person
    dmp_id: str
    draw: float
    interest: str

    @property
    def is_synced(self) -> bool:
        """Whether the partner found the customer's e-mail address, hashed, among its own."""
        return self.person.email is not None and self.draw < SYNCED_SHARE


def partner_profiles(world: World) -> Iterator[PartnerProfile]:
    """Everybody, under the partner's own ids."""
    random = Random(f"{world.seed}:partner")
    for person in world.people:
        dmp_id = f"dmp-{random.getrandbits(64):016x}"
        draw = random.random()
        yield PartnerProfile(person, dmp_id, draw, random.choice(INTERESTS))


def told_by_partner(world: World) -> Iterator[Event]:
    """A partner's DMP knows a quarter of the customers under its own ids, and what they are interested in."""
    for profile in partner_profiles(world):
        if profile.draw < PARTNER_SHARE:
            yield Event(
                type="track",
                event="Audience Matched",
                message_id=f"demo-dmp-{profile.person.user_id}",
                timestamp=world.midnight - timedelta(days=7),
                user_id=profile.person.user_id,
                properties={"interest": profile.interest},
                context={"externalIds": [_external_id("partner_dmp_id", profile.dmp_id)]},
            )


def order_properties(*, order_id: str, amount: Decimal, discs: int) -> Json:
    """Segment's e-commerce properties of an order. `revenue` is exact; `price` is rounded to cents."""
    price = (amount / discs).quantize(_CENT, rounding=ROUND_HALF_UP)
    return {
        "order_id": order_id,
        "revenue": amount,
        "currency": CURRENCY,
        "products": [Product(product_id="cd", name="CD", quantity=discs, price=price)],
    }


def _traits(person: Person) -> Json:
    """Segment's reserved trait names where there are any; what is not known is left out."""
    traits = {
        "name": f"{person.last_name} {person.first_name}",
        "lastName": person.last_name,
        "firstName": person.first_name,
        "lastNameKana": person.last_name_kana,
        "firstNameKana": person.first_name_kana,
        "gender": person.gender,
        "email": person.email,
        "phone": person.phone,
        "birthday": person.birthday.isoformat() if person.birthday else None,
        "address": _address(person.address) if person.address else None,
    }
    return {name: value for name, value in traits.items() if value is not None}


def _address(address: Address) -> Json:
    return {
        "postalCode": address.postal_code,
        "state": address.prefecture,
        "city": address.city,
        "street": address.street,
        "country": "JP",
    }


def _handles(person: Person) -> Json | None:
    """The customer's social networks, as told at registration."""
    handles = (("x", person.x_handle), ("line", person.line_id))
    told = [_external_id(namespace, value) for namespace, value in handles if value]
    return {"externalIds": told} if told else None


def _external_id(namespace: str, value: str) -> Json:
    return {"id": value, "type": namespace, "collection": "users", "encoding": "none"}


def _page_views(visitors: Iterable[Visitor]) -> Iterator[Event]:
    for visitor in visitors:
        for number, visit in enumerate(visitor.visits):
            yield Event(
                type="page",
                name=visit.title,
                message_id=f"demo-page-{visitor.anonymous_id}-{number}",
                timestamp=visit.seen_at,
                anonymous_id=visitor.anonymous_id,
                properties={"path": visit.path, "title": visit.title, "url": f"https://shop.example{visit.path}"},
            )


def _recognitions(visitors: Sequence[Visitor]) -> Iterator[Event]:
    for visitor in visitors:
        if visitor.user_id is None:
            continue
        recognised = visitor.known_by == "identify"
        yield Event(
            type="identify" if recognised else "track",
            event=None if recognised else "Signed In",
            message_id=f"demo-known-{visitor.anonymous_id}",
            timestamp=visitor.known_at,
            anonymous_id=visitor.anonymous_id,
            user_id=visitor.user_id,
            traits={} if recognised else None,
            properties=None if recognised else {"method": "password"},
        )
