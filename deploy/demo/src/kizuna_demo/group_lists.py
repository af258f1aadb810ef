"""Lists of a group company: its customers and its dealers' customers, some of whom are the shop's members as well.

Generated, nobody real. Who is who is known here, and told to nobody: only `person` says it, which no list contains.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from io import StringIO
from random import Random

from kizuna_demo.addresses import draw_address
from kizuna_demo.people import NameBook, Person, draw_person
from kizuna_demo.segment_spec import Json
from kizuna_demo.world import World
from kizuna_demo.writing import address_in_words, half_width, japanese_date, old_characters

CUSTOMERS, MEMBERS_AMONG_CUSTOMERS, RELATIVES_AMONG_CUSTOMERS = 3_000, 1_200, 400
DEALERS_CUSTOMERS, MEMBERS_AMONG_DEALERS, CUSTOMERS_AMONG_DEALERS = 600, 200, 200
MOVED_SHARE = 0.08
EMAIL_SHARE = 0.4
"""Of the customers in the first list; never the one that the shop knows."""
BIRTHDAY_SHARE = 0.75
MISTYPED_SHARE = 0.03
"""Of the birthdays."""
APPLIANCES = ("洗濯機", "冷蔵庫", "エアコン", "テレビ")
BROKEN_LINE = 1_000
"""Of the first list: somebody broke off in the middle of it."""


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """One line of a list. `person`: the user_id of a shop member, or a name nobody else has."""

    number: str
    person: str
    told: Person
    appliance: str
    bought_on: date
    email: str | None


@dataclass(frozen=True, slots=True)
class GroupList:
    """A list, how it is read and what namespace its numbers are of."""

    source: str
    title: str
    namespace: str
    encoding: str
    mapping: Mapping[str, str]
    people: list[ListedPerson]
    write: Callable[[ListedPerson], list[str]]
    broken_line: int | None = None
    """Line of the file (the heading is 1) that holds too few fields."""

    @property
    def content(self) -> bytes:
        """The file."""
        written = StringIO(newline="")
        writer = csv.writer(written, lineterminator="\r\n")
        writer.writerow(self.mapping)
        for line, one in enumerate(self.people, start=2):
            fields = self.write(one)
            writer.writerow(fields[:3] if line == self.broken_line else fields)
        return written.getvalue().encode(self.encoding)

    @property
    def lines(self) -> int:
        """Of the file, with its heading."""
        return 1 + len(self.people)

    @property
    def readable(self) -> Iterator[ListedPerson]:
        """Whom the platform can know of: everybody but the one on the broken line."""
        return (one for line, one in enumerate(self.people, start=2) if line != self.broken_line)

    def announcement(self, world: World) -> Json:
        """The body of `POST /v1/imports`: drawn up a day before the story's."""
        return {
            "source_id": self.source,
            "format": "csv",
            "encoding": self.encoding,
            "mapping": self.mapping,
            "as_of": (world.midnight - timedelta(days=1)).isoformat(),
        }


def group_lists(world: World) -> list[GroupList]:
    """The group company's list and its dealers', the same for the same world."""
    random = Random(f"{world.seed}:group")
    members = random.sample(world.people, k=MEMBERS_AMONG_CUSTOMERS + RELATIVES_AMONG_CUSTOMERS)
    customers = _customers(random, world, members)
    dealers = _dealers_customers(random, world, customers)
    return [
        GroupList(
            "kizuna-appliances",
            "Group: customers of its appliance maker",
            "appliances_member_id",
            "cp932",
            {
                "会員番号": "external_ids.appliances_member_id",
                "氏名": "traits.name",
                "フリガナ": "traits.nameKana",
                "生年月日": "traits.birthday",
                "性別": "traits.gender",
                "郵便番号": "traits.address.postalCode",
                "住所": "traits.address.street",
                "メールアドレス": "traits.email",
                "購入製品": "traits.appliance",
                "購入日": "traits.appliance_bought_on",
            },
            customers,
            _customer_line,
            broken_line=BROKEN_LINE,
        ),
        GroupList(
            "kizuna-dealers",
            "Group: customers of that one's dealers",
            "dealer_customer_id",
            "utf-8",
            {
                "得意先コード": "external_ids.dealer_customer_id",
                "カナ氏名": "traits.nameKana",
                "氏名": "traits.name",
                "住所": "traits.address.street",
                "購入製品": "traits.appliance",
                "購入日": "traits.appliance_bought_on",
            },
            dealers,
            _dealer_line,
        ),
    ]


