"""Id syncs: what partners say about whose ids belong together, and the events that become of it."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct

from identity_service.rules.identifiers import Namespace, identifier
from identity_service.rules.tracking import DECODE_ERRORS, NO_MOMENT, InvalidBody, Rejected, describe, moment

MAX_LINKS = 1000
MAX_IDENTIFIERS = 20
MAX_PURPOSES = 50
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_HASHABLE_NORMALISERS = frozenset({"email", "phone"})

Said = TypeVar("Said")
Problem = tuple[str, str]
"""The field that is wrong, and what is wrong with it (never its value)."""


class LinkedIdentifier(Struct, forbid_unknown_fields=True, gc=False):
    """An identifier of a link: its value, or the SHA-256 of its value in normal form."""

    namespace: str
    value: str | int | None = None
    sha256: str | None = None


class IdSync(Struct, forbid_unknown_fields=True):
    """One customer's identifiers in several systems."""

    identifiers: list[LinkedIdentifier]
    purposes: list[str] | None = None
    occurred_at: str | None = None


class _Body(Struct, forbid_unknown_fields=True):
    links: list[Raw]


class SourceRules(NamedTuple):
    """What a source may name."""

    normalisers: Mapping[str, str]
    """Configured namespace -> its normaliser."""
    purposes: Sequence[str]
    """Of the source; empty: every purpose."""
    blocked: Mapping[str, Namespace]
    """Configured namespace -> its rules, as far as values may be blocked."""

    def blocks(self, namespace: str, value: Any) -> bool:  # free text of a partner
        """Tell whether a value, in its normal form, identifies nobody."""
        normal = identifier(namespace, value, normaliser=self.normalisers[namespace])
        return normal is not None and self.blocked[namespace].blocks(normal.value)


_body_decoder = msgspec.json.Decoder(_Body)
_id_sync_decoder = msgspec.json.Decoder(IdSync)


def id_sync_events(
    body: bytes, rules: SourceRules, *, webhook_id: str, said_at: datetime
) -> tuple[list[bytes], list[Rejected]]:
    """Return the identify events that a body of links says, and what is wrong with links that say none.

    Raises:
        InvalidBody: not JSON, not `{"links": [...]}`, or more than 1,000 links.
    """
    links = read_list(lambda: _body_decoder.decode(body).links, name="links", most=MAX_LINKS)
    good, rejected = check_each(links, _id_sync_decoder, lambda link: id_sync_problem(link, rules))
    events = [
        id_sync_event(link, message_id=f"id-sync:{webhook_id}:{index}", default_time=said_at)
        for index, link in good.items()
    ]
    return events, rejected


def read_list(decode: Callable[[], list[Raw]], *, name: str, most: int) -> list[Raw]:
    """Split a body into its raw items: `decode` reads it, and `name` is the field that holds them.

    Raises:
        InvalidBody: not JSON, not `{name: [...]}`, or more than `most` items, or none.
    """
    try:
        items = decode()
    except msgspec.ValidationError as error:
        field, detail = describe(error)
        raise InvalidBody(detail, field=field or name) from None
    except DECODE_ERRORS:
        raise InvalidBody("The body is not valid JSON.") from None
    if not 1 <= len(items) <= most:
        raise InvalidBody(f"Between 1 and {most} {name}.", field=name)
    return items


def check_each(
    raws: Sequence[Raw], decoder: msgspec.json.Decoder[Said], problem_of: Callable[[Said], Problem | None]
) -> tuple[dict[int, Said], list[Rejected]]:
    """Decode what a partner says, item by item: the good ones by their index, and what is wrong with the others."""
    good: dict[int, Said] = {}
    rejected: list[Rejected] = []
    for index, raw in enumerate(raws):
        try:
            one = decoder.decode(raw)
        except msgspec.ValidationError as error:
            rejected.append(Rejected(index, *describe(error)))
            continue
        except DECODE_ERRORS:
            rejected.append(Rejected(index, "", "Not valid JSON."))
            continue
        problem = problem_of(one)
        if problem is None:
            good[index] = one
        else:
            rejected.append(Rejected(index, *problem))
    return good, rejected


def id_sync_problem(link: IdSync, rules: SourceRules) -> Problem | None:
    """Say what is wrong with a link, or None."""
    problem = identifiers_problem(link.identifiers, rules, fewest=2, what="link")
    problem = problem or purposes_problem(link.purposes or (), rules)
    if problem is not None:
        return problem
    if link.occurred_at is not None and moment(link.occurred_at) is None:
        return "occurred_at", NO_MOMENT
    return None


