"""Which of its identifiers an event may be resolved by: for whom it speaks, and in which form they are known."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from identity_service.rules.agreements import Agreements
from identity_service.rules.identifiers import Identifier, Namespaces
from identity_service.rules.resolution import NOT_PERMITTED, UNVERIFIED, Graph

USER_ID, ANONYMOUS_ID = "user_id", "anonymous_id"

Refused = tuple[Identifier, str]
"""An identifier that an event may not be resolved by, and the reason."""


class EventSource(NamedTuple):
    """What resolution needs to know of the source of an event."""

    source_id: str
    legal_entity: str | None = None
    purposes: tuple[str, ...] = ()
    trusted_namespaces: frozenset[str] = frozenset()


class Permissions:
    """Who may use identifiers of restricted namespaces: those who brought them, and others under an agreement."""

    def __init__(self, owners: Mapping[Identifier, Iterable[str]], agreements: Agreements) -> None:
        self._owners = {name: set(entities) for name, entities in owners.items()}
        self._agreements = agreements

    def owns(self, name: Identifier, legal_entity: str) -> bool:
        """Tell whether a legal entity brought an identifier; nobody's becomes its own."""
        return legal_entity in self._owners.setdefault(name, {legal_entity})

    def may_borrow(self, name: Identifier, legal_entity: str) -> bool:
        """Tell whether an agreement lets a legal entity use what others brought."""
        return any(self._agreements.allows(owner, legal_entity) for owner in self._owners.get(name, ()))


class Admission:
    """Decides it, event by event, in their order."""

    def __init__(
        self,
        graph: Graph,
        *,
        namespaces: Namespaces,
        permissions: Permissions,
        plain_forms: Mapping[Identifier, Identifier],
    ) -> None:
        self._graph = graph
        self._namespaces = namespaces
        self._permissions = permissions
        self._plain_forms = plain_forms
        """Hashed form -> the identifier in plain, which may be known or not."""
        self._hashed_forms = {plain: hashed for hashed, plain in plain_forms.items()}

    @property
    def is_needed(self) -> bool:
        """False when every identifier is admitted as it is, as in most batches."""
        return self._namespaces.has_conditions or bool(self._plain_forms)

    def admit(self, names: Sequence[Identifier], source: EventSource) -> tuple[list[Identifier], list[Refused]]:
        """Return (identifiers in the form they are known by, the strongest first; refused ones)."""
        kept, refused = list(names), []
        if any(name in self._plain_forms or name in self._hashed_forms for name in names):
            kept = self._in_known_form(kept)
        if self._namespaces.has_conditions:
            refused = [(name, reason) for name in kept if (reason := self._refusal(name, source)) is not None]
            kept = [name for name in kept if name not in {one for one, _ in refused}]
        return kept, refused

    def _in_known_form(self, names: Sequence[Identifier]) -> list[Identifier]:
        """A hashed value is its plain one once that is known; a new plain one brings its known hashed form along."""
        known: list[Identifier] = []
        for name in names:
            plain = self._plain_forms.get(name)
            known.append(name if plain is None or self._graph.anchor_of(plain) is None else plain)
            hashed = self._hashed_forms.get(name)
            is_new = hashed is not None and self._graph.anchor_of(name) is None
            if hashed is not None and is_new and self._graph.anchor_of(hashed) is not None:
                known.append(hashed)
        return self._namespaces.usable(known)

    def _refusal(self, name: Identifier, source: EventSource) -> str | None:
        rules = self._namespaces[name.namespace]
        if rules.verified_only and name.namespace not in source.trusted_namespaces:
            return UNVERIFIED
        legal_entity = source.legal_entity or ""
        if rules.is_restricted and not self._permissions.owns(name, legal_entity):
            if not self._permissions.may_borrow(name, legal_entity):
                return NOT_PERMITTED
            self._graph.borrowed.add((name, source.source_id))
        return None

    def alias(
        self, names: Sequence[Identifier], previous: str, source: EventSource
    ) -> tuple[list[Identifier], Identifier | None, list[Refused]]:
        """Take in the previous id of an alias event: (identifiers, the superseded one, refused ones).

        It is looked up as a user id, then as an anonymous one. That one user id replaces another is believed only of a
        source that verifies user ids.
        """
        as_user = Identifier(USER_ID, previous)
        if as_user in names:
            return list(names), None, []
        if self._graph.anchor_of(as_user) is None:
            return self._namespaces.usable([*names, Identifier(ANONYMOUS_ID, previous)]), None, []
        if not any(name.namespace == USER_ID for name in names):
            return self._namespaces.usable([*names, as_user]), None, []
        if USER_ID not in source.trusted_namespaces:
            return list(names), None, [(as_user, UNVERIFIED)]
        return self._namespaces.usable([*names, as_user]), as_user, []


def aliased_names(previous: str) -> tuple[Identifier, Identifier]:
    """Return what the previous id of an alias event may be."""
    return Identifier(USER_ID, previous), Identifier(ANONYMOUS_ID, previous)


def owners_by_name(rows: Iterable[tuple[UUID, str]], names: Mapping[UUID, Identifier]) -> dict[Identifier, set[str]]:
    """Return who brought each identifier, from (anchor, legal entity)."""
    owners: dict[Identifier, set[str]] = {}
    for anchor_id, legal_entity in rows:
        owners.setdefault(names[anchor_id], set()).add(legal_entity)
    return owners
