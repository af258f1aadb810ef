"""E-mail addresses.

By default only what every mail system treats alike is folded: blanks around, width, case, the writing of the domain.
RFC 5321 2.4 leaves the local part to its host, so dots and `+tags` stay: two persons may have `a.b@` and `ab@` at one
company. Case of the local part is folded all the same, as no known provider tells addresses apart by it. Domains are
compared in their ASCII form (IDNA 2008 with the mapping of Unicode TS #46), the form that mail servers exchange.
"""

import re

from identity_service.rules.normalisation.text import lower

MAX_LENGTH = 512
_ADDRESS = re.compile(r"[^\s@][^\s]*@[^\s@]+|[^\s@]@[^\s@]+")
_GMAIL_DOMAINS = frozenset({"gmail.com", "googlemail.com"})


def email_value(value: object) -> str | None:
    """Return an e-mail address trimmed, NFKC, in lower case, its domain in ASCII; None when it is not one."""
    if not isinstance(value, str) or len(value) > 2 * MAX_LENGTH:
        return None
    text = lower(value)
    if len(text) > MAX_LENGTH or not _ADDRESS.fullmatch(text):
        return None
    local, _, domain = text.rpartition("@")
    ascii_domain = _ascii_domain(domain)
    return f"{local}@{ascii_domain}" if ascii_domain else None


def email_gmail_value(value: object) -> str | None:
    """As `email_value`; in Gmail's own domains also without dots and `+tag`, as `gmail.com`. To be chosen by name.

    Source: Gmail Help, "Dots don't matter in Gmail addresses" and "Use Gmail aliases".
    """
    text = email_value(value)
    if text is None:
        return None
    local, _, domain = text.rpartition("@")
    if domain not in _GMAIL_DOMAINS:
        return text
    folded = local.partition("+")[0].replace(".", "")
    return f"{folded}@gmail.com" if folded else text


def email_plus_tag_value(value: object) -> str | None:
    """As `email_value`, without a `+tag` (RFC 5233 subaddress) at any domain. To be chosen by name."""
    text = email_value(value)
    if text is None:
        return None
    local, _, domain = text.rpartition("@")
    folded = local.partition("+")[0]
    return f"{folded}@{domain}" if folded else text


def _ascii_domain(domain: str) -> str | None:
    """Return a domain in ASCII, without a final dot; None when it cannot be one."""
    if domain.isascii():
        return domain.removesuffix(".") or None
    import idna

    try:
        return idna.encode(domain.removesuffix("."), uts46=True).decode("ascii") or None
    except (idna.IDNAError, UnicodeError, ValueError):
        return None
