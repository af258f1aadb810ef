"""E-mail addresses: what every mail system treats alike is folded, nothing else."""

import pytest

from identity_service.rules.normalisation import NORMALISERS


@pytest.mark.parametrize(
    ("value", "normal", "reason"),
    [
        (" Hanako@Example.JP ", "hanako@example.jp", "blanks and case"),
        ("ｈａｎａｋｏ＠ｅｘａｍｐｌｅ．ｊｐ", "hanako@example.jp", "full-width input of Japanese keyboards"),
        ("hana.ko@gmail.com", "hana.ko@gmail.com", "dots are two addresses at most hosts (RFC 5321 2.4)"),
        ("hanako+shop@example.jp", "hanako+shop@example.jp", "a tag is the host's to read (RFC 5321 2.4)"),
        ("hanako..2.@docomo.ne.jp", "hanako..2.@docomo.ne.jp", "Japanese carriers gave such addresses out"),
        ("taro@日本語.jp", "taro@xn--wgv71a119e.jp", "an IDN is compared in ASCII (IDNA 2008)"),
        ("taro@xn--wgv71a119e.jp", "taro@xn--wgv71a119e.jp", "and ASCII stays"),
        ("taro@日本語。ＪＰ", "taro@xn--wgv71a119e.jp", "the ideographic full stop separates labels (UTS #46)"),
        ("taro@example.jp.", "taro@example.jp", "a final dot only says that the name is absolute (RFC 1034 3.1)"),
        ("ta\u200bro@example.jp", "taro@example.jp", "invisible characters come with copying"),
        ("太郎@example.jp", "太郎@example.jp", "RFC 6531 addresses"),
        ("hanako", None, "no @"),
        ("@example.jp", None, "no local part"),
        ("hanako@", None, "no domain"),
        ("hanako@.", None, "an empty domain"),
        ("a b@example.jp", None, "a blank inside"),
        ("a@b c.jp", None, "a blank inside the domain"),
        ("x" * 510 + "@b.jp", None, "longer than any address"),
        ("taro@日本\u3000語.jp", None, "a blank in an IDN"),
        (5, None, "not text"),
        (None, None, "nothing"),
    ],
)
def test_email(value: object, normal: str | None, reason: str) -> None:
    assert NORMALISERS["email"](value) == normal, reason


@pytest.mark.parametrize(
    ("value", "normal", "reason"),
    [
        ("Hana.Ko+shop@GMail.com", "hanako@gmail.com", "Gmail ignores dots and what follows +"),
        ("hanako@googlemail.com", "hanako@gmail.com", "Gmail's former domain in some countries"),
        ("hana.ko+shop@example.jp", "hana.ko+shop@example.jp", "no other domain is folded"),
        ("+shop@gmail.com", "+shop@gmail.com", "nothing would be left"),
    ],
)
def test_email_gmail_is_there_for_who_asks(value: str, normal: str, reason: str) -> None:
    assert NORMALISERS["email_gmail"](value) == normal, reason


@pytest.mark.parametrize(
    ("value", "normal", "reason"),
    [
        ("hana.ko+shop@example.jp", "hana.ko@example.jp", "RFC 5233 subaddress"),
        ("+shop@example.jp", "+shop@example.jp", "nothing would be left"),
    ],
)
def test_email_plus_tag_is_there_for_who_asks(value: str, normal: str, reason: str) -> None:
    assert NORMALISERS["email_plus_tag"](value) == normal, reason
