"""What remarks are about, by keywords: Japanese and Latin scripts, cases and widths, exclusions, opinions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profile_service.rules.remarks import Opinion, RemarkRules, Topic, folded, language_of


def topics(text: str, language: str | None = None, *, exclude: list[str] | None = None, **keywords: list[str]) -> bool:
    excluded = {} if exclude is None else {"any": exclude}
    return RemarkRules([Topic("it", keywords, excluded)], {}).read(text, language).topics == ("it",)


@pytest.mark.parametrize(
    ("text", "keyword", "is_found"),
    [
        ("新しいキズナを買った", "キズナ", True),
        ("新しいｷｽﾞﾅを買った", "キズナ", True),  # half-width kana, its voicing mark apart
        ("きずなを買った", "キズナ", False),  # hiragana is another word
        ("新しいairを買った", "air", True),  # a Latin word between Japanese ones begins and ends there
        ("新しいＡＩＲを買った", "Air", True),
        ("キズナ2を買った", "キズナ", True),
        ("キズナ23を買った", "キズナ2", False),  # a digit ends a word
        ("キズナ2、軽い", "キズナ2", True),
        ("my hair", "air", False),
        ("AIR!", "air", True),
        ("#air", "air", True),
        ("air-conditioner", "air", True),
        ("air_2", "air", False),
        ("STRASSE", "straße", True),
        ("Kizuna   Wash\nPro", "kizuna wash pro", True),
        ("洗濯機が壊れた", "洗濯機", True),
        ("ﾊﾟﾅｿﾆｯｸ", "パナソニック", True),
        ("㌔グラム", "キログラム", True),  # one character for キロ
        ("카이즈나를 샀다", "카이즈나", True),  # Korean particles stick to the word
        ("", "air", False),
        ("a.b", "axb", False),  # no pattern, a word
    ],
)
def test_a_keyword_is_found_as_people_write_it(text: str, keyword: str, is_found: bool) -> None:
    assert topics(text, any=[keyword]) is is_found


def test_a_remark_is_read_with_the_words_of_its_language_and_of_any() -> None:
    assert topics("gift", "en", en=["gift"])
    assert not topics("gift", "de", en=["gift"], de=["rasen"])
    assert topics("gift", "de", en=["rasen"], any=["gift"])
    assert topics("gift", None, en=["gift"], de=["rasen"])  # who knows
    assert not topics("gift", "fr", en=["gift"])
    assert topics("gift", "fr", any=["gift"])


def test_what_stands_within_an_excluded_phrase_does_not_count() -> None:
    assert not topics("I ate apple pie", any=["apple"], exclude=["apple pie"])
    assert topics("I ate apple pie off my Apple", any=["apple"], exclude=["apple pie"])
    assert not topics("スーパーエアコン", any=["エア"], exclude=["エアコン"])


@pytest.mark.parametrize(
    ("text", "opinion"),
    [
        ("とても良い", "positive"),
        ("良くない", "negative"),
        ("not good", "negative"),
        ("good, good, not good", "positive"),
        ("good and not good", "neutral"),
        ("洗濯機", "neutral"),
    ],
)
def test_the_opinion_is_the_one_more_words_speak_for(text: str, opinion: Opinion) -> None:
    words = {"positive": {"ja": ["良い"], "en": ["good"]}, "negative": {"ja": ["良くない"], "en": ["not good"]}}
    assert RemarkRules([], words).read(text, None).opinion == opinion


@pytest.mark.parametrize(
    ("said", "language"), [("ja", "ja"), ("ja-JP", "ja"), ("EN_us", "en"), ("日本語", None), ("", None), (5, None)]
)
def test_the_language_is_read_from_what_sources_write(said: object, language: str | None) -> None:
    assert language_of(said) == language


def test_a_source_does_not_say_what_its_remarks_are_about() -> None:
    rules = RemarkRules([Topic("it", {"any": ["air"]}, {})], {})
    said = {"text": "no", "topics": ["it"], "opinion": "positive", "url": "u"}
    assert rules.properties_of(said) == {"text": "no", "topics": [], "opinion": "neutral", "url": "u"}
    assert rules.properties_of({"text": 5})["topics"] == []


_TEXT = st.text(st.sampled_from("aiｱア良 Ａ1_ßİ漢\t"), max_size=12)


@given(_TEXT, _TEXT, _TEXT)
def test_any_keyword_is_found_where_it_stands_alone_and_reading_twice_is_reading_once(
    before: str, word: str, after: str
) -> None:
    assert folded(folded(word)) == folded(word)
    if folded(word):
        assert topics(f"{before} {word} {after}", any=[word])
