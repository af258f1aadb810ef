"""Japanese surnames and given names that exist, read once, at first use.

Source: `japanese-personal-name-dataset` (MIT), after 名字由来net, Wikidata (CC0) and Web NDL Authorities.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from identity_service.rules.normalisation.readings import katakana, one_sound, without_length
from identity_service.rules.normalisation.text import nfkc
from identity_service.rules.normalisation.variants import one_writing

_GIVEN_NAMES = (
    "first_name_man_org.csv",
    "first_name_woman_org.csv",
    "first_name_man_opti.csv",
    "first_name_woman_opti.csv",
)


@dataclass(frozen=True)
class KnownNames:
    """Spellings in one writing (`variants.one_writing`), readings in one sound (`readings.one_sound`)."""

    surnames: dict[str, int]
    """Spelling -> how many people bear it."""
    surname_readings: dict[str, int]
    surnames_in_romaji: frozenset[str]
    """Readings without long vowels, which romaji mostly drops."""
    given_names: frozenset[str]
    given_readings: frozenset[str]

    def bearers(self, surname: str) -> int:
        """Return how many people bear a surname of this spelling, 0 when it is not known."""
        return self.surnames.get(surname, 0)

    def bearers_by_reading(self, reading: str) -> int:
        """Return how many people bear a surname of this reading, 0 when it is not known."""
        return self.surname_readings.get(reading, 0)

    def is_surname_in_romaji(self, reading: str) -> bool:
        """Tell whether a surname is read so, give or take long vowels."""
        return without_length(reading) in self.surnames_in_romaji

    def is_given(self, name: str) -> bool:
        """Tell whether a given name is spelt so."""
        return name in self.given_names

    def is_given_reading(self, reading: str) -> bool:
        """Tell whether a given name is read so."""
        return reading in self.given_readings


@cache
def known_names() -> KnownNames:
    """Return the names of the dataset."""
    surnames: dict[str, int] = {}
    surname_readings: dict[str, int] = {}
    for surname, bearers, reading, _ in _rows("last_name_org.csv"):
        spelling, sound = one_writing(nfkc(surname)), one_sound(katakana(reading))
        surnames[spelling] = surnames.get(spelling, 0) + int(bearers)
        surname_readings[sound] = surname_readings.get(sound, 0) + int(bearers)
    given: set[str] = set()
    given_readings: set[str] = set()
    for name in _GIVEN_NAMES:
        for reading, _, *spellings in _rows(name):
            given_readings.add(one_sound(katakana(reading)))
            given.update(one_writing(spelling) for spelling in spellings)
    in_romaji = frozenset(map(without_length, surname_readings))
    return KnownNames(surnames, surname_readings, in_romaji, frozenset(given), frozenset(given_readings))


def _rows(name: str) -> Iterator[list[str]]:
    import japanese_personal_name_dataset

    text = (files(japanese_personal_name_dataset) / "dataset" / name).read_text(encoding="utf-8")
    yield from csv.reader(text.splitlines())
