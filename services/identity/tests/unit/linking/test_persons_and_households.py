"""Who is linked and who is not, by the cases that go wrong elsewhere. So small a base is judged untrained."""

from services.identity.tests.unit.linking.people import HANAKO, linked, only, pair_of, record, table

from identity_service.linking.engine import link
from identity_service.linking.results import LinkingSettings

SETTINGS = LinkingSettings(upper=0.95, lower=0.5)


def test_one_person_in_two_departments_is_linked() -> None:
    called = only(HANAKO, "surname_kana", "given_name_kana", "birth_date", "phone")
    result = link(table([record("a", HANAKO), record("b", called)]), settings=SETTINGS)
    assert linked(result) == {("a", "b")}


def test_romaji_and_kanji_meet_in_their_reading() -> None:
    abroad = {"surname": "takahashi", "given_name": "hanako", "surname_kana": "タカハシ", "given_name_kana": "ハナコ"}
    result = link(
        table([record("a", HANAKO), record("b", abroad, email=HANAKO["email"], birth_date=HANAKO["birth_date"])]),
        settings=SETTINGS,
    )
    assert linked(result) == {("a", "b")}


def test_kanji_meet_kana_by_the_readings_a_name_may_have() -> None:
    on_paper = only(HANAKO, "surname", "given_name", "phone", "birth_date")
    by_phone = only(HANAKO, "surname_kana", "given_name_kana", "phone")
    result = link(table([record("a", on_paper), record("b", by_phone)]), settings=SETTINGS)
    pair = pair_of(result, "a", "b")
    assert pair is not None
    agreements = {field.field: field.agreement for field in pair.fields}
    assert agreements["surname"] == agreements["given_name"] == "reading fits"


def test_twins_at_one_address_and_telephone_are_two() -> None:
    twin = record("b", HANAKO, given_name="美咲", given_name_kana="ミサキ", email=None)
    result = link(table([record("a", HANAKO), twin]), settings=SETTINGS)
    assert linked(result) == set()


def test_parent_and_child_at_one_address_telephone_and_mail_are_two() -> None:
    child = record("b", HANAKO, given_name="太郎", given_name_kana="タロー", birth_date="2012-07-21", gender="male")
    result = link(table([record("a", HANAKO), child]), settings=SETTINGS)
    assert linked(result) == set()


def test_marriage_changes_surname_and_address_and_nothing_else() -> None:
    married = record(
        "b", HANAKO, surname="佐藤", surname_kana="サトー",
        postal_code="5300001", prefecture="大阪府", city="大阪市北区", town="梅田", street="4-5-6",
    )  # fmt: skip
    result = link(table([record("a", HANAKO), married]), settings=SETTINGS)
    assert linked(result) == {("a", "b")}


def test_a_move_changes_the_address_alone() -> None:
    moved = record(
        "b", HANAKO, phone=None,
        postal_code="5300001", prefecture="大阪府", city="大阪市北区", town="梅田", street="4-5-6",
    )  # fmt: skip
    result = link(table([record("a", HANAKO), moved]), settings=SETTINGS)
    assert linked(result) == {("a", "b")}


def test_namesakes_born_on_other_days_in_other_cities_are_two() -> None:
    namesake = record(
        "b", only(HANAKO, "surname", "given_name", "surname_kana", "given_name_kana", "gender"),
        birth_date="1951-11-30", city="大阪市北区", town="梅田", street="4-5-6", phone="+818011112222",
    )  # fmt: skip
    result = link(table([record("a", HANAKO), namesake]), settings=SETTINGS)
    assert linked(result) == set()


def test_day_and_month_exchanged_is_no_other_birth_date() -> None:
    result = link(table([record("a", HANAKO), record("b", HANAKO, birth_date="1988-04-03")]), settings=SETTINGS)
    pair = pair_of(result, "a", "b")
    assert pair is not None
    assert pair.outcome == "link"
    assert {field.field: field.agreement for field in pair.fields}["birth_date"] == "day and month exchanged"


def test_a_record_without_given_name_does_not_chain_twins_together() -> None:
    twin = record("b", HANAKO, given_name="太郎", given_name_kana="タロー", gender="male", email="taro@example.jp")
    household = only(HANAKO, "surname", "surname_kana", "birth_date", "phone", "city", "town", "street", "postal_code")
    result = link(
        table([record("a", HANAKO), twin, record("c", household)]), settings=LinkingSettings(upper=0.2, lower=0.1)
    )
    assert len(linked(result)) <= 1
    contradicted = [pair.contradiction for pair in result.pairs if pair.contradiction]
    assert contradicted == ["different given name and gender"]


def test_a_number_of_ones_own_links_and_keeps_apart() -> None:
    settings = LinkingSettings(number_fields=("member_number",))
    same = [
        record("a", HANAKO, member_number="7654321"),
        record("b", {"member_number": "7654321", "given_name": "花子"}),
    ]
    other = [
        record("a", HANAKO, member_number="7654321"),
        record("b", HANAKO, member_number="1928374", given_name=None),
    ]
    assert linked(link(table(same, "member_number"), settings=settings)) == {("a", "b")}
    kept = pair_of(link(table(other, "member_number"), settings=settings), "a", "b")
    assert kept is None or kept.score < pair_of(link(table(same, "member_number"), settings=settings), "a", "b").score  # type: ignore[union-attr]  # linked above
