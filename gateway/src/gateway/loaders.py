"""Loaders: within one operation every service is asked once per level, however many customers and fields need it.

A `Loaders` belongs to ONE operation of ONE caller (and, in a subscription, to one update). It carries the caller's
token, so it must never be shared: a loader that outlives its request would show one caller what another was allowed
to see.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol, TypeVar

from strawberry.dataloader import DataLoader

from gateway.answers.campaign import JourneysAnswer, JourneysOfCustomer, ResultsRow
from gateway.answers.computed import ComputedTraitListAnswer
from gateway.answers.decisions import DecisionsAnswer, DecisionsOfCustomer
from gateway.answers.delivery import MessagesAnswer, MessagesOfCustomer, PermissionsAnswer, PermissionsOfCustomer
from gateway.answers.identity import (
    GraphOfCustomer,
    GraphsAnswer,
    IdentityAnswer,
    IdentityOfCustomer,
    LookupAnswer,
)
from gateway.answers.linking import CandidateWithHistory
from gateway.answers.profile import ProfileAnswer, ProfileOfCustomer, TimelineAnswer, TimelineOfCustomer
from gateway.answers.relations import RelationsAnswer, RelationsOfCustomer
from gateway.answers.remarks import RemarksAnswer, RemarksOfCustomer
from gateway.answers.schedules import NextCategoriesAnswer, NextCategoriesOfCustomer
from gateway.answers.segments import SegmentListAnswer
from gateway.answers.signs import SignListAnswer
from gateway.answers.survey import CommitmentsAnswer, CommitmentsOfCustomer, ResponsesAnswer, ResponsesOfCustomer
from gateway.answers.traits import ExplanationRow, ExplanationsAnswer, ExplanationsOfCustomer
from gateway.clients import ServiceClient, Services, path_segment
from gateway.errors import GatewayError

BATCH_SIZE = 1000
"""The services' limit of ids in one batch read."""


class _OfCustomer(Protocol):
    customer_id: str


EntryT = TypeVar("EntryT", bound=_OfCustomer)
ValueT = TypeVar("ValueT")


class _BatchAnswer(Protocol[EntryT]):
    customers: list[EntryT]


class CustomerPage(NamedTuple):
    """Which page of what there is about whom."""

    customer_id: str
    first: int
    after: str | None


class MessagePage(NamedTuple):
    """How many of whose messages."""

    customer_id: str
    first: int


class PermittedUse(NamedTuple):
    """What of whom a legal entity may use for a purpose."""

    customer_id: str
    legal_entity: str
    purpose: str


class DatesForPurpose(NamedTuple):
    """The dates whose customer gave them for a purpose."""

    customer_id: str
    purpose: str


class RemarksQuestion(NamedTuple):
    """How many of whose remarks, on which topics (None: on any)."""

    customer_id: str
    first: int
    topics: tuple[str, ...] | None


class TraitQuestion(NamedTuple):
    """Why a trait of whom is what it is, and which page of what was said of it."""

    customer_id: str
    name: str
    first: int
    after: str | None


class CategoriesQuestion(NamedTuple):
    """How many categories that whoever may buy next."""

    customer_id: str
    first: int


class TraitsQuestion(NamedTuple):
    """Why some traits of whom are what they are, and which page of what was said of each."""

    customer_id: str
    names: tuple[str, ...]
    first: int
    after: str | None


_Question = (
    CustomerPage | MessagePage | PermittedUse | DatesForPurpose | RemarksQuestion | CategoriesQuestion | TraitsQuestion
)
QuestionT = TypeVar("QuestionT", bound=_Question)
_Same = tuple[tuple[str, object], ...]
"""What is asked beyond of whom: names and values."""


class IdentifierKey(NamedTuple):
    """An identifier to look up."""

    namespace: str
    value: str


