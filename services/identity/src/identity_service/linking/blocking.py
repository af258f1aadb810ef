"""Which pairs are looked at: only those that share one of these keys. Everything else is too unlikely to be one person.

Each rule is a set of columns that must all be equal; together they survive any single wrong or changed trait: a
marriage (surname, address), a move, a new phone number, a mistyped birth date, a name written in another script.
"""

from typing import Any

PREDICTION_KEYS: tuple[tuple[str, ...], ...] = (
    ("phone",),
    ("email",),
    ("birth_date", "given_sound"),
    ("birth_date", "given_written"),
    ("birth_date", "surname_sound"),
    ("birth_date", "surname_written"),
    ("birth_date", "prefecture"),
    ("birth_date", "street"),
    ("birth_date", "postal_code"),
    ("surname_sound", "given_sound"),
    ("surname_written", "given_written"),
    ("town", "street"),
    ("town", "given_written"),
    ("town", "given_sound"),
    ("postal_code", "surname_written"),
    ("postal_code", "given_written"),
    ("postal_code", "street"),
    ("building", "street"),
    ("building", "given_written"),
)


def prediction_rules(number_fields: tuple[str, ...], *, only_changed: bool) -> list[Any]:  # Splink ships no types
    """The rules for scoring. With `only_changed`, one side must be changed: it is the left one, whose numbers come
    first."""
    from splink import block_on
    from splink.blocking_rule_library import CustomRule

    keys = (*((name,) for name in number_fields), *PREDICTION_KEYS)
    if not only_changed:
        return [block_on(*key) for key in keys]
    return [CustomRule(" AND ".join((*(f"l.{column} = r.{column}" for column in key), "l.is_changed"))) for key in keys]
