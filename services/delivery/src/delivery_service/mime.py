"""The mail as bytes: what a template fixes is built once, each message only fills the gaps.

Python's `EmailMessage` builds some 800 mails a second on one core; this some tens of thousands.
"""

import base64
from datetime import datetime
from email.utils import format_datetime
from uuid import UUID

_BOUNDARY = b"=_kizuna_alternative"  # base64 holds no underscore, so no body can contain it
_LINE = 76


def encoded_header(text: str) -> bytes:
    """Return a header's text, as it is when short ASCII, else as RFC 2047 encoded words of at most 75 characters.

    Control characters become blanks: a trait's value cannot start a header of its own.
    """
    clean = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    if clean.isascii() and len(clean) <= 200 and "=?" not in clean:
        return clean.encode("ascii")
    words: list[bytes] = []
    chunk = b""
    for character in clean:
        octets = character.encode("utf-8", "replace")
        if len(chunk) + len(octets) > 45:
            words.append(chunk)
            chunk = b""
        chunk += octets
    words.append(chunk)
    return b"\r\n ".join(b"=?utf-8?b?" + base64.b64encode(word) + b"?=" for word in words)


def sender_header(name: str, address: str) -> bytes:
    """Return the value of `From`: a display name and a mailbox."""
    if name.isascii():
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{address}>'.encode("ascii")
    return encoded_header(name) + f"\r\n <{address}>".encode("ascii")


def wrapped_base64(text: str) -> bytes:
    """Return UTF-8 text as base64 in lines of 76 characters: none is too long, none starts with a dot."""
    encoded = base64.b64encode(text.encode("utf-8", "replace"))
    return b"\r\n".join(encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE))


class MailBuilder:
    """Builds the mails of one template version."""

    def __init__(self, *, sender_name: str, sender_address: str) -> None:
        self.envelope_sender = sender_address
        self._domain = sender_address.rpartition("@")[2].encode("ascii")
        self._fixed = b"".join(
            (
                b"From: " + sender_header(sender_name, sender_address) + b"\r\n",
                b"MIME-Version: 1.0\r\n",
                b'Content-Type: multipart/alternative; boundary="' + _BOUNDARY + b'"\r\n',
            )
        )

    def build(
        self,
        *,
        message_id: UUID,
        mailbox: str,
        subject: str,
        text: str,
        html: str,
        unsubscribe_url: str | None,
        moment: datetime,
    ) -> bytes:
        """Return the mail with CRLF line ends, without the final dot; `unsubscribe_url` adds RFC 8058's headers."""
        head = [
            self._fixed,
            b"To: " + mailbox.encode("ascii") + b"\r\n",
            b"Subject: " + encoded_header(subject) + b"\r\n",
            b"Date: " + format_datetime(moment).encode("ascii") + b"\r\n",
            b"Message-ID: <" + message_id.hex.encode("ascii") + b"@" + self._domain + b">\r\n",
        ]
        if unsubscribe_url is not None:
            head.append(b"List-Unsubscribe: <" + unsubscribe_url.encode("ascii") + b">\r\n")
            head.append(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
        parts = b"".join(_part(subtype, content) for subtype, content in ((b"plain", text), (b"html", html)))
        return b"".join(head) + b"\r\n" + parts + b"--" + _BOUNDARY + b"--\r\n"


def _part(subtype: bytes, content: str) -> bytes:
    return b"".join(
        (
            b"--" + _BOUNDARY + b"\r\n",
            b"Content-Type: text/" + subtype + b"; charset=utf-8\r\n",
            b"Content-Transfer-Encoding: base64\r\n\r\n",
            wrapped_base64(content),
            b"\r\n",
        )
    )
