"""The policy as it is changed, explained, and asked by everything that reads."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import CompiledPredicate, Library, Reference
from profile_service.conditions.asked import Asked, asked_by, trees_of
from profile_service.repository import policy as stored
from profile_service.repository.library import CONDITION, Published, read_published
from profile_service.repository.policy import PolicyRow
from profile_service.rules.policy import (
    EVERYBODY_READS_ALL,
    Caller,
    Decision,
    Effect,
    Kind,
    Origin,
    PolicyDocument,
    Thing,
    View,
)
from servicekit.errors import Forbidden
from servicekit.http import check_version

Count = Callable[[str, str, Iterable[str | None]], None]
"""Takes a reader, a kind, and a giver for each thing read."""

_SIGHT = "sight"
_UNKNOWN = frozenset({Origin()})
_KINDS: dict[str, Kind] = {"segment": "segment", "sign": "sign", "computed": "trait"}
"""What the policy calls a definition that has a name of its own."""
REFUSED = "The policy does not let you read this."


class Sight:
    """What one caller may see, at one request: asked wherever something is read.

    What is drawn from other facts - a segment, a computed trait, a rank - is hidden from whoever may not see one of
    those facts, unless a rule about that very kind allows it. Events whose name a caller may see from some sources only
    count as hidden in sums and conditions: these know no sources. A property of an event that is named like a hidden
    trait is that trait: an identify's properties are what it said of the customer.
    """

    def __init__(
        self,
        view: View,
        *,
        caller: Caller,
        purchase_event: str,
        revenue_property: str,
        labels: Mapping[str, frozenset[str]] | None = None,
        givers: Mapping[str, frozenset[Origin]] | None = None,
        library: Library | None = None,
        signs: Mapping[str, tuple[BaseModel, ...]] | None = None,
        unused_segments: Mapping[str, tuple[BaseModel, ...]] | None = None,
        count: Count | None = None,
    ) -> None:
        self.caller = caller
        self._count = count
        self._view = view
        self._purchase_event = purchase_event
        self._revenue_property = revenue_property
        self._labels = labels or {}
        self._givers = givers or {}
        self._library = library or Library()
        self._signs = signs or {}
        self._unused_segments = unused_segments or {}
        self._memo: dict[Reference, bool] = {}

    @property
    def is_whole(self) -> bool:
        """Whether nothing is hidden."""
        return self._view.is_whole

    def note_read(self, kind: Kind, givers: Iterable[str | None]) -> None:
        """Count that the caller was given things of a kind, one for each department that gave it (None: not known)."""
        if self._count is not None:
            self._count(self.caller.label, kind, givers)

    def restricts(self, kind: Kind) -> bool:
        """Whether things of a kind may be hidden: what an answer says as `withheld`, whomever it is about."""
        if kind == "segment":  # may be drawn from anything
            return not self.is_whole
        return self._view.restricts(kind)

    def sees_trait(self, name: str) -> bool:
        """Whether a folded trait, its definition and what was said of it may be read."""
        return self.decide("trait", name).effect == "allow"

    def decide(self, kind: Kind, name: str, origin: Origin = Origin()) -> Decision:
        """What the rules say of a thing by itself."""
        labels = self._labels.get(name, frozenset()) if kind == "trait" else frozenset()
        return self._view.decide(Thing(kind, name, labels=labels, origin=origin))

    def sees_event(self, name: str) -> bool:
        """Whether all events of a name may be read, whatever source has ever given such."""
        return all(self.decide("event", name, each).effect == "allow" for each in self._givers.get(name, _UNKNOWN))

    def sees_some_event(self, name: str) -> bool:
        """Whether events of a name may be read from some source."""
        return any(self.decide("event", name, each).effect == "allow" for each in self._givers.get(name, _UNKNOWN))

    def visible_properties(self, properties: dict[str, Any]) -> dict[str, Any]:
        """An event's properties without those that are hidden traits."""
        if not self._view.restricts("trait"):
            return properties
        return {name: value for name, value in properties.items() if self.sees_trait(name)}

    def sees_purchases(self) -> bool:
        """Whether sums of purchases may be read: these events, and the property that they are sums of."""
        return self.sees_event(self._purchase_event) and self.sees_trait(self._revenue_property)

    def sees_relation(self, relation: str) -> bool:
        """Whether dates of so related persons may be read, for the purpose they were given for."""
        return self.decide("relation", relation).effect == "allow"

    def check_purpose(self, purpose: str, *, field: str) -> None:
        """Refuse a purpose that the token does not allow.

        Raises:
            Forbidden: with the field.
        """
        if self.caller.allowed_purposes and purpose not in self.caller.allowed_purposes:
            raise Forbidden("The token does not allow this purpose.", field=field)

    def sees_sign(self, key: str) -> bool:
        """Whether a sign may be read: by a rule about signs, else whoever sees what its condition asks for."""
        return self.sees_definition(("sign", key))

    def sees_segment(self, key: str, *, unpublished: dict[str, Any] | None = None) -> bool:
        """Whether a segment may be read; its condition is given where it is not among what is published."""
        if self.is_whole or unpublished is None:
            return self.sees_definition(("segment", key))
        return self._sees_drawn(self.decide("segment", key), (CONDITION.validate_python(unpublished),))

    def sees_condition(self, tree: dict[str, Any]) -> bool:
        """Whether a condition as it is stored may be read: it names only what may be read."""
        return self.is_whole or self.sees_tree(CONDITION.validate_python(tree))

    def check_name(self, kind: Kind, name: str, *, field: str) -> None:
        """Refuse to write what may not be read.

        Raises:
            Forbidden: with the field.
        """
        if self.decide(kind, name).effect == "deny":
            raise Forbidden(REFUSED, field=field)

    def sees_definition(self, reference: Reference) -> bool:
        """Whether a segment, a sign, a computed trait, the ranks of a table or the lifecycle may be read."""
        if self.is_whole:
            return True
        if reference not in self._memo:
            self._memo[reference] = True  # a way back to itself hides nothing
            kind, key = reference
            trees = self._signs.get(key, ()) if kind == "sign" else trees_of(self._library, reference)
            if kind == "segment" and not trees:  # what was made of it while it was in use is as hidden as then
                trees = self._unused_segments.get(key, ())
            decision = Decision("allow", None, None)
            if kind in _KINDS:
                decision = self.decide(_KINDS[kind], key)
            self._memo[reference] = self._sees_drawn(decision, trees)
        return self._memo[reference]

    def _sees_drawn(self, decision: Decision, trees: Iterable[BaseModel]) -> bool:
        if decision.effect == "deny" or decision.is_about_kind:
            return decision.effect == "allow"
        return all(self.sees_tree(tree) for tree in trees)

    def sees_named(self, kind: Kind, name: str) -> bool:
        """Whether what it is drawn from may be read, too; a computed trait is a trait to the policy."""
        if kind == "segment":
            return self.sees_segment(name)
        if kind == "sign":
            return self.sees_sign(name)
        return kind != "trait" or name not in self._library.computed or self.sees_definition(("computed", name))

    def sees_tree(self, tree: BaseModel) -> bool:
        """Whether all that a condition or Value asks for may be read."""
        return self.is_whole or self.hidden_in(tree, "") is None

    def hidden_in(self, tree: BaseModel, path: str) -> str | None:
        """Where a condition or Value asks for what may not be read: the path of the first such name."""
        if self.is_whole:
            return None
        return next((each.path for each in asked_by(tree, path) if not self._sees(each)), None)

    def _sees(self, asked: Asked) -> bool:
        match asked.kind:
            case "trait" | "property":
                return self.sees_trait(asked.name)
            case "event":
                return self.sees_event(asked.name)
            case "relation":
                return self.sees_relation(asked.name)
            case "purpose":
                return True  # what the policy says of purposes is about who asks
            case "purchases" if asked.reference is None or not trees_of(self._library, asked.reference):
                return self.sees_purchases()
        return asked.reference is None or self.sees_definition(asked.reference)

    def check_tree(self, tree: BaseModel, path: str) -> None:
        """Refuse a condition or Value that would tell of what may not be read.

        Raises:
            Forbidden: with the path in the tree.
        """
        for asked in asked_by(tree, path) if self.caller.allowed_purposes else ():
            if asked.kind == "purpose":
                self.check_purpose(asked.name, field=asked.path)
        hidden = self.hidden_in(tree, path)
        if hidden is not None:
            raise Forbidden(REFUSED, field=hidden)

    def event_filter(self, *, alias: str, first_parameter: int) -> CompiledPredicate | None:
        """Which rows of `events` may be read; None: all of them."""
        if not self._view.restricts("event"):
            return None
        return stored.visible_events(self._view, alias=alias, first_parameter=first_parameter)

    def trait_filter(self, *, name: str, labels: str, first_parameter: int) -> CompiledPredicate | None:
        """Which traits may be read, in SQL; None: all of them."""
        if not self._view.restricts("trait"):
            return None
        return stored.visible_traits(self._view, name=name, labels=labels, first_parameter=first_parameter)


