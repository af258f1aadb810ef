"""What partners send, signed: whose ids belong together, what people wrote, and records of departments' systems."""

from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.models import Source
from identity_service.repository import configuration
from identity_service.repository.partners import load_source_rules
from identity_service.rules.partners import SourceRules, id_sync_events
from identity_service.rules.remarks import remark_events
from identity_service.rules.signatures import new_signing_secret, sent_at, signature_problem, written_secret
from identity_service.rules.signed_records import signed_record_events
from identity_service.rules.tracking import BATCH, ID_SYNC, IMPORT, InvalidBody, Rejected
from identity_service.service.configuration import get_source, touch_source
from identity_service.service.ingest import EventLog
from identity_service.signing_secrets import SecretBox
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.errors import Invalid, Unauthorized


class Signature(NamedTuple):
    """The headers of Standard Webhooks."""

    webhook_id: str
    timestamp: str
    signatures: str


class StatementsTaken(NamedTuple):
    """What became of a request's links, remarks or records."""

    accepted: int
    rejected: list[Rejected]


class _ReadEvents(Protocol):
    def __call__(
        self, body: bytes, rules: SourceRules, *, webhook_id: str, said_at: datetime
    ) -> tuple[list[bytes], list[Rejected]]: ...


async def rotate_signing_secret(session: AsyncSession, source_id: str, *, box: SecretBox, clock: Clock) -> str:
    """Give a source a new signing secret and return it; the former one verifies nothing from then on.

    Raises:
        NotFound: there is no such source.
    """
    await configuration.lock_key(session, "source", source_id)
    source = await get_source(session, source_id)
    secret = new_signing_secret()
    source.signing_secret = box.seal(secret, source_id=source_id)
    await touch_source(session, source, at=clock.now())
    return written_secret(secret)


class PartnerDoor:
    """Takes signed requests of partners into the event log."""

    def __init__(self, *, database: Database, event_log: EventLog, box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._event_log = event_log
        self._box = box
        self._clock = clock

    async def take_id_syncs(self, source_id: str, body: bytes, signature: Signature) -> StatementsTaken:
        """Check each link; return once JetStream has those that are good.

        The same webhook-id again gives the same message ids: what was taken before is dropped as a repetition.

        Raises:
            Unauthorized: the source is unknown, signs nothing, or did not sign this.
            Invalid: the body as a whole is bad.
            Unavailable: the event log is down or full.
        """
        return await self._take(source_id, body, signature, read=id_sync_events, kind=ID_SYNC)

    async def take_remarks(self, source_id: str, body: bytes, signature: Signature) -> StatementsTaken:
        """Check each remark; return once JetStream has those that are good, as events of their authors.

        What was taken before, by its remark_id or the same webhook-id, is dropped as a repetition.

        Raises:
            As take_id_syncs.
        """
        return await self._take(source_id, body, signature, read=remark_events, kind=BATCH)

    async def take_records(self, source_id: str, body: bytes, signature: Signature) -> StatementsTaken:
        """Check each record of a department's system; return once JetStream has those that are good.

        What was taken before, by its record_id (in a file, too) or the same webhook-id, is dropped as a repetition.

        Raises:
            As take_id_syncs.
        """
        return await self._take(source_id, body, signature, read=signed_record_events, kind=IMPORT)

    async def _take(
        self, source_id: str, body: bytes, signature: Signature, *, read: _ReadEvents, kind: str
    ) -> StatementsTaken:
        source, rules = await self._load(source_id)
        self._verify(source, body, signature)
        received_at = self._clock.now()
        said_at = min(sent_at(signature.timestamp) or received_at, received_at)
        try:
            events, rejected = read(body, rules, webhook_id=signature.webhook_id, said_at=said_at)
        except InvalidBody as error:
            raise Invalid(error.detail, field=error.field) from None
        await self._event_log.append(
            events, kind=kind, source_id=source_id, received_at=received_at, request_id=lambda _: uuid4()
        )
        return StatementsTaken(len(events), rejected)

    async def _load(self, source_id: str) -> tuple[Source | None, SourceRules]:
        async with self._database.transaction() as session:
            source = await configuration.find_source(session, source_id)
            return source, SourceRules({}, (), {}) if source is None else await load_source_rules(session, source)

    def _verify(self, source: Source | None, body: bytes, signature: Signature) -> None:
        sealed = None if source is None else source.signing_secret
        secret = None if source is None or sealed is None else self._box.open(sealed, source_id=source.source_id)
        problem = signature_problem(
            body,
            webhook_id=signature.webhook_id,
            timestamp=signature.timestamp,
            signatures=signature.signatures,
            secret=secret or new_signing_secret(),  # nobody's: an unknown source is answered like a wrong signature
            now=self._clock.now(),
        )
        if problem is not None:
            raise Unauthorized(f"{problem} Sign the body by Standard Webhooks with the source's signing secret.")
