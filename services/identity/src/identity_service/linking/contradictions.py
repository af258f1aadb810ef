"""What one person cannot be: two records that contradict each other keep their customers apart, whatever links them in between."""

from identity_service.linking.preparation import Row

_MOST_TYPING_ERRORS = 1


def contradiction(row: Row, other: Row, number_fields: tuple[str, ...] = ()) -> str | None:
    """Why the two records (in their comparable forms) cannot be one person, in words; None when they can.

    One trait may be wrong or change (a marriage changes the surname, a typing error the birth date); two of those that stay for life
    are not both wrong.
    """
    lasting = [
        words
        for words, differs in (
            ("given names", _given_names_differ(row, other)),
            ("birth dates", _differs(row["birth_date"], other["birth_date"])),
            ("genders", _differs(row["gender"], other["gender"], typing_errors=0)),
            *((field, _differs(row[field], other[field], typing_errors=2)) for field in number_fields),
        )
        if differs
    ]
    return " and ".join(lasting) + " differ" if len(lasting) > 1 else None


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
