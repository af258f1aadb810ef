"""Tokens, MIME and Liquid under attack."""

import email
import email.policy
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery_service.mime import MailBuilder, encoded_header
from delivery_service.rendering import TemplateCompiler, TemplateError
from delivery_service.schemas import TemplateBody
from delivery_service.tokens import Kind, TokenSigner

KINDS: list[Kind] = ["open", "click", "unsubscribe"]


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> TokenSigner:
    secret = tmp_path_factory.mktemp("secret") / "secret"
    secret.write_bytes(b"0123456789abcdef0123456789abcdef\n")
    return TokenSigner(secret)


@given(st.sampled_from(KINDS), st.uuids(), st.integers(0, 255))
def test_tokens_say_what_was_signed(signer: TokenSigner, kind: Kind, message_id: UUID, link: int) -> None:
    token = signer.sign(kind, message_id, link)
    assert len(token) == 46
    verified = signer.verify(kind, token)
    assert verified is not None
    assert (verified.message_id, verified.link) == (message_id, link)
    assert [signer.verify(other, token) for other in KINDS if other != kind] == [None, None]


@given(st.uuids(), st.integers(0, 33 * 8 - 1))
def test_any_flipped_bit_is_noticed(signer: TokenSigner, message_id: UUID, bit: int) -> None:
    import base64

    content = bytearray(base64.urlsafe_b64decode(signer.sign("click", message_id) + "=="))
    content[bit // 8] ^= 1 << bit % 8
    assert signer.verify("click", base64.urlsafe_b64encode(bytes(content)).decode().rstrip("=")) is None


@given(st.text(max_size=80))
def test_no_text_is_a_token(signer: TokenSigner, text: str) -> None:
    assert all(signer.verify(kind, text) is None for kind in KINDS)


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short")
    with pytest.raises(ValueError, match="32 bytes"):
        TokenSigner(tmp_path / "secret").sign("open", uuid4())


@given(
    subject=st.text(max_size=300),
    text=st.text(max_size=2000),
    html=st.text(max_size=2000),
    name=st.text(min_size=1, max_size=50),
)
@settings(max_examples=200)
def test_any_words_come_back_from_the_bytes(subject: str, text: str, html: str, name: str) -> None:
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split()) or "x"
    builder = MailBuilder(sender_name=name, sender_address="shop@kizuna.example")
    content = builder.build(
        message_id=uuid4(), mailbox="a@example.com", subject=subject, text=text, html=html,
        unsubscribe_url="https://d.example/u/x", moment=datetime(2026, 11, 20, tzinfo=UTC),
    )  # fmt: skip
    lines = content.split(b"\r\n")
    assert b"\n" not in content.replace(b"\r\n", b"") and content.endswith(b"\r\n")
    assert not any(line.startswith(b".") or len(line) > 998 for line in lines)
    mail = email.message_from_bytes(content)
    assert set(mail) == {
        "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
        "List-Unsubscribe", "List-Unsubscribe-Post",
    }  # fmt: skip
    plain, markup = list(mail.walk())[1:]
    assert plain.get_payload(decode=True) == text.encode("utf-8", "replace")
    assert markup.get_payload(decode=True) == html.encode("utf-8", "replace")
    modern = email.message_from_bytes(content, policy=email.policy.default)
    if subject.isprintable() and subject.isascii() and "=?" not in subject:
        assert modern["Subject"] == " ".join(subject.split())


def test_a_long_japanese_subject_is_folded() -> None:
    header = encoded_header("春の大感謝祭" * 20)
    assert max(len(line) for line in header.split(b"\r\n")) <= 76
    mail = email.message_from_bytes(b"Subject: " + header + b"\r\n\r\n", policy=email.policy.default)
    assert mail["Subject"] == "春の大感謝祭" * 20


def body(text: str, **changes: Any) -> TemplateBody:
    fields: dict[str, Any] = {
        "subject": "s", "text": text, "html": text,
        "sender_name": "k", "sender_address": "a@example.com", "category": "transactional",
    }  # fmt: skip
    return TemplateBody(**(fields | changes))


def render(text: str, **traits: object) -> str:
    compiled = TemplateCompiler().compile(body(text))
    return compiled.render(traits=traits, variables={}, links={}, unsubscribe_url="u", pixel_url=None).html


@pytest.mark.parametrize(
    "hostile",
    [
        "{% for a in (1..100000000) %}x{% endfor %}",
        "{% for a in (1..9000) %}{% for b in (1..9000) %}x{% endfor %}{% endfor %}",
        "{% for a in (1..9000) %}{% endfor %}" * 100,
        "{% for a in (1..9999) %}" + "{% if 1 %}y{% endif %}" * 4000 + "{% endfor %}",
        "{{ (1..100000000) | join: 'aaaaaaaaaaaaaaaaaaaa' }}",
        "{{ (1..100000000) | reverse | first }}",
        "{% assign s = 'aaaaaaaaaaaaaaaa' %}{% for i in (1..100) %}{% assign s = s | append: s %}{% endfor %}",
        "{% assign s = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' %}" + "{% assign s = s | replace: 'a', s %}" * 5,
        "{% assign n = 9 %}{% for i in (1..100) %}{% assign n = n | times: n %}{% endfor %}{{ n }}",
        "{% capture c %}{% for i in (1..9000) %}" + "a" * 50 + "{% endfor %}{% endcapture %}{{ c }}{{ c }}",
        "{% tablerow a in (1..100000000) %}x{% endtablerow %}",
        "{% for i in (1..9000) %}{{ traits.big | upcase }}{% endfor %}",
    ],
)
def test_hostile_templates_end_soon(hostile: str) -> None:
    started = time.process_time()
    with pytest.raises(TemplateError) as caught:
        render(hostile, big="x" * 30_000)
    assert time.process_time() - started < 3
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize(
    "tag", ["{% include 'a' %}", "{% render 'a' %}", "{{ 'a' | safe }}", "{{ nothing }}", "{% layout 'x' %}"]
)
def test_files_partials_and_unknown_names_are_refused(tag: str) -> None:
    with pytest.raises(TemplateError):
        TemplateCompiler().compile(body(tag))


def test_values_cannot_become_code_or_markup() -> None:
    shown = render("{{ traits.a }}{{ traits.b.__class__ }}{{ traits.c }}", a="{{ sender.name }}<b>", b={"x": 1})
    assert shown == "{{ sender.name }}&lt;b&gt;"


def test_a_broken_filter_says_nothing_about_the_customer() -> None:
    with pytest.raises(TemplateError) as caught:
        render("{{ traits.a | date: traits.b }}{{ traits.a | divided_by: 0 }}", a="hanako@example.com", b="%Y")
    assert "hanako" not in str(caught.value)


def test_only_the_traits_a_template_names_are_asked_for() -> None:
    compiler = TemplateCompiler()
    assert compiler.compile(body("{{ traits.a }}{% if traits.b.c %}{% endif %}")).trait_names == frozenset({"a", "b"})
    assert compiler.compile(body("{{ traits[variables.x] }}")).trait_names is None
    assert compiler.compile(body("{% for t in traits %}{% endfor %}")).trait_names is None
    assert compiler.compile(body("x")).trait_names == frozenset()