def _customers(random: Random, world: World, members: Sequence[Person]) -> list[ListedPerson]:
    """Members of the shop, relatives of members (the trap: one name, one house, not one person), and others."""
    book = NameBook()
    known, with_relatives = members[:MEMBERS_AMONG_CUSTOMERS], members[MEMBERS_AMONG_CUSTOMERS:]
    told = [(one.user_id, _drift(random, one)) for one in known]
    told += [
        (f"relative-{number}", _relative(random, one, book=book)) for number, one in enumerate(with_relatives, start=1)
    ]
    others = CUSTOMERS - len(told)
    told += [(key, draw_person(key, seed=world.seed, book=book)) for key in _names("customer", others)]
    random.shuffle(told)
    return [
        _listed(random, f"A{number:06d}", key, one, world=world, with_email=random.random() < EMAIL_SHARE)
        for number, (key, one) in enumerate(told, start=1)
    ]


def _dealers_customers(random: Random, world: World, customers: Sequence[ListedPerson]) -> list[ListedPerson]:
    book = NameBook()
    told = [(one.user_id, one) for one in random.sample(world.people, k=MEMBERS_AMONG_DEALERS)]
    taken = {key for key, _ in told}
    candidates = [one for one in customers if one.person not in taken]
    told += [(one.person, one.told) for one in random.sample(candidates, k=CUSTOMERS_AMONG_DEALERS)]
    others = DEALERS_CUSTOMERS - len(told)
    told += [(key, draw_person(key, seed=world.seed, book=book)) for key in _names("dealers-customer", others)]
    random.shuffle(told)
    return [
        _listed(random, f"D{number:05d}", key, one, world=world, with_email=False)
        for number, (key, one) in enumerate(told, start=1)
    ]


def _names(kind: str, count: int) -> list[str]:
    return [f"{kind}-{number}" for number in range(1, count + 1)]


def _listed(random: Random, number: str, key: str, told: Person, *, world: World, with_email: bool) -> ListedPerson:
    return ListedPerson(
        number=number,
        person=key,
        told=told,
        appliance=random.choice(APPLIANCES),
        bought_on=world.today - timedelta(days=random.randint(30, 8 * 365)),
        email=f"{number.lower()}@home.example" if with_email else None,
    )


def _drift(random: Random, member: Person) -> Person:
    """What years and another clerk do to what is known of somebody."""
    address = draw_address(random) if random.random() < MOVED_SHARE else member.address
    birthday = member.birthday if random.random() < BIRTHDAY_SHARE else None
    if birthday and random.random() < MISTYPED_SHARE:
        birthday = birthday.replace(day=birthday.day % 28 + 1)
    return replace(member, address=address or draw_address(random), birthday=birthday)


def _relative(random: Random, member: Person, *, book: NameBook) -> Person:
    """Somebody else of the same house and family name."""
    other = draw_person(f"relative-of-{member.user_id}", seed=random.getrandbits(32), book=book)
    address = member.address or draw_address(random)
    return replace(other, last_name=member.last_name, last_name_kana=member.last_name_kana, address=address)


def _customer_line(one: ListedPerson) -> list[str]:
    told, address = one.told, one.told.address
    return [
        one.number,
        old_characters(f"{told.last_name}　{told.first_name}"),
        half_width(f"{told.last_name_kana} {told.first_name_kana}"),
        japanese_date(told.birthday) if told.birthday else "",
        "男" if told.gender == "male" else "女",
        address.postal_code if address else "",
        address_in_words(address) if address else "",
        one.email or "",
        one.appliance,
        one.bought_on.isoformat(),
    ]


def _dealer_line(one: ListedPerson) -> list[str]:
    """A delivery note: a name as heard, every other time only its reading; a prefecture is never written."""
    told, address = one.told, one.told.address
    knows_characters = int(one.number[1:]) % 2 == 0
    return [
        one.number,
        f"{told.last_name_kana} {told.first_name_kana}",
        f"{told.last_name} {told.first_name}" if knows_characters else "",
        address_in_words(address, with_prefecture=False) if address else "",
        one.appliance,
        one.bought_on.isoformat(),
    ]
