"""Generated people behind the purchases: nobody real, the same people for the same seed.

Names: spellings and readings of the package `japanese-personal-name-dataset`, family names as frequent as in Japan.
E-mail: only domains reserved for examples (RFC 2606; `example.jp` by JPRS), so that nothing can ever reach anybody.
Phone: Japan reserves no numbers for fiction; +1 NPA 555-0100 to 555-0199 are reserved for it in every North American
area code (ATIS-0300115, "555 NXX Line Number Reference Document").
Addresses: towns that do not exist, in real municipalities (`addresses.py`). Handles: of nobody, by their form.
"""

from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from random import Random

from japanese_personal_name_dataset import FirstNameEntry, load_dataset

from kizuna_demo.addresses import Address, draw_address

EMAIL_SHARE = 0.93
PHONE_SHARE = 0.70
BIRTHDAY_SHARE = 0.60
ADDRESS_SHARE = 0.90
X_SHARE = 0.08
LINE_SHARE = 0.12
OPT_IN_SHARE = 0.86
"""Of those with an e-mail address."""

EMAIL_DOMAINS = ("example.jp", "example.com", "example.net", "example.org")
_FIRST_BIRTHDAY = date(1945, 1, 1)
_BIRTHDAY_SPAN_DAYS = 60 * 365
_FICTIONAL_LINES = 100  # 555-0100 ... 555-0199
_HIRAGANA_TO_KATAKANA = {code: code + 0x60 for code in range(ord("ぁ"), ord("ゖ") + 1)}


@dataclass(frozen=True, slots=True)
class Person:
    """What the CRM knows about a customer. Kana are full-width katakana, as Japanese forms ask for them."""

    user_id: str
    last_name: str
    first_name: str
    last_name_kana: str
    first_name_kana: str
    gender: str
    email: str | None
    phone: str | None
    birthday: date | None
    opted_in: bool
    address: Address | None
    x_handle: str | None
    line_id: str | None


class NameBook:
    """Draws names: a family name by its frequency, a given name and a spelling of it evenly."""

    def __init__(self) -> None:
        men, women, families = load_dataset("opti", True)
        self._given: dict[str, list[tuple[str, FirstNameEntry]]] = {
            "male": list(men.items()),
            "female": list(women.items()),
        }
        self._families = list(families.items())
        self._cumulated = list(accumulate(entry["count"] for entry in families.values()))

    def family(self, random: Random) -> tuple[str, str, str]:
        """Kanji, hiragana, romaji."""
        kanji, entry = self._families[bisect(self._cumulated, random.random() * self._cumulated[-1])]
        return kanji, entry["reading"], entry["en"]

    def given(self, random: Random, gender: str) -> tuple[str, str, str]:
        """Kanji, hiragana, romaji."""
        reading, entry = random.choice(self._given[gender])
        return random.choice(entry["kanji"]), reading, entry["en"]


def generate_people(user_ids: Iterable[str], *, seed: int) -> list[Person]:
    """One person per customer; each depends on the seed and the own id only, not on the others."""
    book = NameBook()
    return [
        draw_person(user_id, book=book, seed=seed, phone=fictional_phone(number))
        for number, user_id in enumerate(user_ids)
    ]


def katakana(hiragana: str) -> str:
    """The same reading in full-width katakana."""
    return hiragana.translate(_HIRAGANA_TO_KATAKANA)


def fictional_phone(number: int) -> str:
    """The `number`-th phone number reserved for fiction, in E.164, e.g. +12015550100."""
    area, line = divmod(number, _FICTIONAL_LINES)
    return f"+1{_AREA_CODES[area]}55501{line:02d}"


def draw_person(user_id: str, *, book: NameBook, seed: int, phone: str | None = None) -> Person:
    """Everything about one person; `phone` is theirs if they turn out to have one."""
    random = Random(f"{seed}:person:{user_id}")
    gender = random.choice(("male", "female"))
    last_name, last_kana, last_romaji = book.family(random)
    first_name, first_kana, first_romaji = book.given(random, gender)
    email = f"{first_romaji}.{last_romaji}.{user_id}@{random.choice(EMAIL_DOMAINS)}"
    has_email = random.random() < EMAIL_SHARE
    has_phone = random.random() < PHONE_SHARE
    birthday = _FIRST_BIRTHDAY + timedelta(days=random.randrange(_BIRTHDAY_SPAN_DAYS))
    has_birthday = random.random() < BIRTHDAY_SHARE
    opted_in = random.random() < OPT_IN_SHARE
    address = draw_address(random)
    has_address = random.random() < ADDRESS_SHARE
    has_x, has_line = random.random() < X_SHARE, random.random() < LINE_SHARE
    line_id = f"U{random.getrandbits(128):032x}"
    return Person(
        user_id=user_id,
        last_name=last_name,
        first_name=first_name,
        last_name_kana=katakana(last_kana),
        first_name_kana=katakana(first_kana),
        gender=gender,
        email=email if has_email else None,
        phone=phone if has_phone else None,
        birthday=birthday if has_birthday else None,
        opted_in=has_email and opted_in,
        address=address if has_address else None,
        x_handle=f"@demo_{user_id}" if has_x else None,
        line_id=line_id if has_line else None,
    )


def _area_codes() -> list[str]:
    """North American area codes by form: NXX with N 2-9, the middle digit not 9 and no N11."""
    codes = (f"{code}" for code in range(200, 1000))
    return [code for code in codes if code[1] != "9" and not code.endswith("11")]


_AREA_CODES = _area_codes()
