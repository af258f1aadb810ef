"""What definitions refer to: conditions are checked with it, and whoever refers to what changes is evaluated anew."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, get_args
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Condition, StaticListCondition, Value
from profile_service.conditions import (
    LIFECYCLE,
    Expression,
    Library,
    Predicate,
    Reference,
    check_condition,
    check_value,
    dependents_of,
    expand,
    expand_value,
    references_of,
)
from profile_service.conditions.asked import trees_of
from profile_service.conditions.expanding import Circle
from profile_service.conditions.library import Tree
from profile_service.conditions.reading import walk_tree
from profile_service.repository import segments, signs
from profile_service.repository.backfills import LIFECYCLE_STATES, RANKS, request_backfill
from profile_service.repository.library import CONDITION, VALUE, Published, read_library, read_published
from profile_service.service.policy import sight_of
from servicekit.errors import Conflict, Invalid

OF_RANKS: Reference = ("ranks", "default")
_VALUES = get_args(get_args(Value)[0])
"""The kinds of Value; a condition may have a `kind` of the same name."""

_Trees = Mapping[Reference, tuple[Tree, ...]]


@dataclass(frozen=True)
class References:
    """Who refers to whom."""

    subjects: Mapping[Reference, str]
    """What a backfill of each is called."""
    published: _Trees
    edited: _Trees
    expected: Mapping[Reference, set[Reference]]
    """The signs that should follow a sign. Not asked for in its condition: it is not evaluated anew for them."""

    @classmethod
    async def read(cls, session: AsyncSession) -> Self:
        """As it stands; what is archived refers to nothing."""
        living = [row for row in await segments.list_segments(session) if row.archived_at is None]
        living_signs = [row for row in await signs.list_signs(session) if row.archived_at is None]
        published = await read_published(session, known=Published())
        library = published.library
        followed = {LIFECYCLE: LIFECYCLE_STATES} if published.lifecycle_version else {}
        return cls(
            subjects={of_segment(row.key): str(row.segment_id) for row in living}
            | {of_sign(row.key): signs.subject_of(row.sign_id) for row in living_signs}
            | {OF_RANKS: RANKS}
            | followed,
            published={of_segment(row.key): _parsed(row.published_condition) for row in living}
            | {of_sign(row.key): _parsed(row.published and row.published["condition"]) for row in living_signs}
            | _trees_beside(library),
            edited={of_segment(row.key): _parsed(row.condition) for row in living}
            | {of_sign(row.key): _parsed(row.edited["condition"]) for row in living_signs},
            expected={of_sign(row.key): _expected(row) for row in living_signs},
        )

    def direct_referrers(self, reference: Reference) -> list[str]:
        """The keys of who names a definition, as edited or as published."""
        found = {
            own
            for trees_by_own in (self.published, self.edited)
            for own, trees in trees_by_own.items()
            if any(reference in references_of(tree) for tree in trees)
        } | {own for own, expected in self.expected.items() if reference in expected}
        return sorted(" ".join(own) for own in found)

    def check_dependents(self, reference: Reference, library: Library, *, is_told: bool) -> None:
        """Refuse a change that leaves somebody who refers to it, directly or through others, without a meaning.

        Raises:
            Invalid: who that is and why, where that may be told.
        """
        for own in sorted(dependents_of(reference, dict(self.published))):
            for tree in self.published[own]:
                try:
                    _expand_any(tree, library, own)
                except Invalid as refusal:
                    said = f"{' '.join(own)} refers to it and would not hold: {refusal.detail}"
                    raise Invalid(said if is_told else "Something that refers to it would not hold any more.") from None

    def subjects_that_reach(self, reference: Reference) -> set[str]:
        """Backfill subjects of the published definitions that name a definition, directly or through others."""
        return {self.subjects[each] for each in dependents_of(reference, dict(self.published)) if each in self.subjects}


def _trees_beside(library: Library) -> dict[Reference, tuple[Tree, ...]]:
    """What is published beside segments and signs."""
    others: list[Reference] = [OF_RANKS, LIFECYCLE, *(("computed", key) for key in library.computed)]
    measured: dict[Reference, tuple[Tree, ...]] = {("cuts", key): (cuts.value,) for key, cuts in library.cuts.items()}
    return {own: trees_of(library, own) for own in others} | measured


def _expand_any(tree: Tree, library: Library, own: Reference) -> None:
    if isinstance(tree, _VALUES):
        expand_value(VALUE.validate_python(tree), library, own=own)
    else:
        expand(CONDITION.validate_python(tree), library, own=own)


def of_segment(key: str) -> Reference:
    """A segment as something to refer to."""
    return ("segment", key)


def of_sign(key: str) -> Reference:
    """A sign as something to refer to."""
    return ("sign", key)


def _expected(sign: signs.SignRow) -> set[Reference]:
    """Other signs: that it becomes true again may be expected of any."""
    outcomes = [definition["outcome"] for definition in (sign.edited, sign.published) if definition is not None]
    return {of_sign(outcome["sign"]) for outcome in outcomes if outcome is not None and "sign" in outcome} - {
        of_sign(sign.key)
    }


def _parsed(tree: dict[str, Any] | None) -> tuple[Condition, ...]:
    return () if tree is None else (CONDITION.validate_python(tree),)


def list_condition(segment_id: UUID) -> dict[str, Any]:
    """The condition of a static list: to be on it."""
    return {"kind": "static_list", "segment_id": str(segment_id)}


def as_json(condition: Condition) -> dict[str, Any]:
    """The tree as it is stored: JSON with what is left out at its default."""
    tree: dict[str, Any] = CONDITION.dump_python(condition, mode="json")
    return tree


async def resolve_value(
    session: AsyncSession, value: Value | dict[str, Any], *, own: Reference | None, field: str = "value"
) -> Expression:
    """The same for a Value; raises as `resolve`."""
    parsed = VALUE.validate_python(value)
    check_value(parsed, field=field)
    sight_of(session).check_tree(parsed, field)
    if any(isinstance(node, StaticListCondition) for node in walk_tree(parsed)):
        raise Invalid('Name a static list by its key: {"kind": "segment", "segment": ...}.', field=field)
    library = await read_library(session)
    with _naming_nobody_hidden(session):
        return expand_value(parsed, library, field=field, own=own)


async def follow_change(session: AsyncSession, reference: Reference, *, now: datetime) -> None:
    """After a definition was written: see that all that refers to it still means something, and evaluate it anew.

    Raises:
        Invalid: something would mean nothing any more.
    """
    references = await References.read(session)
    library, is_told = await read_library(session), sight_of(session).is_whole
    references.check_dependents(reference, library, is_told=is_told)
    await evaluate_referrers(session, reference, now=now, references=references)


async def check_unreferred(session: AsyncSession, reference: Reference) -> None:
    """Refuse to take out of use what others refer to.

    Raises:
        Conflict: naming them; to whoever may not see everything, how many they are.
    """
    referrers = (await References.read(session)).direct_referrers(reference)
    if referrers:
        named = ", ".join(referrers) if sight_of(session).is_whole else f"{len(referrers)} definitions"
        raise Conflict(f"It is referred to by {named}: change or archive those first.")


async def evaluate_referrers(
    session: AsyncSession, reference: Reference, *, now: datetime, references: References | None = None
) -> None:
    """Evaluate everybody anew for all that refers to a definition, directly or through others."""
    references = references or await References.read(session)
    for subject in sorted(references.subjects_that_reach(reference)):
        await request_backfill(session, subject, reason="definition", now=now)


async def resolve(
    session: AsyncSession, condition: Condition | dict[str, Any], *, own: Reference | None, field: str = "condition"
) -> Predicate:
    """Check a condition and put what is published in the place of what it refers to.

    `own` is the definition it is of, None for one that nothing can refer to.

    Raises:
        Invalid: the condition; something that is not there, not published or archived; a way back to the definition.
            With the path in the tree.
        Forbidden: it asks for what the asker may not see, with the path.
    """
    parsed = CONDITION.validate_python(condition)
    check_condition(parsed, field=field)
    sight_of(session).check_tree(parsed, field)
    if any(isinstance(node, StaticListCondition) for node in walk_tree(parsed)):
        raise Invalid('Name a static list by its key: {"kind": "segment", "segment": ...}.', field=field)
    library = await read_library(session)
    with _naming_nobody_hidden(session):
        return expand(parsed, library, field=field, own=own)


@contextmanager
def _naming_nobody_hidden(session: AsyncSession) -> Iterator[None]:
    """A circle is told by its members only to whoever may see everything."""
    try:
        yield
    except Circle as refusal:
        if sight_of(session).is_whole:
            raise
        said = "A definition may not refer to itself, also not through others."
        raise Invalid(said, field=refusal.errors[0][0]) from None
