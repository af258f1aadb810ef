"""Records of persons for the tests of linking, as normalisation leaves them."""

from collections.abc import Iterable

import pyarrow as pa

from identity_service.linking.results import PERSON_FIELDS, LinkingResult, ScoredPair

HANAKO = {
    "surname": "高橋",
    "given_name": "花子",
    "surname_kana": "タカハシ",
    "given_name_kana": "ハナコ",
    "birth_date": "1988-03-04",
    "gender": "female",
    "email": "hanako.takahashi@example.jp",
    "phone": "+819012345678",
    "postal_code": "1000001",
    "prefecture": "東京都",
    "city": "千代田区",
    "town": "千代田",
    "street": "1-2-3",
}


def record(customer_id: str, person: dict[str, str], **changes: str | None) -> dict[str, str | None]:
    """A record of a customer: the person, with some fields changed or (None) left out."""
    return {
        "record_id": f"{customer_id}/{len(changes)}",
        "customer_id": customer_id,
        "source_id": "shop",
        **person,
        **changes,
    }


def only(person: dict[str, str], *fields: str) -> dict[str, str]:
    """The person as known by these fields alone."""
    return {field: value for field, value in person.items() if field in fields}


def table(records: Iterable[dict[str, str | None]], *more: str) -> pa.Table:
    """The records as `link` takes them."""
    rows = list(records)
    columns = ("record_id", "customer_id", "source_id", *PERSON_FIELDS, *more)
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in columns})


def pair_of(result: LinkingResult, one: str, other: str) -> ScoredPair | None:
    """What the run says of two customers; None when they are too unlike to be worth a look."""
    wanted = (min(one, other), max(one, other))
    return next((pair for pair in result.pairs if (pair.customer_id, pair.other_customer_id) == wanted), None)


def linked(result: LinkingResult) -> set[tuple[str, str]]:
    """The pairs that were linked."""
    return {(pair.customer_id, pair.other_customer_id) for pair in result.pairs if pair.outcome == "link"}
