"""Delivery's rules as pure functions.

Addresses, permissions, legal entities, quiet hours, caps, back-off, SMTP replies, redirects.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal, NamedTuple, Self
from unicodedata import normalize
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

ContactChannel = Literal["email", "phone"]
PermissionStatus = Literal["granted", "withdrawn"]
Category = Literal["advertising", "transactional"]
Refusal = Literal["no_permission", "no_contact_point", "legal_entity", "suppressed", "frequency_capped", "template"]

# RFC 5321 section 4.1.2's dot-string in ASCII: what can stand in an SMTP command without quoting or SMTPUTF8
_LOCAL_PART = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}"
_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
_MAILBOX = re.compile(rf"\A{_LOCAL_PART}@{_DOMAIN}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")


def normalise_address(channel: str, value: str) -> str:
    """Return an address as identity writes it: mail lower-cased and trimmed, a phone number in E.164.

    A number without a country is dialled in Japan, as in identity's default normaliser; its trunk 0 goes.

    Raises:
        ValueError: nothing that could be such an address.
    """
    trimmed = value.strip()
    if channel == "phone":
        written = normalize("NFKC", trimmed)
        digits = re.sub(r"[^0-9]", "", written)
        if not 3 <= len(digits) <= 20:
            raise ValueError("A phone number has 3 to 20 digits.")
        if written.startswith("+"):
            return "+" + re.sub(r"^810", "81", digits)
        return "+81" + digits[1:] if re.match(r"0[1-9]", digits) else digits
    address = trimmed.lower()
    if not 3 <= len(address) <= 320 or address.count("@") < 1 or _CONTROL.search(address) or " " in address:
        raise ValueError("A mail address looks like name@example.com.")
    return address


def deliverable_mailbox(address: str) -> str | None:
    """Return the address as SMTP can carry it (a domain in its ASCII form), or None when it cannot."""
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    mailbox = f"{local}@{domain}"
    return mailbox if len(mailbox) <= 254 and _MAILBOX.match(mailbox) else None


def has_control_characters(text: str) -> bool:
    """Tell whether a text could break out of one header line."""
    return _CONTROL.search(text) is not None


@dataclass(frozen=True, slots=True)
class Statement:
    """What was said about an address and a topic, and when."""

    status: PermissionStatus
    recorded_at: datetime


def prevails(new: Statement, current: Statement | None) -> bool:
    """Tell whether a statement replaces the current one: the later wins; at the same instant the withdrawal does."""
    if current is None or new.recorded_at > current.recorded_at:
        return True
    return new.recorded_at == current.recorded_at and new.status == "withdrawn" and current.status == "granted"


def permits(category: Category, status: PermissionStatus | None) -> bool:
    """Advertising needs a recorded opt-in (特定電子メール法 Art. 3); other mail goes unless the customer said no."""
    return status == "granted" if category == "advertising" else status != "withdrawn"


DEFAULT_PURPOSES: dict[Category, str] = {"advertising": "marketing", "transactional": "service"}
"""What mail is sent for when its topic does not say."""


class Use(NamedTuple):
    """Which legal entity writes, and for what."""

    legal_entity: str
    purpose: str


class Grant(NamedTuple):
    """For whom a contact point was brought, and for what. No purposes: for every one; nobody: of the time before."""

    legal_entity: str | None = None
    purposes: tuple[str, ...] = ()


class Permit(NamedTuple):
    """An agreement in force: `to_entity` may use what `from_entity` linked. No purposes: for every purpose."""

    from_entity: str
    to_entity: str
    purposes: tuple[str, ...]


def may_be_used(grants: Iterable[Grant], use: Use | None, permits: Sequence[Permit]) -> bool:
    """Tell whether a contact point serves a use: whether any of those for whom it was brought lets it.

    Use stays within the purposes it was collected for, and another legal entity, also of one group, is a third party
    (個人情報保護法 Art. 18 and 27). Identity's rules.agreements say the same of links. A contact point of the time
    before owners were told, and a topic that names no legal entity, are not restricted.
    """
    return use is None or any(_allows(grant, use, permits) for grant in grants)


def _allows(grant: Grant, use: Use, permits: Sequence[Permit]) -> bool:
    owner = grant.legal_entity
    if owner is None:
        return True
    if not _covers(grant.purposes, use.purpose):
        return False
    return owner == use.legal_entity or any(
        (permit.from_entity, permit.to_entity) == (owner, use.legal_entity) and _covers(permit.purposes, use.purpose)
        for permit in permits
    )


def _covers(purposes: Sequence[str], purpose: str) -> bool:
    return not purposes or purpose in purposes


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A daily span in the customers' zone, possibly over midnight; the start is quiet, the end is not."""

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `21:00-08:00`.

        Raises:
            ValueError: another form, or a span without length.
        """
        match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", text)
        if match is None:
            raise ValueError("Quiet hours are written 21:00-08:00.")
        numbers = [int(part) for part in match.groups()]
        hours = cls(time(numbers[0], numbers[1]), time(numbers[2], numbers[3]))
        if hours.start == hours.end:
            raise ValueError("Quiet hours need a start and another end.")
        return hours

    def until(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when the quiet span around `now` ends, or None when `now` is not inside one."""
        local = now.astimezone(zone)
        moment = local.time()
        over_midnight = self.start > self.end
        inside = moment >= self.start or moment < self.end if over_midnight else self.start <= moment < self.end
        if not inside:
            return None
        day = local.date() + timedelta(days=1) if over_midnight and moment >= self.start else local.date()
        return datetime.combine(day, self.end, zone).astimezone(now.tzinfo)


