"""Traits as people define them, what sources take back, and why a value won."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository import observations, retractions, sources, trait_definitions, traits
from profile_service.repository.observations import Place
from profile_service.repository.retractions import Retraction
from profile_service.repository.trait_definitions import TraitDefinitionRow, TraitSpecification
from profile_service.repository.traits import Pair
from profile_service.rules.traits import Observation, Policy, Reason, problems_of, why_lost
from profile_service.service.policy import sight_of
from profile_service.service.trait_work import TraitWork
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page
from servicekit.errors import Conflict, Invalid, NotFound
from servicekit.http import check_version
from servicekit.moves import customers_in_motion, hold_moves

_PLAIN = TraitSpecification(type=None, policy="latest", trusted=(), description=None, is_sensitive=False, labels=())
"""A trait without a definition."""

Wake = Callable[[AsyncSession], None]


@dataclass(frozen=True)
class Explanation:
    """What a trait is, by what policy, and what was said of it, newest first, each with why it does not count."""

    value: Any  # any JSON value; None: the customer has no such trait
    policy: Policy
    observations: list[tuple[Observation, Reason | None]]
    has_more: bool


@dataclass(frozen=True)
class WantedRetraction:
    """What a source takes back: of a customer (there perhaps of one event only), or of everybody."""

    name: str
    source_id: str
    customer_id: UUID | None
    event_id: UUID | None
    until: datetime | None
    why: str
    asked_by: str


async def put_definition(
    session: AsyncSession,
    name: str,
    wanted: TraitSpecification,
    *,
    demanded_revision: int | None,
    now: datetime,
    wake: Wake,
) -> tuple[TraitDefinitionRow, bool]:
    """Define a trait, or change its definition; what it is folded to follows for everybody.

    Returns it, and whether it is new. Putting what is there already changes nothing.

    Raises:
        Invalid: parts that do not go together. Forbidden: the asker may not see it.
        PreconditionFailed: somebody edited it meanwhile.
    """
    sight_of(session).check_name("trait", name, field="name")
    problems = problems_of(of_type=wanted.type, policy=wanted.policy, trusted=wanted.trusted)
    if problems:
        raise Invalid("The definition does not fit together; see errors.", errors=problems)
    present = await trait_definitions.lock_definition(session, name)
    check_version(present.revision if present else None, demanded_revision)
    former = present.specification if present else _PLAIN
    if present is None or present.specification != wanted:
        await trait_definitions.put_definition(session, name, wanted, now=now)
    if former.folding != wanted.folding:
        await trait_definitions.request_refolds(session, [name], now=now)
        wake(session)
    return await get_definition(session, name), present is None


async def delete_definition(
    session: AsyncSession, name: str, *, demanded_revision: int | None, now: datetime, wake: Wake
) -> None:
    """Make a trait one like any other: of any type, the latest wins.

    Raises:
        NotFound: it has no definition.
        PreconditionFailed: somebody edited it meanwhile.
    """
    present = await trait_definitions.lock_definition(session, name)
    if present is None or not sight_of(session).sees_trait(name):
        raise _not_defined(name)
    check_version(present.revision, demanded_revision)
    await trait_definitions.delete_definition(session, name)
    if present.specification.folding != _PLAIN.folding:
        await trait_definitions.request_refolds(session, [name], now=now)
        wake(session)


async def get_definition(session: AsyncSession, name: str) -> TraitDefinitionRow:
    """One definition.

    Raises:
        NotFound: the trait has none.
    """
    found = await trait_definitions.find_definition(session, name)
    if found is None or not sight_of(session).sees_trait(name):
        raise _not_defined(name)
    return found


async def list_definitions(session: AsyncSession, *, after: str | None, first: int) -> Page[TraitDefinitionRow]:
    """A page of definitions by name, of those that the asker may see."""
    first_parameter = trait_definitions.VISIBLE_IN_LIST
    visible = sight_of(session).trait_filter(name="d.name", labels="d.labels", first_parameter=first_parameter)
    found = await trait_definitions.list_definitions(session, after=after, limit=first + 1, visible=visible)
    return cut_page(found, first, lambda row: row.name)


def _not_defined(name: str) -> NotFound:
    return NotFound(f"The trait {name} is not defined: any value, and the latest wins.")


async def retract(
    session: AsyncSession, wanted: WantedRetraction, *, work: TraitWork, clock: Clock, wake: Wake
) -> Retraction:
    """Take back what a source said of a trait up to a moment, what arrives later too.

    Of a customer at once; of everybody by a job. A retracted observation is kept, and counts no more.

    Raises:
        Invalid: the source, the event, or a moment to come.
        NotFound: there is no such customer.
        Conflict: the customer is being merged or split right now.
    """
    now = clock.now()
    sight_of(session).check_name("trait", wanted.name, field="name")
    await _check(session, wanted, now=now)
    retraction = Retraction(
        retraction_id=uuid4(),
        name=wanted.name,
        source_id=wanted.source_id,
        is_for_everybody=wanted.customer_id is None,
        until=wanted.until or now,
        why=wanted.why,
        asked_by=wanted.asked_by,
        requested_at=now,
        began_at=None,
        cursor=None,
        retracted=0,
        finished_at=None,
    )
    if wanted.customer_id is None:
        await retractions.add_retraction(session, retraction)
        wake(session)
        return retraction
    return await _retract_of_customer(
        session, replace(retraction, began_at=now, finished_at=now), wanted.customer_id, wanted.event_id, work=work
    )


async def _check(session: AsyncSession, wanted: WantedRetraction, *, now: datetime) -> None:
    if wanted.event_id is not None and wanted.customer_id is None:
        raise Invalid("An event is a customer's: say whose.", field="customer_id")
    if wanted.event_id is not None and wanted.until is not None:
        raise Invalid("An event has its moment: leave one of the two out.", field="until")
    if wanted.until is not None and wanted.until > now:
        raise Invalid("What is to come cannot be taken back.", field="until")
    if not await sources.is_known(session, wanted.source_id):
        raise Invalid(f"There is no source {wanted.source_id}.", field="source_id")


async def _retract_of_customer(
    session: AsyncSession, retraction: Retraction, customer_id: UUID, event_id: UUID | None, *, work: TraitWork
) -> Retraction:
    await hold_moves(session)
    if not await traits.lock_customers(session, [customer_id]):
        raise NotFound(f"There is no customer {customer_id}.")
    if await customers_in_motion(session, [customer_id]):
        raise Conflict("This customer is being merged or split. Try again in a moment.")
    found = await retractions.retract(session, retraction, [customer_id], event_id=event_id)
    if event_id is not None and not found:
        raise Invalid("The source said nothing of this trait by this event, or took it back.", field="event_id")
    retraction = replace(retraction, retracted=found.get(customer_id, 0))
    await retractions.add_retraction(session, retraction)
    if event_id is None:
        await retractions.remember_anchors(session, retraction, customer_id)
    await work.refold(session, retraction.name, [customer_id], reason="event")
    return retraction


async def get_retraction(session: AsyncSession, retraction_id: UUID) -> Retraction:
    """What a source took back, and how far that is.

    Raises:
        NotFound: there is no such retraction.
    """
    found = await retractions.find_retraction(session, retraction_id)
    if found is None or not sight_of(session).sees_trait(found.name):
        raise NotFound(f"There is no retraction {retraction_id}.")
    return found


async def explain(
    session: AsyncSession, customer_ids: Sequence[UUID], names: Sequence[str], *, first: int, before: Place | None
) -> dict[Pair, Explanation]:
    """Why these traits of these customers are what they are; a trait of which nobody said anything is missing."""
    sight = sight_of(session)
    visible = [name for name in dict.fromkeys(names) if sight.sees_trait(name)]
    folds = await observations.folds_of(session, [(customer, name) for customer in customer_ids for name in visible])
    winners = await observations.observations_with(session, {pair: fold.event_id for pair, fold in folds.items()})
    found = await observations.observations_of(session, list(folds), limit=first + 1, before=before)
    said = {pair: found.get(pair, [])[:first] for pair in folds}
    sight.note_read("trait", (each.department for words in said.values() for each in words))
    return {
        pair: Explanation(
            value=fold.value,
            policy=fold.policy,
            observations=[(each, why_lost(each, winners.get(pair), fold.policy)) for each in said[pair]],
            has_more=len(found.get(pair, ())) > first,
        )
        for pair, fold in folds.items()
    }


async def explain_one(
    session: AsyncSession, customer_id: UUID, name: str, *, first: int, before: Place | None
) -> Explanation:
    """Why a customer's trait is what it is.

    Raises:
        NotFound: nobody ever said anything of it.
    """
    explained = await explain(session, [customer_id], [name], first=first, before=before)
    if not explained:
        raise NotFound(f"Nobody said anything of the trait {name} of this customer.")
    return explained[customer_id, name]