def identifiers_problem(
    identifiers: Sequence[LinkedIdentifier], rules: SourceRules, *, fewest: int, what: str
) -> Problem | None:
    """Say what is wrong with the identifiers of something (`what`), or None."""
    if not fewest <= len(identifiers) <= MAX_IDENTIFIERS:
        return "identifiers", f"A {what} has {fewest} to {MAX_IDENTIFIERS} identifiers."
    for position, one in enumerate(identifiers):
        problem = _identifier_problem(one, rules)
        if problem is not None:
            return f"identifiers.{position}.{problem[0]}", problem[1]
    return None


def _identifier_problem(one: LinkedIdentifier, rules: SourceRules) -> Problem | None:
    """Say what is wrong with an identifier, or None."""
    if (one.value is None) == (one.sha256 is None):
        return "value", "Either value or sha256."
    if one.value is not None:
        problem = value_problem(one.namespace, one.value, rules)
        blocked = problem is None and rules.blocks(one.namespace, one.value)
        return ("value", "A blocked value: it identifies nobody.") if blocked else problem
    return digest_problem(one.namespace, one.sha256 or "", rules)


def value_problem(namespace: str, value: Any, rules: SourceRules) -> Problem | None:  # free text of a partner
    """Say why this cannot be an identifier of a configured namespace, or None."""
    problem = namespace_problem(namespace, rules)
    if problem is not None:
        return problem
    if isinstance(value, str) and "\x00" in value:
        return "value", "Text cannot hold the character U+0000."
    if identifier(namespace, value, normaliser=rules.normalisers[namespace]) is None:
        return "value", f"Nothing is left of it in the normal form of {namespace}."
    return None


def digest_problem(namespace: str, sha256: str, rules: SourceRules) -> Problem | None:
    """Say why this cannot be a hashed identifier, or None."""
    problem = namespace_problem(namespace, rules, is_hashed=True)
    if problem is not None:
        return problem
    return None if _SHA256.fullmatch(sha256) else ("sha256", "64 hexadecimal digits.")


def namespace_problem(namespace: str, rules: SourceRules, *, is_hashed: bool = False) -> Problem | None:
    """Say why a partner cannot name a namespace, or None; only what has one known normal form may come hashed."""
    normaliser = rules.normalisers.get(namespace)
    if normaliser is None:
        return "namespace", "This namespace is not configured."
    if is_hashed and normaliser not in _HASHABLE_NORMALISERS:
        return "namespace", "Only namespaces of e-mail addresses and telephone numbers can be hashed."
    return None


def purposes_problem(purposes: Sequence[str], rules: SourceRules) -> Problem | None:
    """Say which purposes are not the source's, or None."""
    if len(purposes) > MAX_PURPOSES:
        return "purposes", f"At most {MAX_PURPOSES} purposes."
    if any(not purpose or "\x00" in purpose or len(purpose) > 63 for purpose in purposes):
        return "purposes", "A purpose has 1 to 63 characters."
    if rules.purposes and not set(purposes) <= set(rules.purposes):
        return "purposes", "Only purposes that the source has itself."
    return None


def id_sync_event(link: IdSync, *, message_id: str, default_time: datetime) -> bytes:
    """Return the identify event that says what a link says."""
    return identify_event(
        message_id=message_id,
        timestamp=link.occurred_at or default_time.isoformat(),
        external_ids=[external_id(one.namespace, value=one.value, sha256=one.sha256) for one in link.identifiers],
        purposes=link.purposes or (),
    )


def external_id(namespace: str, *, value: str | int | None = None, sha256: str | None = None) -> dict[str, Any]:
    """Return an entry of `context.externalIds`."""
    said = {"id": value} if sha256 is None else {"sha256": sha256}
    return {"type": namespace, "collection": "users", **said}


def identify_event(
    *,
    message_id: str,
    timestamp: str,
    external_ids: Sequence[Mapping[str, Any]],
    purposes: Sequence[str],
    **fields: Any,  # further fields of an identify event: userId, traits
) -> bytes:
    """Return an identify event as the event log holds it."""
    context: dict[str, Any] = {"externalIds": external_ids}
    if purposes:
        context["purposes"] = list(purposes)
    event = {"type": "identify", "messageId": message_id, "timestamp": timestamp, **fields, "context": context}
    return msgspec.json.encode(event)
