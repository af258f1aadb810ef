"""Anonymising in plain Python, slow and obvious: what an export must publish."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from profile_service.rules.anonymising import Bins, Calendar, Categories, Column, Digits, ExportDefinition, Steps

Person = dict[str, Any]
"""Traits by name."""
Cuts = tuple[Decimal, Decimal] | None


def cells(people: Sequence[Person], definition: ExportDefinition, *, k: int) -> Counter[tuple[str | None, ...]]:
    """How many people are alike in all columns, suppressed or not."""
    cuts = [cuts_of(people, column, k=k) for column in definition.columns]
    return Counter(
        tuple(label(person, column, cut) for column, cut in zip(definition.columns, cuts, strict=True))
        for person in people
    )


def read(person: Person, column: Column) -> Any:
    """The value that the generalisation takes, or None."""
    value = person.get(column.source.trait)  # type: ignore[union-attr]  # the tests' columns are traits
    chosen = column.generalisation
    if isinstance(chosen, Bins | Steps):
        return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if isinstance(value, bool):
        return ("false", "true")[value] if chosen.kind in {"as_is", "categories"} else None
    if isinstance(value, str):
        return None if chosen.kind == "as_is" else value
    return str(value) if isinstance(value, int) and chosen.kind in {"digits", "categories"} else None


def cuts_of(people: Sequence[Person], column: Column, *, k: int) -> Cuts:
    """Beyond which values outliers are cut: the percentiles, but never beyond the k-th value from an end."""
    chosen = column.generalisation
    if not isinstance(chosen, Steps):
        return None
    values = sorted(value for person in people if (value := read(person, column)) is not None)
    if not values:
        return None
    bottom = values[max(math.ceil(chosen.bottom_percentile / 100 * len(values)) - 1, 0)]
    top = values[max(math.ceil(chosen.top_percentile / 100 * len(values)) - 1, 0)]
    if len(values) >= k:
        bottom, top = max(bottom, values[k - 1]), min(top, values[-k])
    return bottom, top


def label(person: Person, column: Column, cuts: Cuts) -> str | None:
    """What a person's value becomes."""
    value, chosen = read(person, column), column.generalisation
    if value is None:
        return None
    match chosen:
        case Bins():
            edges = [Decimal(str(edge)) for edge in chosen.edges]
            low = [edge for edge in edges if edge <= value]
            high = [edge for edge in edges if edge > value]
            return f"{low[-1] if low else ''}..{high[0] if high else ''}"
        case Steps():
            assert cuts is not None
            return _step(value, chosen.width, *cuts)
        case Calendar():
            if not re.match(r"[0-9]{4}-(0[1-9]|1[0-2])-[0-9]{2}", value):
                return None
            quarter = f"{value[:4]}-Q{(int(value[5:7]) + 2) // 3}"
            return {"month": value[:7], "quarter": quarter, "year": value[:4]}[chosen.unit]
        case Digits():
            digits = re.sub("[^0-9]", "", value)
            return digits[: chosen.length] if 5 <= len(digits) <= 9 else None
        case Categories():
            return chosen.values.get(value, chosen.other)
    return str(value)


def _step(value: Decimal, width: Decimal, bottom: Decimal, top: Decimal) -> str:
    first, last = math.floor(bottom / width), math.floor(top / width)
    step = math.floor(min(max(value, bottom), top) / width)
    if first >= last:
        return ".."
    start, end = (f"{(place * width).normalize():f}" for place in (step, step + 1))
    if step == last:
        return f"{start}.."
    return f"..{end}" if step == first else f"{start}..{end}"
