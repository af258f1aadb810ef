"""Readings: kana and romaji in one form, and romaji out of kana."""

import pytest

from identity_service.rules.normalisation.readings import katakana, reading_value, without_length
from identity_service.rules.normalisation.romaji import hepburn, kana_of_romaji


@pytest.mark.parametrize(
    ("same", "reading", "reason"),
    [
        (["はなこ", "ハナコ", "ﾊﾅｺ", "は な こ", "hanako", "HANAKO", "Ｈａｎａｋｏ"], "ハナコ", "script and width"),
        (
            ["わたなべ", "ﾜﾀﾅﾍﾞ", "ワタナヘ\u3099", "わたなへ゛", "watanabe"],
            "ワタナベ",
            "sound marks, however they stand",
        ),
        (["サトウ", "サトオ", "サトー", "ｻﾄｰ", "Satou", "Satō", "Satô", "Satoh"], "サトー", "a long o"),
        (["オオノ", "オウノ", "オーノ", "Ohno", "Oono", "Ōno"], "オーノ", "a long o in front"),
        (["オノ", "Ono", "おの"], "オノ", "a short o is another name"),
        (["ユウコ", "ユーコ", "Yuuko", "Yūko"], "ユーコ", "a long u"),
        (["ショウコ", "シヨウコ", "ｼﾖｳｺ", "Shouko", "Syôko"], "シヨーコ", "bank lists have no small kana"),
        (["ハットリ", "ハツトリ", "Hattori"], "ハツトリ", "the same for ッ"),
        (["ミヅキ", "ミズキ", "みづき", "Mizuki", "Miduki"], "ミズキ", "ヅ and ズ sound alike"),
        (["カヲル", "カオル", "かをる", "Kaoru"], "カオル", "ヲ and オ"),
        (["ホンマ", "Honma", "Homma"], "ホンマ", "n before m, Hepburn and Kunrei"),
        (["シンイチ", "Shin'ichi", "Shin’ichi", "Sin'iti"], "シンイチ", "the apostrophe after n"),
        (["ジュンコ", "Junko", "Zyunko", "Jyunko"], "ジユンコ", "three ways of one romaji syllable"),
        (["ハッチョウ", "Hatchō", "Hacchou"], "ハツチヨー", "ッ before ch"),
        (["イノウエ", "Inoue"], "イノーエ", "one form even where the vowel is not long: it is for comparison only"),
        (["いすゞ", "イスズ"], "イスズ", "the mark of repetition"),
        (["ヴァン", "バン"], "バン", "v"),
        (["アンナ・マリア", "アンナマリア"], "アンナマリア", "the middle dot"),
    ],
)
def test_one_reading(same: list[str], reading: str, reason: str) -> None:
    assert {text: reading_value(text) for text in same} == dict.fromkeys(same, reading), reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("花子", "kanji do not say how they are read"),
        ("Smith", "no Japanese syllables"),
        ("ハナ子", "kana and kanji"),
        ("", "nothing"),
        ("・", "nothing but a separator"),
        (5, "not text"),
        ("あ" * 201, "too long"),
    ],
)
def test_no_reading(value: object, reason: str) -> None:
    assert reading_value(value) is None, reason


def test_different_names_stay_different() -> None:
    names = [
        "オノ",
        "オオノ",
        "ユキ",
        "ユウキ",
        "ケイコ",
        "ケコ",
        "ミキ",
        "ミイキ",
        "ジュン",
        "ジン",
        "ナオキ",
        "ナホキ",
    ]
    assert len({reading_value(name) for name in names}) == len(names)


def test_romaji_that_drops_length_is_compared_without_it() -> None:
    short, long = reading_value("Ito"), reading_value("イトウ")
    assert short is not None and long is not None
    assert short != long and without_length(short) == without_length(long)


def test_hiragana_become_katakana_and_nothing_else_changes() -> None:
    assert katakana("ゆうこ ﾅｯﾄ 漢字 abc") == "ユウコ ナット 漢字 abc"


@pytest.mark.parametrize(
    ("kana", "letters", "reason"),
    [
        ("ユウコ", "yuko", "long vowels are short in passports"),
        ("サトウ", "sato", "ウ at the end of a long o"),
        ("オオノ", "ono", "オ inside a name"),
        ("ヨコオ", "yokoo", "オ that ends a name stays"),
        ("イノウエ", "inoue", "two words"),
        ("ハットリ", "hattori", "ッ doubles"),
        ("ハッチョウ", "hatcho", "but ch becomes tch"),
        ("ホンマ", "homma", "ン before b, m, p"),
        ("シンイチ", "shinichi", "passports know no apostrophe"),
        ("ジュンコ", "junko", "シャ シュ ショ, チャ and ジャ have no y"),
        ("リョウ", "ryo", "others have"),
        ("ミヅキ", "mizuki", "ヅ as ズ"),
    ],
)
def test_hepburn(kana: str, letters: str, reason: str) -> None:
    assert hepburn(kana) == letters, reason
    again = kana_of_romaji(letters)
    assert again is not None, "what we write we can read"
