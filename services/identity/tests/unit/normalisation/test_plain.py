"""Ids, cards and handles."""

import pytest

from identity_service.rules.normalisation import NORMALISERS


@pytest.mark.parametrize(
    ("normaliser", "value", "normal", "reason"),
    [
        ("plain", " 00123 ", "00123", "zeros in front are part of an id"),
        ("plain", 123, "123", "a number in JSON"),
        ("plain", 123.0, "123", "a number that passed through a float"),
        ("plain", "Ａbc", "Ａbc", "ids of machines tell apart width and case"),
        ("plain", "U4af4980629", "U4af4980629", "LINE's user ids"),
        ("plain", "", None, "nothing"),
        ("plain", True, None, "not text"),
        ("plain", {"id": 1}, None, "not text"),
        ("plain", "x" * 513, None, "too long"),
        ("lower", "ＨＡＮＡＫＯ.Y", "hanako.y", "login names are typed"),
        ("digits", "1234-5678 ９０", "1234567890", "as printed on a card"),
        ("digits", "0012", "0012", "zeros in front stay"),
        ("digits", "12A4", None, "a letter is part of another kind of number"),
        ("digits", "--", None, "nothing"),
        ("handle", "@Kizuna_JP", "kizuna_jp", "with @ and capitals"),
        ("handle", "＠kizuna_jp", "kizuna_jp", "full-width @"),
        ("handle", "https://x.com/Kizuna_JP?s=20", "kizuna_jp", "X"),
        ("handle", "https://twitter.com/Kizuna_JP/status/1", None, "a post is no profile"),
        ("handle", "twitter.com/kizuna_jp/", "kizuna_jp", "X by its former name"),
        ("handle", "https://www.instagram.com/kizuna.jp/", "kizuna.jp", "Instagram"),
        ("handle", "https://www.tiktok.com/@kizuna", "kizuna", "TikTok"),
        ("handle", "https://line.me/R/ti/p/@kizuna", "kizuna", "a LINE official account"),
        ("handle", "https://line.me/ti/p/~kizuna", "kizuna", "a LINE id"),
        ("handle", "https://line.me/R/ti/p/%40kizuna", "kizuna", "the same, quoted"),
        ("handle", "https://example.jp/kizuna", None, "not a network we know"),
        ("handle", "hanako yamada", None, "a name"),
        ("handle", "@", None, "nothing"),
    ],
)
def test_id(normaliser: str, value: object, normal: str | None, reason: str) -> None:
    assert NORMALISERS[normaliser](value) == normal, reason
