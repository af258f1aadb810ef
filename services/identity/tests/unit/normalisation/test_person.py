"""Persons: Segment's traits and Japanese forms say the same."""

from typing import Any

import pytest

from identity_service.rules.normalisation.person import normalise_person

HANAKO = {
    "surname": "渡辺",
    "given_name": "花子",
    "surname_kana": "ワタナベ",
    "given_name_kana": "ハナコ",
    "full_name": "渡辺花子",
    "birth_date": "1985-04-01",
    "gender": "female",
    "email": "hanako@example.jp",
    "phone": "+819012345678",
    "postal_code": "1500041",
    "prefecture": "東京都",
    "city": "渋谷区",
    "town": "神南",
    "street": "1-2-3",
    "building": "ハイツ神南101",
}


@pytest.mark.parametrize(
    "traits",
    [
        {
            "firstName": "花子",
            "lastName": "渡邉",
            "firstNameKana": "ハナコ",
            "lastNameKana": "ワタナベ",
            "birthday": "1985-04-01T00:00:00Z",
            "gender": "female",
            "email": "Hanako@example.jp",
            "phone": "+81 90-1234-5678",
            "address": {
                "street": "神南1-2-3 ハイツ神南101",
                "city": "渋谷区",
                "state": "東京都",
                "postalCode": "150-0041",
                "country": "JP",
            },
        },
        {
            "氏名": "渡邊　花子 様",
            "フリガナ": "ﾜﾀﾅﾍﾞ ﾊﾅｺ",
            "生年月日": "昭和60年4月1日",
            "性別": "女性",
            "電話番号": "０９０－１２３４－５６７８",
            "メールアドレス": "hanako@example.jp ",
            "郵便番号": "〒150-0041",
            "住所": "東京都渋谷区神南一丁目2番3号ハイツ神南101号室",
        },
        {
            "name": "渡辺花子",
            "name_kana": "わたなべはなこ",
            "date_of_birth": "S60.4.1",
            "sex": 2,
            "tel": 9012345678,
            "e-mail": "hanako@example.jp",
            "zip": 1500041,
            "address": {"street": "1-2-3", "town": "神南", "building": "ハイツ神南 101号室"},
        },
        {
            "姓": "渡 辺",
            "名": "花子",
            "セイ": "わたなべ",
            "メイ": "Hanako",
            "誕生日": 19850401,
            "性別": "F",
            "携帯電話番号": "090 1234 5678",
            "mail": "hanako@example.jp",
            "郵便番号": "1500041",
            "都道府県": "東京都",
            "市区町村": "渋谷区",
            "町名・番地": "渋谷区神南１丁目２－３",
            "建物名": "ハイツ神南101",
        },
    ],
    ids=["Segment", "one text each", "a spreadsheet", "a Japanese form"],
)
def test_four_departments_write_one_person(traits: dict[str, Any]) -> None:
    assert normalise_person(traits)[1] == HANAKO


@pytest.mark.parametrize(
    ("traits", "normal", "reason"),
    [
        ({"lastName": "山田 花子"}, ("山田", "花子", None, None), "a full name in the surname's field"),
        ({"name": "Hanako Yamada"}, ("yamada", "hanako", "ヤマダ", "ハナコ"), "romaji says its reading"),
        (
            {"name": "John Smith"},
            ("smith", "john", None, None),
            "one is not Japanese: no reading for either",
        ),
        ({"lastName": "ヤマダ"}, ("ヤマダ", None, "ヤマダ", None), "kana says its reading"),
        ({"氏名": "勅使河原三郎"}, (None, None, None, None), "cannot be split"),
        (
            {"name": "山田花子", "lastName": "佐藤"},
            ("佐藤", None, None, None),
            "a part that was said is not overwritten",
        ),
    ],
)
def test_names(traits: dict[str, Any], normal: tuple[str | None, ...], reason: str) -> None:
    found = normalise_person(traits)[1]
    fields = ("surname", "given_name", "surname_kana", "given_name_kana")
    assert tuple(found.get(field) for field in fields) == normal, reason


def test_written_stays_as_it_came() -> None:
    written, _ = normalise_person(
        {"lastName": "渡邉", "phone": "090-1234-5678", "生年月日": "S60.4.1", "住所": "神南１"}
    )
    assert written == {"surname": "渡邉", "phone": "090-1234-5678", "birth_date": "S60.4.1", "street": "神南１"}


def test_addresses_abroad_are_folded_in_case_and_punctuation_only() -> None:
    address = {"street": "1 Main St., Apt. #4", "city": "Springfield", "state": "IL", "postalCode": "62701-1234"}
    _, normal = normalise_person({"address": {**address, "country": "US"}})
    assert normal == {
        "street": "1 main st apt 4",
        "city": "springfield",
        "prefecture": "il",
        "postal_code": "62701 1234",
    }


@pytest.mark.parametrize(
    "traits",
    [
        {},
        {"firstName": None, "lastName": ["x"], "name": {}, "address": 5, "gender": True, "birthday": 1.5},
        {"birthday": "不明", "gender": "?", "phone": "なし", "email": "no"},
        {"plan": "gold", "points": 100},
        {"name": "x" * 501, "lastName": " "},
    ],
)
def test_what_cannot_be_used_is_left_out(traits: dict[str, Any]) -> None:
    assert normalise_person(traits)[1] == {}


@pytest.mark.parametrize(
    ("value", "gender"),
    [("男", "male"), ("男性", "male"), ("M", "male"), (1, "male"), ("1", "male"),
     ("女", "female"), ("女性", "female"), ("Female", "female"), (2, "female"),
     ("その他", "other"), (9, "other"), (0, None), ("", None)],
)  # fmt: skip
def test_gender(value: object, gender: str | None) -> None:
    assert normalise_person({"gender": value})[1].get("gender") == gender