def backoff(attempts: int) -> timedelta:
    """Return how long to wait after the n-th temporary refusal (n from 1): 1, 4, 16, 64 minutes ... at most 4 hours."""
    return min(timedelta(minutes=4 ** min(attempts - 1, 6)), timedelta(hours=4))


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `messages` in any `days` days (of 24 hours), per customer and topic."""

    messages: int
    days: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is known of a claimed message when it is decided."""

    category: Category | None  # None: there is no such template
    requested_at: datetime
    has_contact_point: bool
    may_be_used: bool  # the contact point, by the topic's legal entity for its purpose
    suppressed: bool
    permission: PermissionStatus | None
    cap: Cap | None
    counted: int  # messages of this topic reserved or sent to this customer inside the cap's days


@dataclass(frozen=True, slots=True)
class Send:
    """Send it now."""


@dataclass(frozen=True, slots=True)
class Defer:
    """Decide again then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Refuse:
    """It will never be sent."""

    reason: Refusal


def decide(
    candidate: Candidate, *, now: datetime, contact_grace: timedelta, quiet_until: datetime | None
) -> Send | Defer | Refuse:
    """Decide what becomes of a claimed message. What the customer said comes before what we configured."""
    if candidate.category is None:
        return Refuse("template")
    if not (candidate.has_contact_point and candidate.may_be_used):  # either may be on its way
        grace_end = candidate.requested_at + contact_grace
        reason: Refusal = "legal_entity" if candidate.has_contact_point else "no_contact_point"
        return Defer(grace_end) if now < grace_end else Refuse(reason)
    if not permits(candidate.category, candidate.permission):
        return Refuse("no_permission")
    if candidate.suppressed:
        return Refuse("suppressed")
    if candidate.cap is not None and candidate.counted >= candidate.cap.messages:
        return Refuse("frequency_capped")
    if quiet_until is not None and candidate.category == "advertising":
        return Defer(quiet_until)
    return Send()


Stage = Literal["sender", "recipient", "content"]
Verdict = Literal["sent", "retry", "hard_bounce", "rejected"]

# RFC 3463: X.1.* and X.2.1 speak of the mailbox itself; X.7.* (policy) and X.2.2 (full) do not mean it is gone
_GONE = re.compile(r"\A5\.(?:1\.[0-9]+|2\.1|0\.0)\b")
_ENHANCED = re.compile(r"\A[245]\.[0-9]{1,3}\.[0-9]{1,3}\b")


def verdict(stage: Stage, code: int, text: str) -> Verdict:
    """Read an SMTP reply: what becomes of the message it refuses or accepts.

    A refused recipient without an enhanced status code (RFC 3463) is taken as gone when the code is 550, 551 or 553.
    """
    if 200 <= code < 300 and stage == "content":
        return "sent"
    if code < 500:
        return "retry"
    if stage != "recipient":
        return "rejected"
    if _ENHANCED.match(text):
        return "hard_bounce" if _GONE.match(text) else "rejected"
    return "hard_bounce" if code in {550, 551, 553} else "rejected"


def web_address(url: str) -> str:
    """Return an absolute http(s) URL that may stand behind a tracked link.

    Raises:
        ValueError: another scheme, no host, credentials, control characters or blanks.
    """
    if len(url) > 2000 or has_control_characters(url) or re.search(r"[\s\\<>\"]", url):
        raise ValueError("A link is an absolute http or https URL without blanks, at most 2000 characters.")
    parts = urlsplit(url)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.username is not None
        or parts.password is not None
    ):
        raise ValueError("A link is an absolute http or https URL without credentials.")
    _ = parts.port  # reading it raises ValueError for a port that is none
    return url


def with_utm(url: str, *, campaign: str | None, content: str) -> str:
    """Add `utm_source`, `utm_medium`, `utm_campaign`, `utm_content` to a URL's query, leaving those it has."""
    parts = urlsplit(url)
    present = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    wanted = {"utm_source": "kizuna", "utm_medium": "email", "utm_campaign": campaign, "utm_content": content}
    added = urlencode([(name, value) for name, value in wanted.items() if value and name not in present])
    return urlunsplit(parts._replace(query="&".join(part for part in (parts.query, added) if part)))


def missing_disclosures(texts: Sequence[str], disclosures: Sequence[str]) -> list[str]:
    """Return the disclosures (sender's name, postal address, opt-out link) that one of the texts does not show.

    特定電子メール法 (Act No. 26 of 2002) Art. 4 and its ordinance Art. 9 want the sender's name, an address to
    opt out at, and the sender's postal address shown in every advertising mail. Blanks and line ends may differ.
    """
    return [wanted for wanted in disclosures if not all(_shows(text, wanted) for text in texts)]


def _shows(text: str, wanted: str) -> bool:
    return wanted in text or "".join(wanted.split()) in "".join(text.split())
