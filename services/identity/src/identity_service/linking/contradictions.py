"""What one person cannot be: two records that contradict each other keep their customers apart, whatever links them in
between."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2

from identity_service.linking.comparisons import DIFFERENT
from identity_service.linking.model import Model
from identity_service.linking.preparation import Row

BITS_THAT_KEEP_APART = 8.0
"""Lasting traits that differ by this much evidence (1 in 256) are two persons'."""
_MOST_TYPING_ERRORS = 1


@dataclass(frozen=True)
class Contradictions:
    """What of a person lasts for life, and what its difference weighs in this base: where names are often mistyped, it
    weighs little."""

    weights: Mapping[str, float]
    """Trait -> bits of the level "different", below 0."""
    number_fields: tuple[str, ...]

    @classmethod
    def by(cls, model: Model, number_fields: tuple[str, ...]) -> "Contradictions":
        """The weights that the model learned."""
        lasting = ("given_name", "birth_date", "gender", *number_fields)
        different = {name: model.levels[name][DIFFERENT] for name in lasting}
        return cls({name: log2(level.m / level.u) for name, level in different.items()}, number_fields)

    def between(self, row: Row, other: Row) -> str | None:
        """Why the two records (in their comparable forms) cannot be one person, in words; None when they can."""
        differing = [name for name in self.weights if self._differs(name, row, other)]
        if sum(self.weights[name] for name in differing) > -BITS_THAT_KEEP_APART:
            return None
        return f"different {' and '.join(differing)}".replace("_", " ")

    def _differs(self, name: str, row: Row, other: Row) -> bool:
        if name == "given_name":
            return _given_names_differ(row, other)
        return _differs(
            row[name], other[name], typing_errors=0 if name == "gender" else 2 if name in self.number_fields else 1
        )


def _given_names_differ(row: Row, other: Row) -> bool:
    """In every form that both have they are different names; a name that stands in the surname's place is not."""
    forms = [(form, row[f"given_{form}"], other[f"given_{form}"]) for form in ("written", "reading")]
    comparable = [
        (form, one, two)
        for form, one, two in forms
        if one and two and (form == "reading" or row["given_script"] == other["given_script"])
    ]
    if any(_are_exchanged(row, other, form) for form, _, _ in comparable):
        return False
    return bool(comparable) and all(_differs(one, two) for _, one, two in comparable)


def _are_exchanged(row: Row, other: Row, form: str) -> bool:
    surname, given = f"surname_{form}", f"given_{form}"
    return row[surname] == other[given] and row[given] == other[surname]


def _differs(one: str | None, two: str | None, *, typing_errors: int = _MOST_TYPING_ERRORS) -> bool:
    if one is None or two is None or one == two:
        return False
    return not within_typing_errors(one, two, typing_errors)


def within_typing_errors(one: str, two: str, most: int) -> bool:
    """At most so many letters wrong, left out, added, or exchanged with their neighbour (optimal string alignment)."""
    if abs(len(one) - len(two)) > most:
        return False
    before_last: list[int] = []
    last = list(range(len(two) + 1))
    for place, letter in enumerate(one, 1):
        row = [place]
        for other_place, other_letter in enumerate(two, 1):
            cost = min(last[other_place] + 1, row[-1] + 1, last[other_place - 1] + (letter != other_letter))
            if place > 1 and other_place > 1 and letter == two[other_place - 2] and one[place - 2] == other_letter:
                cost = min(cost, before_last[other_place - 2] + 1)
            row.append(cost)
        before_last, last = last, row
    return last[-1] <= most
