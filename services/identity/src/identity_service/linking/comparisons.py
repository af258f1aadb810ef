"""How two records are compared: one trait after the other, its levels from strongest to weakest.

Each level carries m and u to start from: the share of pairs of one person (m) and of two persons (u) that reach it.
Training replaces them; a base too small to train on is scored with these. Conditions are SQL that DuckDB and Spark
(with the functions that Splink adds to it) both understand, over `<column>_l` and `<column>_r`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DIFFERENT = "different"
MISSING = "missing"


@dataclass(frozen=True)
class Level:
    """One level of agreement."""

    label: str
    condition: str
    m: float
    u: float
    frequency_of: str | None = None
    """Weigh by how frequent the value of this column is: agreeing on Sato says less than agreeing on Kikkawa."""


@dataclass(frozen=True)
class Trait:
    """What is compared and what a household shares of it. Its last level, "different", takes the rest."""

    name: str
    fields: tuple[str, ...]
    """The fields of a record that show it on the review screen."""
    missing: str
    """SQL: when nothing can be said."""
    levels: tuple[Level, ...]
    household_share: float
    """The probability that two members of one household have it in common, as two records of one person would."""

    def labels(self) -> tuple[str, ...]:
        """The levels in words, strongest first, "different" last."""
        return (*(level.label for level in self.levels), DIFFERENT)


def person_traits(number_fields: tuple[str, ...] = ()) -> tuple[Trait, ...]:
    """All that is compared, the numbers of one's own last."""
    return (*_PERSON_TRAITS, *(_number_trait(name) for name in number_fields))


def _both(*columns: str) -> str:
    return " AND ".join(f"{column}_l = {column}_r" for column in columns)


def _differs_by(column: str, most: int, *, shortest: int = 3) -> str:
    """At most so many letters wrong, left out, added or exchanged with their neighbour.

    Damerau-Levenshtein costs 25 times what Jaro-Winkler does, so that looks first: `most` errors in a text of at least
    `shortest` letters leave it above (1 + 2 (1 - most / shortest)) / 3.
    """
    floor = (1 + 2 * (1 - most / shortest)) / 3 - 0.02
    return (
        f"CASE WHEN jaro_winkler({column}_l, {column}_r) >= {floor:.2f}"
        f" THEN damerau_levenshtein({column}_l, {column}_r) <= {most} ELSE false END"
    )


def _unknown(*columns: str) -> str:
    """No column has a value on both sides."""
    return " AND ".join(f"({column}_l IS NULL OR {column}_r IS NULL)" for column in columns)


def _name_levels(part: str) -> tuple[Level, ...]:
    """Levels of a name by its two forms. A wrong kanji makes another name more often than a
    wrong letter does."""
    written, reading, script, guesses = (f"{part}_{form}" for form in ("written", "reading", "script", "guesses"))
    same_script = f"coalesce({script}_l = {script}_r, false)"
    both_latin = f"{same_script} AND {script}_l = 'latin'"
    both_kanji = f"{same_script} AND {script}_l = 'kanji'"
    conditions = {
        "same": _both(written),
        "same reading": f"{_both(reading)} AND NOT {same_script}",
        "reading fits": f"({guesses}_l LIKE '%|' || {reading}_r || '|%')"
        f" OR ({guesses}_r LIKE '%|' || {reading}_l || '|%')",
        "same reading, written differently": _both(reading),
        "surname and given name exchanged": f"({_exchanged('written')}) OR ({_exchanged('reading')})",
        "one typing error": f"({both_latin} AND length({written}_l) > 3 AND {_differs_by(written, 1)})"
        f" OR (length({reading}_l) > 2 AND {_differs_by(reading, 1)})",
        "one character differs": f"{both_kanji} AND length({written}_l) > 1"
        f" AND {_differs_by(written, 1)} AND ({_unknown(reading)})",
        "no known reading fits": f"NOT {same_script} AND ({_unknown(reading)})",
        "similar": f"{both_latin} AND jaro_winkler({written}_l, {written}_r) >= 0.86",
    }
    frequency = {"same": written, "same reading": reading}
    return tuple(
        Level(label, condition, *_NAME_STARTS[label][part], frequency.get(label))
        for label, condition in conditions.items()
    )


def _exchanged(form: str) -> str:
    return f"surname_{form}_l = given_{form}_r AND given_{form}_l = surname_{form}_r"


def _name_is_missing(part: str) -> str:
    same_script = f"coalesce({part}_script_l = {part}_script_r, false)"
    reading, guesses = f"{part}_reading", f"{part}_guesses"
    guessed = f"({guesses}_l IS NULL OR {reading}_r IS NULL) AND ({guesses}_r IS NULL OR {reading}_l IS NULL)"
    return f"NOT {same_script} AND ({_unknown(reading)}) AND {guessed}"


def _name_trait(name: str, *, part: str, household_share: float) -> Trait:
    return Trait(
        name=name,
        fields=(name, f"{name}_kana"),
        missing=_name_is_missing(part),
        levels=_name_levels(part),
        household_share=household_share,
    )