_EVERYTHING = Sight(View(EVERYBODY_READS_ALL, Caller()), caller=Caller(), purchase_event="", revenue_property="")


def sight_of(session: AsyncSession) -> Sight:
    """What whoever asks in this transaction may see; profile's own work sees everything."""
    found = session.info.get(_SIGHT, _EVERYTHING)
    assert isinstance(found, Sight)
    return found


@dataclass
class PolicyKeeper:
    """Gives each request its Sight: one question for the version, more only for those from whom something is hidden."""

    purchase_event: str
    revenue_property: str
    count: Count | None = None
    """Takes who was given what by whom."""
    _known: tuple[int, PolicyDocument] = (0, EVERYBODY_READS_ALL)
    _published: Published = field(default_factory=Published)

    async def look(self, session: AsyncSession, caller: Caller) -> Sight:
        """Find out what a caller may see, for as long as this transaction lasts."""
        policy, _ = await self.present(session)
        sight = await self.sight(session, policy, caller)
        session.info[_SIGHT] = sight
        return sight

    async def present(self, session: AsyncSession) -> tuple[PolicyDocument, int]:
        """The policy that holds and its version."""
        version = await stored.present_version(session)
        if version != self._known[0]:
            row = await stored.get_version(session, version)
            document = EVERYBODY_READS_ALL if row is None else PolicyDocument.model_validate(row.document)
            self._known = (version, document)
        return self._known[1], self._known[0]

    async def sight(self, session: AsyncSession, policy: PolicyDocument, caller: Caller) -> Sight:
        """What a caller may see by a policy."""
        view = View(policy, caller)
        if view.is_whole:
            return Sight(
                view,
                caller=caller,
                purchase_event=self.purchase_event,
                revenue_property=self.revenue_property,
                count=self.count,
            )
        self._published = await read_published(session, known=self._published)
        signs = {key: _parsed(tree) for key, tree in (await stored.list_sign_conditions(session)).items()}
        unused = {key: _parsed(tree) for key, tree in (await stored.list_unused_segment_conditions(session)).items()}
        return Sight(
            view,
            caller=caller,
            purchase_event=self.purchase_event,
            revenue_property=self.revenue_property,
            labels=await stored.list_labels(session),
            givers=await stored.list_givers(session) if view.asks_for_origins else {},
            library=self._published.library,
            signs=signs,
            unused_segments=unused,
            count=self.count,
        )


