"""The composition root: everything delivery is made of, readable top to bottom."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from contracts.campaign import MessageRequested
from contracts.delivery import DeliveryCustomerErased
from contracts.identity import AgreementChanged, AnchorMoved, CustomerErased, IdentifierLinked, IdentifierSourced
from contracts.survey import InvitationIssued
from delivery_service.clients import ProfileClient
from delivery_service.erased_addresses import AddressDigests
from delivery_service.handlers import (
    agreements_changed,
    identifiers_linked,
    identifiers_sourced,
    invitations_issued,
    messages_requested,
)
from delivery_service.models import Base
from delivery_service.rendering import TemplateCompiler
from delivery_service.repository.privacy import EXPORTED
from delivery_service.routes import configuration, customers, public
from delivery_service.sender import MailWriter, Sender
from delivery_service.service import sending
from delivery_service.service.privacy import forget_addresses, forget_messages
from delivery_service.service.sending import SendingRules
from delivery_service.settings import Settings
from delivery_service.smtp import SmtpRelay
from delivery_service.tokens import TokenSigner
from servicekit.auth import ServiceTokens
from servicekit.clients import JsonClient
from servicekit.clock import Clock, SystemClock
from servicekit.consumers import Handler, consumers_of
from servicekit.database import Database
from servicekit.erasure import Erasures, receipt
from servicekit.export import export_router
from servicekit.health import Check
from servicekit.metrics import Metrics
from servicekit.moves import AnchorMoves
from servicekit.nats import NatsConnection
from servicekit.relay import Relay
from servicekit.service import Service, janitor
from servicekit.tables import rows_follow
from servicekit.workers import PeriodicWorker, Worker


def build(settings: Settings, clock: Clock | None = None) -> Service:
    """Build the service from its settings."""
    clock = clock or SystemClock()
    metrics = Metrics()
    database = Database(settings.database_url, pool_size=settings.database_pool_size, application_name="delivery")
    nats = NatsConnection(settings.nats_url, name="delivery")
    signer = TokenSigner(settings.secret_file)
    digests = AddressDigests(settings.secret_file)
    compiler = TemplateCompiler()
    rules = SendingRules(
        zone=ZoneInfo(settings.time_zone),
        quiet_hours=settings.quiet,
        contact_grace=timedelta(seconds=settings.contact_grace_seconds),
        lease=timedelta(seconds=settings.lease_seconds),
        max_attempts=settings.max_attempts,
    )
    smtp = SmtpRelay(
        settings.smtp_url, connections=settings.smtp_connections, timeout_seconds=settings.smtp_timeout_seconds
    )
    closers = [smtp.close]
    workers: list[Worker] = []
    if settings.signing_key_file is not None:
        tokens = ServiceTokens(service="delivery", key_file=settings.signing_key_file, clock=clock)
        profile = JsonClient(settings.profile_url, tokens=tokens, scope="profile:read", timeout_seconds=10)
        closers.append(profile.close)
        sender = Sender(
            database=database,
            traits=ProfileClient(profile),
            relay=smtp,
            writer=MailWriter(signer=signer, public_url=settings.address, clock=clock),
            compiler=compiler,
            rules=rules,
            clock=clock,
            batch_size=settings.batch_size,
            lanes=settings.lanes,
            poll_seconds=settings.poll_seconds,
        )
        moves = AnchorMoves(database=database, tables=rows_follow(Base))
        erasures = Erasures(
            database=database,
            base=Base,
            finish=receipt(DeliveryCustomerErased, clock=clock, partitions=settings.partitions),
            clock=clock,
            more=[forget_messages, forget_addresses(digests, clock=clock)],
        )
        handlers: dict[str, dict[type, Handler]] = {
            "identity": {
                AnchorMoved: moves,
                CustomerErased: erasures,
                IdentifierLinked: identifiers_linked(digests),
                IdentifierSourced: identifiers_sourced,
                AgreementChanged: agreements_changed,
            },
            "campaign": {MessageRequested: messages_requested(clock=clock, wake_sender=sender.wake)},
            "survey": {InvitationIssued: invitations_issued(clock=clock, wake_sender=sender.wake)},
        }
        consumers = consumers_of(
            handlers, service="delivery", database=database, nats=nats, clock=clock, metrics=metrics
        )
        workers = [
            Relay(service="delivery", database=database, nats=nats, metrics=metrics),
            moves.worker,
            erasures.worker,
            *consumers,
            sender,
            _lease_keeper(database, clock),
            janitor(database, clock),
        ]
    return Service(
        settings=settings,
        clock=clock,
        metrics=metrics,
        nats=nats,
        database=database,
        routers=[
            configuration.router,
            customers.router,
            public.router,
            export_router("delivery", Base, more=EXPORTED),
        ],
        public=public.PUBLIC,
        workers=workers,
        checks=[Check("database", database.ping), Check("nats", nats.ping)],
        resources={"signer": signer, "compiler": compiler, "address_digests": digests},
        starters=[signer.load],
        closers=closers,
    )


def _lease_keeper(database: Database, clock: Clock) -> Worker:
    """A worker that takes over from crashed batches."""

    async def sweep() -> bool:
        async with database.transaction() as session:
            await sending.end_expired_leases(session, now=clock.now())
        return False

    return PeriodicWorker("lease-keeper", 5, sweep)