_NAME_STARTS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "same": {"surname": (0.40, 0.004), "given": (0.42, 0.002)},
    "same reading": {"surname": (0.40, 0.004), "given": (0.42, 0.003)},
    "reading fits": {"surname": (0.10, 0.002), "given": (0.08, 0.004)},
    "same reading, written differently": {"surname": (0.01, 0.001), "given": (0.015, 0.003)},
    "surname and given name exchanged": {"surname": (0.01, 1e-6), "given": (0.01, 1e-6)},
    "one typing error": {"surname": (0.03, 0.004), "given": (0.02, 0.01)},
    "one character differs": {"surname": (0.01, 0.03), "given": (0.015, 0.03)},
    "no known reading fits": {"surname": (0.005, 0.2), "given": (0.01, 0.2)},
    "similar": {"surname": (0.01, 0.01), "given": (0.005, 0.01)},
}
"""Level of a name -> part of the name -> (m, u) to start from."""

_SURNAME = _name_trait("surname", part="surname", household_share=0.9)
_GIVEN_NAME = _name_trait("given_name", part="given", household_share=0.0)
_BIRTH_DATE = Trait(
    name="birth_date",
    fields=("birth_date",),
    missing=_unknown("birth_date"),
    levels=(
        Level("same", _both("birth_date"), 0.93, 0.00005),
        Level("day and month exchanged", "birth_date_l = birth_swapped_r", 0.01, 0.00003),
        Level("one typing error", _differs_by("birth_date", 1, shortest=10), 0.03, 0.0008),
        Level(
            "two of year, month and day the same",
            f"({_both('birth_year', 'birth_month')}) OR ({_both('birth_year', 'birth_day')})"
            f" OR ({_both('birth_month', 'birth_day')})",
            0.015,
            0.005,
        ),
    ),
    household_share=0.02,
)
_GENDER = Trait(
    name="gender",
    fields=("gender",),
    missing=_unknown("gender"),
    levels=(Level("same", _both("gender"), 0.99, 0.5),),
    household_share=0.0,
)
_EMAIL = Trait(
    name="email",
    fields=("email",),
    missing=_unknown("email"),
    levels=(
        Level("same", _both("email"), 0.6, 0.00005, "email"),
        Level("same name, other provider", _both("email_user"), 0.05, 0.0001),
        Level("typing error", _differs_by("email", 2, shortest=8), 0.03, 0.00005),
    ),
    household_share=0.1,
)
_PHONE = Trait(
    name="phone",
    fields=("phone",),
    missing=_unknown("phone"),
    levels=(
        Level("same", _both("phone"), 0.6, 0.00005, "phone"),
        Level("one typing error", _differs_by("phone", 1, shortest=8), 0.04, 0.00005),
    ),
    household_share=0.6,
)
_PLACE = Trait(
    name="place",
    fields=("postal_code", "prefecture", "city"),
    missing=_unknown("postal_code", "city"),
    levels=(
        Level("same postal code and city", _both("postal_code", "city"), 0.70, 0.0004, "postal_code"),
        Level("same postal code", _both("postal_code"), 0.05, 0.0004, "postal_code"),
        Level("same city", _both("city"), 0.08, 0.004, "city"),
        Level(
            "nearly the same", f"{_differs_by('postal_code', 1)} OR {_differs_by('city', 2, shortest=5)}", 0.03, 0.002
        ),
        Level("same prefecture", _both("prefecture"), 0.06, 0.05),
    ),
    household_share=0.9,
)
_HOUSE = Trait(
    name="house",
    fields=("town", "street", "building"),
    missing=_unknown("town", "street", "building"),
    levels=(
        Level("same town and number", _both("town", "street"), 0.6, 0.00002),
        Level(
            "same number, town nearly the same",
            f"{_both('street')}"
            f" AND ({_both('building')} OR {_differs_by('town', 2, shortest=5)} OR {_unknown('town')})",
            0.05,
            0.0005,
        ),
        Level("town and building exchanged", "town_l = building_r OR building_l = town_r", 0.005, 0.00001),
        Level("same town", f"{_both('town')}", 0.1, 0.001),
        Level("same building", f"{_both('building')}", 0.02, 0.0001),
        Level("town nearly the same", _differs_by("town", 2, shortest=5), 0.03, 0.002),
        Level("same number", _both("street"), 0.02, 0.01),
    ),
    household_share=0.9,
)
_PERSON_TRAITS = (_SURNAME, _GIVEN_NAME, _BIRTH_DATE, _GENDER, _EMAIL, _PHONE, _PLACE, _HOUSE)

FREQUENCY_COLUMNS = tuple(
    dict.fromkeys(level.frequency_of for trait in _PERSON_TRAITS for level in trait.levels if level.frequency_of)
)
"""The columns whose value frequencies the levels use."""
HOUSEHOLD_SHARES: Mapping[str, float] = MappingProxyType(
    {trait.name: trait.household_share for trait in _PERSON_TRAITS}
)


def _number_trait(column: str) -> Trait:
    """A number of one's own: rarely wrong by more than a digit or two, hardly ever another person's."""
    return Trait(
        name=column,
        fields=(column,),
        missing=_unknown(column),
        levels=(
            Level("same", _both(column), 0.92, 0.000001),
            Level("typing error", _differs_by(column, 2, shortest=5), 0.06, 0.0005),
        ),
        household_share=0.0,
    )
