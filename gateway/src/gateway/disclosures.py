"""Disclosure: everything all services hold on a customer, as one document.

That somebody asks is recorded at identity first: what is not recorded is not disclosed. Then every service gives what
it holds; rows pass through unread.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import Raw

from gateway.answers.privacy import DisclosedDocument, DisclosureRow, ExportAnswer, HeldRow, MissingServiceRow
from gateway.clients import ServiceClient
from gateway.errors import GatewayError
from gateway.loaders import Loaders

IDS_AT_ONCE = 200
"""Former ids in one address."""


@dataclass(frozen=True)
class Disclosed:
    """The record of the disclosure, what was given, and who did not give."""

    disclosure: DisclosureRow
    document: DisclosedDocument
    missing: list[MissingServiceRow]


async def disclose(loaders: Loaders, customer_id: str, *, why: str) -> Disclosed:
    """Record the disclosure, read every service at the same time, complete the record.

    Raises:
        GatewayError: it cannot be recorded (nothing is read then), or not be completed (nothing is shown then).
    """
    identity = loaders.services.identity
    begun = await identity.change(
        "POST", "/v1/disclosures", {"customer_id": customer_id, "why": why}, DisclosureRow, headers=loaders.headers
    )
    services = list(loaders.services)
    answers = await asyncio.gather(*(_read(loaders, service, begun) for service in services), return_exceptions=True)
    held: dict[str, HeldRow] = {}
    missing: list[MissingServiceRow] = []
    for service, answer in zip(services, answers, strict=True):
        if isinstance(answer, GatewayError):
            missing.append(MissingServiceRow(service.name, answer.code, str(answer)))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            held[service.name] = answer
    names = [one.service for one in missing]
    completed = await identity.change(
        "POST",
        f"/v1/disclosures/{begun.id}:complete",
        {"services": list(held), "missing": names},
        DisclosureRow,
        headers=loaders.headers,
    )
    document = DisclosedDocument(
        disclosure_id=begun.id,
        customer_id=begun.customer_id,
        former_customer_ids=begun.former_customer_ids,
        requested_at=begun.requested_at,
        services=held,
        missing=names,
    )
    return Disclosed(completed, document, missing)


async def _read(loaders: Loaders, service: ServiceClient, disclosure: DisclosureRow) -> HeldRow:
    """What a service holds under the customer's present and former ids."""
    if service.name == "identity":  # it follows former ids itself
        return HeldRow(await _export(loaders, service, [disclosure.customer_id]))
    ids = [disclosure.customer_id, *disclosure.former_customer_ids]
    tables: dict[str, list[Raw]] = {}
    for start in range(0, len(ids), IDS_AT_ONCE):
        for table, rows in (await _export(loaders, service, ids[start : start + IDS_AT_ONCE])).items():
            tables.setdefault(table, []).extend(rows)
    return HeldRow(tables)


async def _export(loaders: Loaders, service: ServiceClient, ids: Sequence[str]) -> dict[str, list[Raw]]:
    first, *former = ids
    answer = await service.get(
        f"/v1/customers/{first}/export",
        ExportAnswer,
        headers=loaders.headers,
        query={"former_customer_ids": former},
        patience=loaders.services.patience_for_disclosures,
    )
    return answer.tables