@lru_cache(maxsize=2000)
def _parsed(tree: str) -> tuple[BaseModel, ...]:
    return (CONDITION.validate_json(tree),)


async def put_policy(
    session: AsyncSession,
    document: PolicyDocument,
    *,
    why: str,
    changed_by: str,
    demanded_version: int | None,
    now: datetime,
) -> tuple[PolicyRow, bool]:
    """Make this the policy from now on; returns it, and whether it is the first. Putting what holds changes nothing.

    Raises:
        PreconditionFailed: somebody changed it meanwhile.
    """
    await stored.lock_policy(session)
    present = await stored.present_version(session)
    check_version(present, demanded_version)
    row = await stored.get_version(session, present)
    content = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    if row is None or row.document != content:
        row = PolicyRow(present + 1, content, now, changed_by, why)
        await stored.insert_version(session, row)
    return row, present == 0


@dataclass(frozen=True)
class Explained:
    """Whether a caller may read a thing, and what decides."""

    effect: Effect
    because: Literal["rule", "default", "drawn_from"]
    """`rule`, `default`, or `drawn_from`: something it is drawn from is hidden."""
    decision: Decision


def explain(sight: Sight, kind: Kind, name: str, origin: Origin) -> Explained:
    """Say what a caller may see of a thing, and why."""
    decision = sight.decide(kind, name, origin)
    if decision.effect == "allow" and not sight.sees_named(kind, name):
        return Explained("deny", "drawn_from", decision)
    return Explained(decision.effect, "default" if decision.rule is None else "rule", decision)
