"""Names: one writing, honorifics off, full names in two."""

import pytest

from identity_service.rules.normalisation import NORMALISERS
from identity_service.rules.normalisation.names import FullName, split_full_name, without_honorific

name_value = NORMALISERS["name"]


@pytest.mark.parametrize(
    ("same", "normal", "reason"),
    [
        (
            ["渡辺", "渡邊", "渡邉", "渡邉\U000e0101", "渡 辺"],
            "渡辺",
            "常用漢字表; IVS choose a glyph, not a character",
        ),
        (["斎藤", "斉藤", "齋藤", "齊藤"], "斎藤", "before 藤 every list mixes the four"),
        (["高橋", "髙橋", "髙𣘺"], "高橋", "はしご高 (JIS X 0213 unifies it)"),
        (["山崎", "山﨑", "山嵜"], "山崎", "たつさき"),
        (["浜崎", "濱﨑", "濵崎"], "浜崎", "常用漢字表 and a popular form"),
        (["沢田", "澤田"], "沢田", "常用漢字表"),
        (["桜井", "櫻井"], "桜井", "常用漢字表"),
        (["吉田", "𠮷田"], "吉田", "つちよし, beyond the BMP"),
        (["富田", "冨田"], "富田", "人名用漢字"),
        (["中島", "中嶋", "中嶌"], "中島", "人名用漢字"),
        (["辺見", "邊見", "邉見"], "辺見", "常用漢字表"),
        (["国広", "國廣"], "国広", "常用漢字表"),
        (["神谷", "神谷"], "神谷", "CJK compatibility ideograph: NFKC"),
        (["長谷川", "⻑谷川"], "長谷川", "a CJK radical out of a PDF, which NFKC leaves"),
        (["佐々木", "佐佐木"], "佐佐木", "々 repeats"),
        (["三ヶ島", "三ケ島", "三ｹ島"], "三ケ島", "small and large ケ"),
        (["ヤマダ", "ﾔﾏﾀﾞ", "ヤマタ\u3099", "ヤマタ゛", "ヤマ ダ"], "ヤマダ", "half width, loose sound marks"),
        (
            ["山田 花子", "山田\u3000花子", "山田花子", "山\u200b田花子"],
            "山田花子",
            "blanks, also ideographic and invisible",
        ),
        (["Ｙａｍａｄａ", "YAMADA", " yamada "], "yamada", "width and case"),
        (["O'Brien", "O’Brien", "OBrien"], "obrien", "apostrophes"),
        (["Jean-Luc", "Jean Luc", "Jean‐Luc"], "jeanluc", "hyphens"),
        (["José", "Jose\u0301"], "josé", "composition; the accent stays"),
        (["㈱山田", "(株)山田", "（株）山田"], "(株)山田", "NFKC on ㈱ loses nothing here"),
    ],
)
def test_one_writing(same: list[str], normal: str, reason: str) -> None:
    assert {text: name_value(text) for text in same} == dict.fromkeys(same, normal), reason


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["渡辺", "渡部"], "ワタナベ and ワタベ"),
        (["伊藤", "伊東"], "two families"),
        (["阿部", "安部", "阿倍"], "one reading, three families"),
        (["石川", "石河"], "川 and 河"),
        (["太田", "大田"], "the dot counts"),
        (["斉", "斎"], "two given names (ひとし, いつき)"),
        (["はなこ", "ハナコ"], "spellings; readings have their own normaliser"),
        (["José", "Jose"], "an accent"),
        (["ユウコ", "ユコ"], "length"),
        (["ヤマータ", "ヤマタ"], "ー is no hyphen in a name"),
    ],
)
def test_different_names_stay_different(names: list[str], reason: str) -> None:
    assert len({name_value(name) for name in names}) == len(names), reason


@pytest.mark.parametrize("value", ["", " ", "・", 5, None, True, "x" * 201])
def test_no_name(value: object) -> None:
    assert name_value(value) is None


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("山田花子様", "山田花子", "letters"),
        ("山田花子 さま", "山田花子", "the same in kana"),
        ("山田さん", "山田", "speech"),
        ("山田 殿", "山田", "official letters"),
        ("山田 花子（旧姓 佐藤）", "山田 花子", "a remark in brackets"),
        ("Mr. John Smith", "John Smith", "English"),
        ("Yamada-san", "Yamada", "Japanese in Latin script"),
        ("王昭君", "王昭君", "君 belongs to names"),
        ("様", "様", "nothing would be left"),
        ("Drake", "Drake", "begins like a title"),
    ],
)
def test_honorifics_are_not_part_of_a_name(text: str, name: str, reason: str) -> None:
    assert without_honorific(text) == name, reason


@pytest.mark.parametrize(
    ("text", "surname", "given_name", "reason"),
    [
        ("山田 花子", "山田", "花子", "a blank"),
        ("山田\u3000花子 様", "山田", "花子", "an ideographic blank, an honorific"),
        ("山田花子", "山田", "花子", "both names are known"),
        ("佐々木希", "佐々木", "希", "3 + 1: 佐々木 exists"),
        ("林真理子", "林", "真理子", "1 + 3: 真理子 exists"),
        ("林修", "林", "修", "1 + 1"),
        ("森下真", "森下", "真", "not 森 下真"),
        ("小林一茶", "小林", "一茶", "a given name that is not known"),
        ("長谷川潤", "長谷川", "潤", "3 + 1"),
        ("五十嵐大介", "五十嵐", "大介", "3 + 2"),
        ("二階堂ふみ", "二階堂", "ふみ", "a given name in kana"),
        ("渡邉恵理子", "渡邉", "恵理子", "a variant character: looked up by its common form, kept as written"),
        ("東海林太郎", "東海林", "太郎", "not 東 海林太郎"),
        ("栂野眞二", "栂野", "眞二", "surname not known: four ideographs, nearly always 2 + 2"),
        ("やまだはなこ", "やまだ", "はなこ", "hiragana: both readings are known"),
        ("ﾔﾏﾀﾞﾊﾅｺ", "ヤマダ", "ハナコ", "half-width katakana"),
        ("Taro Yamada", "Yamada", "Taro", "Western order"),
        ("YAMADA Taro", "YAMADA", "Taro", "the surname in capitals"),
        ("Taro YAMADA", "YAMADA", "Taro", "the same behind"),
        ("Yamada Taro", "Yamada", "Taro", "Japanese order, for Yamada is a surname and Taro is none"),
        ("Sato Ichiro", "Sato", "Ichiro", "the same without long vowels"),
        ("Yamada, Taro", "Yamada", "Taro", "a comma"),
        ("John Fitzgerald Kennedy", "Kennedy", "John", "a middle name"),
        ("ジョン・スミス", "スミス", "ジョン", "a middle dot: foreign names keep their order"),
    ],
)
def test_full_names_in_two(text: str, surname: str, given_name: str, reason: str) -> None:
    assert split_full_name(text) == FullName(surname, given_name), reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("高橋", "a surname alone"),
        ("花子", "a given name alone"),
        ("タナカ", "a surname alone, in kana"),
        ("勅使河原三郎", "a surname not known, and not four ideographs"),
        ("Yamada", "one word"),
        ("", "nothing"),
        ("山" * 201, "too long"),
    ],
)
def test_what_cannot_be_split_is_left(text: str, reason: str) -> None:
    assert split_full_name(text) is None, reason