class Loaders:
    """The loaders of one operation. `headers` are the caller's credential and trace."""

    def __init__(self, services: Services, headers: Mapping[str, str]) -> None:
        self.services = services
        self.headers = headers

    def renewed(self) -> "Loaders":
        """Loaders that know nothing yet: after a change, or for the next update of a subscription."""
        return Loaders(self.services, self.headers)

    @cached_property
    def identity(self) -> DataLoader[str, IdentityOfCustomer]:
        """By customer id."""
        return self._per_customer(self.services.identity, "/v1/customers:batchGet", IdentityAnswer, IdentityOfCustomer)

    @cached_property
    def permitted(self) -> DataLoader[PermittedUse, IdentityOfCustomer]:
        """By customer id and use; the same use of many customers is one call."""
        return self._per_question(self.services.identity, "/v1/customers:batchGet", IdentityAnswer, IdentityOfCustomer)

    @cached_property
    def graph(self) -> DataLoader[str, GraphOfCustomer]:
        """By customer id: the identity graph, former ids and groups come in one answer."""
        return self._per_customer(self.services.identity, "/v1/customers:batchGraph", GraphsAnswer, GraphOfCustomer)

    @cached_property
    def decisions(self) -> DataLoader[CustomerPage, DecisionsOfCustomer]:
        """By customer id and page; pages of the same size and place share one call."""
        return self._per_question(
            self.services.identity, "/v1/decisions:batchGet", DecisionsAnswer, DecisionsOfCustomer
        )

    @cached_property
    def candidates(self) -> DataLoader[str, CandidateWithHistory]:
        """By candidate id, with history; identity answers one a call."""
        return DataLoader(self._load_candidates, max_batch_size=BATCH_SIZE)

    @cached_property
    def customer_of(self) -> DataLoader[IdentifierKey, str | None]:
        """By identifier: the customer's id, or None."""
        return DataLoader(self._look_up, max_batch_size=BATCH_SIZE)

    @cached_property
    def profile(self) -> DataLoader[str, ProfileOfCustomer]:
        """By customer id: traits, RFM, rank and segments come in one answer."""
        return self._per_customer(self.services.profile, "/v1/customers:batchGet", ProfileAnswer, ProfileOfCustomer)

    @cached_property
    def timeline(self) -> DataLoader[CustomerPage, TimelineOfCustomer]:
        """By customer id and page; pages of the same size and place share one call."""
        return self._per_question(self.services.profile, "/v1/timelines:batchGet", TimelineAnswer, TimelineOfCustomer)

    @cached_property
    def relations(self) -> DataLoader[DatesForPurpose, RelationsOfCustomer]:
        """By customer id and purpose; the same purpose of many customers is one call."""
        return self._per_question(self.services.profile, "/v1/relations:batchGet", RelationsAnswer, RelationsOfCustomer)

    @cached_property
    def remarks(self) -> DataLoader[RemarksQuestion, RemarksOfCustomer]:
        """By customer id, number and topics; the same question of many customers is one call."""
        return self._per_question(self.services.profile, "/v1/remarks:batchGet", RemarksAnswer, RemarksOfCustomer)

    @cached_property
    def explanations(self) -> DataLoader[TraitQuestion, ExplanationRow]:
        """By customer id, trait and page; the same traits and page of many customers are one call."""
        return DataLoader(self._explain, max_batch_size=BATCH_SIZE)

    @cached_property
    def next_categories(self) -> DataLoader[CategoriesQuestion, NextCategoriesOfCustomer]:
        """By customer id and number."""
        return self._per_question(
            self.services.profile, "/v1/next-categories:batchGet", NextCategoriesAnswer, NextCategoriesOfCustomer
        )

    @cached_property
    def segment_list(self) -> "asyncio.Future[SegmentListAnswer]":
        """All segments, read once."""
        return self._once("/v1/segments", SegmentListAnswer)

    @cached_property
    def sign_list(self) -> "asyncio.Future[SignListAnswer]":
        """All signs, read once."""
        return self._once("/v1/signs", SignListAnswer)

    @cached_property
    def computed_trait_list(self) -> "asyncio.Future[ComputedTraitListAnswer]":
        """All computed traits, read once."""
        return self._once("/v1/computed-traits", ComputedTraitListAnswer)

    @cached_property
    def messages(self) -> DataLoader[MessagePage, MessagesOfCustomer]:
        """By customer id and number."""
        return self._per_question(self.services.delivery, "/v1/messages:batchGet", MessagesAnswer, MessagesOfCustomer)

    @cached_property
    def permissions(self) -> DataLoader[str, PermissionsOfCustomer]:
        """By customer id."""
        return self._per_customer(
            self.services.delivery, "/v1/permissions:batchGet", PermissionsAnswer, PermissionsOfCustomer
        )

    @cached_property
    def responses(self) -> DataLoader[str, ResponsesOfCustomer]:
        """By customer id."""
        return self._per_customer(self.services.survey, "/v1/responses:batchGet", ResponsesAnswer, ResponsesOfCustomer)

    @cached_property
    def commitments(self) -> DataLoader[str, CommitmentsOfCustomer]:
        """By customer id."""
        return self._per_customer(
            self.services.survey, "/v1/commitments:batchGet", CommitmentsAnswer, CommitmentsOfCustomer
        )

    @cached_property
    def journeys(self) -> DataLoader[str, JourneysOfCustomer]:
        """By customer id."""
        return self._per_customer(self.services.campaign, "/v1/journeys:batchGet", JourneysAnswer, JourneysOfCustomer)

    @cached_property
    def results(self) -> DataLoader[str, ResultsRow]:
        """By campaign key; the service answers one campaign a call."""
        return DataLoader(self._load_results, max_batch_size=BATCH_SIZE)

    def _per_customer(
        self,
        service: ServiceClient,
        path: str,
        answer: type[_BatchAnswer[EntryT]],
        entry: Callable[..., EntryT],
    ) -> DataLoader[str, EntryT]:
        async def load(customer_ids: list[str]) -> list[EntryT]:
            found = await service.post(path, {"customer_ids": customer_ids}, answer, headers=self.headers)
            return _in_order(customer_ids, found.customers, entry=entry)

        return DataLoader(load, max_batch_size=BATCH_SIZE)

    def _per_question(
        self,
        service: ServiceClient,
        path: str,
        answer: type[_BatchAnswer[EntryT]],
        entry: Callable[..., EntryT],
    ) -> DataLoader[QuestionT, EntryT]:
        """The customers of whom the same is asked share one call, which says it by the question's own names."""
        ask = self._asking(service, path, answer, entry)

        async def load(questions: list[QuestionT]) -> Sequence[EntryT | BaseException]:
            return await _grouped(questions, load=ask)

        return DataLoader(load, max_batch_size=BATCH_SIZE)

    def _asking(
        self,
        service: ServiceClient,
        path: str,
        answer: type[_BatchAnswer[EntryT]],
        entry: Callable[..., EntryT],
    ) -> Callable[[_Same, list[str]], Awaitable[list[EntryT]]]:
        async def ask(same: _Same, customer_ids: list[str]) -> list[EntryT]:
            body = {"customer_ids": customer_ids} | {name: value for name, value in same if value is not None}
            found = await service.post(path, body, answer, headers=self.headers)
            return _in_order(customer_ids, found.customers, entry=entry)

        return ask

    def _once(self, path: str, answer: type[ValueT]) -> "asyncio.Future[ValueT]":
        """One of profile's listings, on its way."""
        return asyncio.ensure_future(self.services.profile.get(path, answer, headers=self.headers))

    async def _look_up(self, keys: list[IdentifierKey]) -> list[str | None]:
        body = {"identifiers": [{"namespace": key.namespace, "value": key.value} for key in keys]}
        found = await self.services.identity.post(
            "/v1/identifiers:batchLookup", body, LookupAnswer, headers=self.headers
        )
        if len(found.identifiers) != len(keys):
            raise GatewayError(
                "identity answered in a form the gateway does not know", code="UNAVAILABLE", service="identity"
            )
        return [row.customer_id for row in found.identifiers]

    async def _load_candidates(self, ids: list[str]) -> Sequence[CandidateWithHistory | BaseException]:
        async def load(candidate_id: str) -> CandidateWithHistory:
            path = f"/v1/linking/candidates/{path_segment(candidate_id)}"
            return await self.services.identity.get(path, CandidateWithHistory, headers=self.headers)

        return await asyncio.gather(*(load(candidate_id) for candidate_id in ids), return_exceptions=True)

    async def _explain(self, questions: list[TraitQuestion]) -> Sequence[ExplanationRow | BaseException]:
        names: dict[CustomerPage, list[str]] = {}
        for customer_id, name, first, after in questions:
            names.setdefault(CustomerPage(customer_id, first, after), []).append(name)
        asked = [TraitsQuestion(page.customer_id, tuple(of), page.first, page.after) for page, of in names.items()]
        load = self._asking(
            self.services.profile, "/v1/trait-observations:batchGet", ExplanationsAnswer, ExplanationsOfCustomer
        )
        answers = await _grouped(asked, load=load)
        found = dict(zip(names, answers, strict=True))
        said = [(found[CustomerPage(each.customer_id, each.first, each.after)], each.name) for each in questions]
        return [of if isinstance(of, BaseException) else of.of(name) for of, name in said]

    async def _load_results(self, keys: list[str]) -> Sequence[ResultsRow | BaseException]:
        async def load(key: str) -> ResultsRow:
            path = f"/v1/campaigns/{path_segment(key)}/results"
            return await self.services.campaign.get(path, ResultsRow, headers=self.headers)

        return await asyncio.gather(*(load(key) for key in keys), return_exceptions=True)


