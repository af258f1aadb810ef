"""The sending worker: claim, read traits, render, commit `sending`, talk SMTP, record.

No database connection is held while profile or the relay is asked. Between the commit of `sending` and the record a
crash leaves messages whose outcome nobody knows; they become `unknown` when their lease ends and are never sent again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import structlog
from opentelemetry.trace import SpanKind, get_tracer

from delivery_service.clients import Traits, TraitSource
from delivery_service.mime import MailBuilder
from delivery_service.rendering import CompiledTemplate, TemplateCompiler, TemplateError
from delivery_service.repository import configuration
from delivery_service.repository.messages import ClaimedRow, MessageKey
from delivery_service.rules import deliverable_mailbox
from delivery_service.schemas import TemplateBody
from delivery_service.service import sending
from delivery_service.service.sending import SendingRules
from delivery_service.smtp import Envelope, Result, SmtpRelay
from delivery_service.tokens import TokenSigner
from servicekit.clock import Clock
from servicekit.database import Database, is_transient
from servicekit.errors import Unavailable
from servicekit.tracing import continue_traces
from servicekit.workers import describe, pause

log = structlog.get_logger(__name__)
tracer = get_tracer(__name__)

_PROFILE_AWAY = timedelta(seconds=5)
_AFTER_TROUBLE_SECONDS = 0.5
_RENDER_SLICE = 25  # mails rendered before others get the loop: some 10 ms


class MailWriter:
    """Turns a claimed message into an envelope: links and tokens, Liquid, MIME."""

    def __init__(self, *, signer: TokenSigner, public_url: str, clock: Clock) -> None:
        self._signer = signer
        self._public_url = public_url
        self._clock = clock
        self._builders: dict[tuple[str, str], MailBuilder] = {}

    def write(self, row: ClaimedRow, template: CompiledTemplate, traits: Traits) -> Envelope:
        """Render one message.

        Raises:
            TemplateError: the template does not render for this customer, or the address cannot stand in SMTP.
        """
        message_id, definition = row.key.message_id, template.definition
        mailbox = deliverable_mailbox(row.address or "")
        if mailbox is None:
            raise UnreachableAddress
        unsubscribe_url = self._url("u", self._signer.sign("unsubscribe", message_id))
        rendered = template.render(
            traits=traits,
            variables=row.variables,
            links={
                link.label: self._url("c", self._signer.sign("click", message_id, index))
                for index, link in enumerate(definition.links)
            },
            unsubscribe_url=unsubscribe_url,
            pixel_url=self._url("o", self._signer.sign("open", message_id)) + ".gif",
        )
        builder = self._builder(definition)
        content = builder.build(
            message_id=message_id,
            mailbox=mailbox,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            unsubscribe_url=unsubscribe_url if definition.category == "advertising" else None,
            moment=self._clock.now(),
        )
        return Envelope(message_id, builder.envelope_sender, mailbox, content)

    def _builder(self, definition: TemplateBody) -> MailBuilder:
        place = (definition.sender_name, definition.sender_address)
        if place not in self._builders:
            if len(self._builders) > 1000:
                self._builders.clear()
            self._builders[place] = MailBuilder(sender_name=place[0], sender_address=place[1])
        return self._builders[place]

    def _url(self, kind: str, token: str) -> str:
        return f"{self._public_url}/{kind}/{token}"


class UnreachableAddress(Exception):
    """An address that SMTP without extensions cannot carry."""


class Sender:
    """Sends what is due, `lanes` batches at a time, until told to stop; batches in hand are finished."""

    name = "sender"

    def __init__(
        self,
        *,
        database: Database,
        traits: TraitSource,
        relay: SmtpRelay,
        writer: MailWriter,
        compiler: TemplateCompiler,
        rules: SendingRules,
        clock: Clock,
        batch_size: int,
        lanes: int,
        poll_seconds: float,
    ) -> None:
        self._database = database
        self._traits = traits
        self._relay = relay
        self._writer = writer
        self._compiler = compiler
        self._rules = rules
        self._clock = clock
        self._batch_size = batch_size
        self._lanes = lanes
        self._poll_seconds = poll_seconds
        self._wakes = [asyncio.Event() for _ in range(lanes)]

    def wake(self) -> None:
        """Look at the queue now."""
        for woken in self._wakes:
            woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        async with asyncio.TaskGroup() as group:
            for lane, woken in enumerate(self._wakes):
                # one lane looks at an idle queue now and then; the others wait until there is work for more than one
                poll = self._poll_seconds if lane == 0 else None
                group.create_task(self._run_lane(stop, woken, poll), name=f"sender-lane-{lane}")

    async def _run_lane(self, stop: asyncio.Event, woken: asyncio.Event, poll_seconds: float | None) -> None:
        while not stop.is_set():
            woken.clear()
            try:
                more = await self.send_some()
            except Exception as error:  # noqa: BLE001 - one lane must not end the dialogues of the others
                log.warning("batch_failed", error=describe(error))
                await pause(stop, _AFTER_TROUBLE_SECONDS)
                continue
            if more:
                self.wake()
                continue
            waits = [asyncio.create_task(woken.wait()), asyncio.create_task(stop.wait())]
            await asyncio.wait(waits, timeout=poll_seconds, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    async def send_some(self) -> bool:
        """Send one batch; True when the queue may hold more."""
        lease_id = uuid4()
        async with self._database.transaction() as session:
            claim = await sending.claim(
                session, rules=self._rules, lease_id=lease_id, limit=self._batch_size, now=self._clock.now()
            )
        if claim.reserved:
            traces = [row.traceparent for row in claim.reserved]
            with continue_traces("messages send", traces, attributes={"messages": len(claim.reserved)}):
                try:
                    await self._send(claim.reserved, lease_id)
                except Unavailable:
                    await self._give_back(lease_id)
                    return False
        return claim.due == self._batch_size

    async def _send(self, rows: list[ClaimedRow], lease_id: UUID) -> None:
        templates = await self._compile(rows)
        traits = await self._read_traits(rows, templates)
        envelopes, refused = await self._write(rows, templates, traits)
        async with self._database.transaction() as session:
            await sending.refuse(session, refused, now=self._clock.now())
            held = await sending.start(
                session,
                [envelope.message_id for envelope in envelopes],
                rules=self._rules,
                lease_id=lease_id,
                now=self._clock.now(),
            )
        results = await self._hand_over([envelope for envelope in envelopes if envelope.message_id in held])
        if results:
            await self._record([row for row in rows if row.key.message_id in results], results, lease_id)

    async def _hand_over(self, envelopes: list[Envelope]) -> dict[UUID, Result]:
        """Talk SMTP. The span says how many went and how many were accepted, and nothing of whom or what."""
        with tracer.start_as_current_span(
            "smtp deliver", kind=SpanKind.CLIENT, attributes={"messages": len(envelopes)}
        ) as span:
            results = await self._relay.deliver(envelopes, within_seconds=self._rules.lease.total_seconds() * 0.75)
            span.set_attribute("accepted", sum(result.kind == "accepted" for result in results.values()))
        return results

    async def _record(self, rows: list[ClaimedRow], results: Mapping[UUID, Result], lease_id: UUID) -> None:
        """Record the outcome, however often the database has to be asked: without it sent messages become unknown."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._rules.lease.total_seconds()
        while True:
            now = self._clock.now()
            try:
                async with self._database.transaction() as session:
                    await sending.record(session, rows, results, rules=self._rules, lease_id=lease_id, now=now)
                return
            except Exception as error:
                if not is_transient(error) or loop.time() > give_up:
                    raise
                log.warning("record_waits", error=describe(error))
                await asyncio.sleep(_AFTER_TROUBLE_SECONDS)

    async def _compile(self, rows: Sequence[ClaimedRow]) -> dict[tuple[str, int], CompiledTemplate | None]:
        """Return the templates of a batch; None for one that does not compile (any more)."""
        wanted = {_version(row) for row in rows}
        compiled: dict[tuple[str, int], CompiledTemplate | None] = {}
        for place in wanted:
            known = self._compiler.known(*place)
            if known is not None:
                compiled[place] = known
        missing = sorted(wanted - compiled.keys())
        if not missing:
            return compiled
        async with self._database.transaction() as session:
            found = await configuration.find_template_versions(session, missing)
        for template in found:
            place = (template.key, template.version)
            try:
                ready = self._compiler.compile(TemplateBody(**template.definition))
            except (TemplateError, ValueError):  # written by an older version of this service
                compiled[place] = None
                continue
            self._compiler.remember(*place, ready)
            compiled[place] = ready
        return compiled

    async def _read_traits(
        self, rows: Sequence[ClaimedRow], templates: Mapping[tuple[str, int], CompiledTemplate | None]
    ) -> dict[UUID, Traits]:
        """Read the traits the batch's templates name, with one request (none when they name none)."""
        names: set[str] | None = set()
        for template in templates.values():
            if template is not None:
                names = None if names is None or template.trait_names is None else names | template.trait_names
        if names is not None and not names:
            return {}
        return await self._traits.read_traits([row.key.customer_id for row in rows], names)

    async def _write(
        self,
        rows: Sequence[ClaimedRow],
        templates: Mapping[tuple[str, int], CompiledTemplate | None],
        traits: Mapping[UUID, Traits],
    ) -> tuple[list[Envelope], list[tuple[MessageKey, str]]]:
        envelopes: list[Envelope] = []
        refused: list[tuple[MessageKey, str]] = []
        for index, row in enumerate(rows):
            if index % _RENDER_SLICE == _RENDER_SLICE - 1:
                await asyncio.sleep(0)
            template = templates.get(_version(row))
            try:
                if template is None:
                    raise TemplateError("text", "the template cannot be used")
                envelopes.append(self._writer.write(row, template, traits.get(row.key.customer_id, {})))
            except TemplateError as error:
                log.warning("template_refused", template=row.key.template_key, part=error.part, reason=error.reason)
                refused.append((row.key, "template"))
            except UnreachableAddress:
                refused.append((row.key, "rejected"))
        return envelopes, refused

    async def _give_back(self, lease_id: UUID) -> None:
        log.warning("profile_unavailable", retry_in_seconds=_PROFILE_AWAY.total_seconds())
        async with self._database.transaction() as session:
            await sending.give_back(session, lease_id=lease_id, due_at=self._clock.now() + _PROFILE_AWAY)


def _version(row: ClaimedRow) -> tuple[str, int]:
    assert row.template_version is not None  # decide() refuses a message without a template
    return row.key.template_key, row.template_version
