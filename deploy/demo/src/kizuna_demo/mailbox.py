"""The mailbox as its owners see it: who got which mail, and where the links in it lead."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape

from kizuna_demo.platform import Platform

PAGE = 1000
_COUPON = re.compile(r"\bBACK-[0-9A-Z]{12}\b")
_ADDRESS = re.compile(r'(?:href|src)="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that arrived; `number` counts up from 1."""

    number: int
    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a mail's HTML holds: addresses by what they are for, and the coupon's code."""

    pixels: tuple[str, ...]
    tracked: tuple[str, ...]
    forms: tuple[str, ...]
    coupon: str | None


class Mailbox:
    """Reads mails in the order they arrived, each once."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._address = platform.credentials.mailbox.rstrip("/")
        self._after = 0

    async def new_mails(self) -> AsyncIterator[Mail]:
        """Everything that arrived since the last call."""
        while True:
            page = await self._platform.ask("GET", f"{self._address}/messages?after={self._after}&limit={PAGE}")
            for message in page["messages"]:
                self._after = message["id"]
                for recipient in message["recipients"]:
                    yield Mail(number=message["id"], sender=message["sender"], recipient=recipient)
            if len(page["messages"]) < PAGE:
                return

    async def open(self, mail: Mail) -> Content:
        """Read a mail."""
        message = await self._platform.ask("GET", f"{self._address}/messages/{mail.number}")
        return read_content(message["html"])


def read_content(html: str) -> Content:
    """Sort the addresses in a mail: delivery's pixel and tracked links, survey's personal forms."""
    addresses = [unescape(address) for address in _ADDRESS.findall(html)]
    coupon = _COUPON.search(html)
    return Content(
        pixels=tuple(address for address in addresses if "/o/" in address),
        tracked=tuple(address for address in addresses if "/c/" in address),
        forms=tuple(address for address in addresses if "/f/" in address),
        coupon=coupon[0] if coupon else None,
    )