def _in_order(customer_ids: Sequence[str], entries: Sequence[EntryT], *, entry: Callable[..., EntryT]) -> list[EntryT]:
    """One entry per id; a customer the service has nothing about gets an empty one."""
    found = {row.customer_id: row for row in entries}
    return [found.get(customer_id) or entry(customer_id=customer_id) for customer_id in customer_ids]


async def _grouped(
    questions: Sequence[QuestionT], *, load: Callable[[_Same, list[str]], Awaitable[list[ValueT]]]
) -> list[ValueT | BaseException]:
    """Load what is the same question together; a group that fails fails alone."""
    members: dict[_Same, list[int]] = {}
    for index, question in enumerate(questions):
        same = tuple((name, value) for name, value in question._asdict().items() if name != "customer_id")
        members.setdefault(same, []).append(index)
    loaded = await asyncio.gather(
        *(load(same, [questions[index].customer_id for index in indices]) for same, indices in members.items()),
        return_exceptions=True,
    )
    values: dict[int, ValueT | BaseException] = {}
    for indices, outcome in zip(members.values(), loaded, strict=True):
        outcomes = [outcome] * len(indices) if isinstance(outcome, BaseException) else outcome
        values.update(zip(indices, outcomes, strict=True))
    return [values[index] for index in range(len(questions))]
