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
from gateway.answers.decisions import DecisionPageAnswer
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
from gateway.answers.survey import CommitmentsAnswer, CommitmentsOfCustomer, ResponsesAnswer, ResponsesOfCustomer
from gateway.clients import ServiceClient, Services, path_segment
from gateway.errors import GatewayError

BATCH_SIZE = 1000
"""The services' limit of ids in one batch read."""


class _OfCustomer(Protocol):
    customer_id: str


EntryT = TypeVar("EntryT", bound=_OfCustomer)
KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class _BatchAnswer(Protocol[EntryT]):
    customers: list[EntryT]


class TimelinePage(NamedTuple):
    """Which page of whose timeline."""

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


class DecisionsPage(NamedTuple):
    """Which page of the decisions on whom."""

    customer_id: str
    first: int
    after: str


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
        return DataLoader(self._load_permitted, max_batch_size=BATCH_SIZE)

    @cached_property
    def graph(self) -> DataLoader[str, GraphOfCustomer]:
        """By customer id: the identity graph, former ids and groups come in one answer."""
        return self._per_customer(self.services.identity, "/v1/customers:batchGraph", GraphsAnswer, GraphOfCustomer)

    @cached_property
    def decisions(self) -> DataLoader[DecisionsPage, DecisionPageAnswer]:
        """By customer id and page; identity answers one customer a call."""
        return DataLoader(self._load_decisions, max_batch_size=BATCH_SIZE)

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
    def timeline(self) -> DataLoader[TimelinePage, TimelineOfCustomer]:
        """By customer id and page; pages of the same size and place share one call."""
        return DataLoader(self._load_timelines, max_batch_size=BATCH_SIZE)

    @cached_property
    def messages(self) -> DataLoader[MessagePage, MessagesOfCustomer]:
        """By customer id and number."""
        return DataLoader(self._load_messages, max_batch_size=BATCH_SIZE)

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

    async def _load_timelines(self, pages: list[TimelinePage]) -> Sequence[TimelineOfCustomer | BaseException]:
        async def load(first: int, after: str | None, customer_ids: list[str]) -> list[TimelineOfCustomer]:
            body: dict[str, object] = {"customer_ids": customer_ids, "first": first}
            if after is not None:
                body["after"] = after
            found = await self.services.profile.post(
                "/v1/timelines:batchGet", body, TimelineAnswer, headers=self.headers
            )
            return _in_order(customer_ids, found.customers, entry=TimelineOfCustomer)

        return await _grouped(pages, group=lambda page: (page.first, page.after), load=lambda key, ids: load(*key, ids))

    async def _load_messages(self, pages: list[MessagePage]) -> Sequence[MessagesOfCustomer | BaseException]:
        async def load(first: int, customer_ids: list[str]) -> list[MessagesOfCustomer]:
            body = {"customer_ids": customer_ids, "first": first}
            found = await self.services.delivery.post(
                "/v1/messages:batchGet", body, MessagesAnswer, headers=self.headers
            )
            return _in_order(customer_ids, found.customers, entry=MessagesOfCustomer)

        return await _grouped(pages, group=lambda page: page.first, load=load)

    async def _load_permitted(self, uses: list[PermittedUse]) -> Sequence[IdentityOfCustomer | BaseException]:
        async def load(legal_entity: str, purpose: str, customer_ids: list[str]) -> list[IdentityOfCustomer]:
            body = {"customer_ids": customer_ids, "legal_entity": legal_entity, "purpose": purpose}
            found = await self.services.identity.post(
                "/v1/customers:batchGet", body, IdentityAnswer, headers=self.headers
            )
            return _in_order(customer_ids, found.customers, entry=IdentityOfCustomer)

        return await _grouped(
            uses, group=lambda use: (use.legal_entity, use.purpose), load=lambda key, ids: load(*key, ids)
        )

    async def _load_decisions(self, pages: list[DecisionsPage]) -> Sequence[DecisionPageAnswer | BaseException]:
        async def load(page: DecisionsPage) -> DecisionPageAnswer:
            return await self.services.identity.get(
                "/v1/decisions",
                DecisionPageAnswer,
                headers=self.headers,
                query={"customer_id": page.customer_id, "first": page.first, "after": page.after or None},
            )

        return await asyncio.gather(*(load(page) for page in pages), return_exceptions=True)

    async def _load_candidates(self, ids: list[str]) -> Sequence[CandidateWithHistory | BaseException]:
        async def load(candidate_id: str) -> CandidateWithHistory:
            path = f"/v1/linking/candidates/{path_segment(candidate_id)}"
            return await self.services.identity.get(path, CandidateWithHistory, headers=self.headers)

        return await asyncio.gather(*(load(candidate_id) for candidate_id in ids), return_exceptions=True)

    async def _load_results(self, keys: list[str]) -> Sequence[ResultsRow | BaseException]:
        async def load(key: str) -> ResultsRow:
            path = f"/v1/campaigns/{path_segment(key)}/results"
            return await self.services.campaign.get(path, ResultsRow, headers=self.headers)

        return await asyncio.gather(*(load(key) for key in keys), return_exceptions=True)


def _in_order(customer_ids: Sequence[str], entries: Sequence[EntryT], *, entry: Callable[..., EntryT]) -> list[EntryT]:
    """One entry per id; a customer the service has nothing about gets an empty one."""
    found = {row.customer_id: row for row in entries}
    return [found.get(customer_id) or entry(customer_id=customer_id) for customer_id in customer_ids]


class _Page(Protocol):
    @property
    def customer_id(self) -> str: ...


PageT = TypeVar("PageT", bound=_Page)


async def _grouped(
    pages: Sequence[PageT],
    *,
    group: Callable[[PageT], KeyT],
    load: Callable[[KeyT, list[str]], Awaitable[list[ValueT]]],
) -> list[ValueT | BaseException]:
    """Load pages whose arguments are alike together; a group that fails fails alone."""
    members: dict[KeyT, list[int]] = {}
    for index, page in enumerate(pages):
        members.setdefault(group(page), []).append(index)
    loaded = await asyncio.gather(
        *(load(key, [pages[index].customer_id for index in indices]) for key, indices in members.items()),
        return_exceptions=True,
    )
    values: dict[int, ValueT | BaseException] = {}
    for indices, outcome in zip(members.values(), loaded, strict=True):
        outcomes = [outcome] * len(indices) if isinstance(outcome, BaseException) else outcome
        values.update(zip(indices, outcomes, strict=True))
    return [values[index] for index in range(len(pages))]
