"""What holds for every normaliser, whatever arrives."""

from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from identity_service.rules.normalisation import NORMALISERS
from identity_service.rules.normalisation.addresses import building_value, split_address
from identity_service.rules.normalisation.names import split_full_name
from identity_service.rules.normalisation.person import FIELDS, normalise_person
from identity_service.rules.normalisation.readings import katakana

LIKELY = (
    "あいうおかがきくケコヶッツゃャョーヴンﾊﾟﾞ゛゜ヾ々一二十百元年月日丁目番地号の之ノ大字東京都市区県町村〒様さん渡邊斉藤齊"
    "0123456789１２－‐−―()+@.-/:#, 　xX昭和STHRabcōûİßſ\u0301\ufe0f\U000e0100\u200b"
)
TEXTS = st.one_of(st.text(max_size=40), st.text(LIKELY, max_size=40), st.text("0123456789+-() .", max_size=20))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
UNHURRIED = settings(deadline=None)  # the first value of a kind reads tables
EVERY = pytest.mark.parametrize("name", sorted(NORMALISERS))


@EVERY
@UNHURRIED
@given(value=JSON)
@example(value=10**5000)
@example(value=float("nan"))
@example(value="\ud800")
def test_any_json_is_taken_or_left(name: str, value: Any) -> None:
    result = NORMALISERS[name](value)
    assert result is None or result


@EVERY
@UNHURRIED
@given(text=TEXTS)
@example(text="İ@ex.jp")
@example(text="ẞς@ΑΣ.gr")
@example(text="0" * 12)
@example(text="か゛")
@example(text="ヵ\u3099")
def test_what_is_normal_stays_as_it_is(name: str, text: str) -> None:
    once = NORMALISERS[name](text)
    assert once is None or NORMALISERS[name](once) == once


@pytest.mark.parametrize("name", sorted(set(NORMALISERS) - {"plain"}))
@UNHURRIED
@given(text=TEXTS)
def test_width_and_composition_do_not_matter(name: str, text: str) -> None:
    normal = NORMALISERS[name](text)
    assert normal == NORMALISERS[name](normalize("NFKC", text)) == NORMALISERS[name](normalize("NFD", text))


@UNHURRIED
@example(text="0号号")
@example(text="1 階 号室ー2")
@given(text=TEXTS)
def test_splitting_takes_any_text(text: str) -> None:
    split_full_name(text)
    split_address(text)
    building = building_value(text)
    assert building is None or building_value(building) == building


@UNHURRIED
@given(text=st.text("ぁあいうがゔぱゝゞーんを", max_size=20))
def test_hiragana_and_katakana_are_one_reading(text: str) -> None:
    assert NORMALISERS["kana"](text) == NORMALISERS["kana"](katakana(text))


KEYS = st.sampled_from(
    ["firstName", "lastName", "name", "nameKana", "birthday", "gender", "email", "phone", "address", "postalCode",
     "city", "state", "street", "country", "building", "氏名", "フリガナ", "住所", "姓", "メイ", "郵便番号"]
)  # fmt: skip


@UNHURRIED
@given(traits=st.dictionaries(KEYS | TEXTS, JSON | st.dictionaries(KEYS, JSON, max_size=4), max_size=6))
def test_any_traits_are_taken(traits: dict[str, Any]) -> None:
    written, normal = normalise_person(traits)
    assert set(written) | set(normal) <= set(FIELDS)
    assert all(type(value) is str and len(value) > 0 for value in [*written.values(), *normal.values()])
