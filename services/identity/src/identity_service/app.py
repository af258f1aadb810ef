"""Identity's composition root: everything it is made of, top to bottom."""

from datetime import timedelta
from functools import cache, partial
from zoneinfo import ZoneInfo

from contracts.identity import AnchorMoved, CustomerErased
from identity_service.handlers import Resolver
from identity_service.ids import TimeOrderedIds
from identity_service.models import Base
from identity_service.repository.imports import settle_imports
from identity_service.repository.jobs import forget_jobs
from identity_service.repository.messages import forget_messages, forget_rejections
from identity_service.routes import (
    agreements,
    configuration,
    decisions,
    graph,
    imports,
    jobs,
    linking,
    partners,
    privacy,
    reads,
    rules,
    tracking,
)
from identity_service.service.agreements import tell_untold
from identity_service.service.configuration import reconcile_write_keys
from identity_service.service.configuration import tell_untold as tell_untold_sources
from identity_service.service.coverage import CoverageCounter
from identity_service.service.digests import DigestFiller
from identity_service.service.dry_run import DryRun
from identity_service.service.grants import GrantTeller
from identity_service.service.importing import Importer
from identity_service.service.imports import JOB_KIND as IMPORT_JOB
from identity_service.service.ingest import EventLog
from identity_service.service.jobs import JobFunction, JobRunner
from identity_service.service.linking import JOB_KIND as LINKING
from identity_service.service.linking import linking_job, start_due_run
from identity_service.service.partners import PartnerDoor
from identity_service.service.privacy import (
    RECEIPTS,
    ReceiptTaker,
    forget_erased_messages,
    take_own_receipt,
)
from identity_service.service.retelling import IdentifierTeller
from identity_service.service.rules import DRY_RUN
from identity_service.service.tracking import FrontDoor
from identity_service.settings import Settings
from identity_service.signing_secrets import SecretBox
from identity_service.write_keys import KeyHasher, KeyMirror, WriteKeys, read_secret
from servicekit.clock import Clock, SystemClock
from servicekit.consumers import consumers_of
from servicekit.database import Database, raw
from servicekit.erasure import Erasures
from servicekit.health import Check
from servicekit.metrics import Metrics
from servicekit.nats import NatsConnection
from servicekit.relay import Relay
from servicekit.service import Service, janitor
from servicekit.tables import rows_follow
from servicekit.workers import PeriodicWorker


def build(settings: Settings, clock: Clock | None = None) -> Service:
    """Build the service."""
    clock = clock or SystemClock()
    metrics = Metrics()
    nats = NatsConnection(settings.nats_url, name="identity")
    database = Database(settings.database_url, pool_size=settings.database_pool_size, application_name="identity")

    hasher = KeyHasher(settings.secret_file)
    mirror = KeyMirror(nats)
    write_keys = WriteKeys(nats=nats, hasher=hasher)
    front_door = FrontDoor(write_keys=write_keys, nats=nats, clock=clock)
    secret_box, event_log = SecretBox(settings.secret_file), EventLog(nats)
    partner_door = PartnerDoor(database=database, event_log=event_log, box=secret_box, clock=clock)

    secret = cache(partial(read_secret, settings.secret_file))
    new_id = TimeOrderedIds(lambda: int(clock.now().timestamp() * 1000))

    resolver = Resolver(
        database=database,
        nats=nats,
        clock=clock,
        metrics=metrics,
        new_id=new_id,
        partitions=settings.partitions,
        batch_events=settings.resolver_batch_events,
        front_door_is_quiet=front_door.quiet,
        secret=secret,
    )

    coverage = CoverageCounter(database=database, clock=clock, zone=ZoneInfo(settings.time_zone))
    importer = Importer(
        database=database,
        event_log=event_log,
        clock=clock,
        batch_lines=settings.import_batch_lines,
        max_waiting=settings.import_max_waiting,
    )
    kinds_of_jobs: dict[str, JobFunction] = {
        DRY_RUN: DryRun(database=database),
        IMPORT_JOB: importer.run,
        LINKING: linking_job(clock=clock, new_id=new_id, partitions=settings.partitions),
    }

    erasures = Erasures(
        database=database,
        base=Base,
        finish=take_own_receipt(clock=clock),
        clock=clock,
        more=[forget_erased_messages(secret)],
        kept_facts=frozenset({AnchorMoved.fact_type, CustomerErased.fact_type}),  # they hold ids only, and are awaited
        kept_tables=frozenset(rows_follow(Base)),  # the erasure itself has emptied them
    )
    receipts = consumers_of(
        {service: {kind: ReceiptTaker(service, clock=clock)} for service, kind in RECEIPTS.items()},
        service="identity",
        database=database,
        nats=nats,
        clock=clock,
        metrics=metrics,
    )

    grants = GrantTeller(database=database, clock=clock, partitions=settings.partitions)
    identifiers = IdentifierTeller(database=database, partitions=settings.partitions)

    async def reconcile() -> bool:
        await nats.connected()
        await reconcile_write_keys(database, mirror)
        return False

    async def settle() -> bool:
        now = clock.now()
        async with database.transaction() as session:
            connection = await raw(session)
            await settle_imports(connection, at=now, started_before=now - timedelta(days=settings.import_upload_days))
        return False

    async def tell_agreements() -> bool:
        async with database.transaction() as session:
            return await tell_untold(session)

    async def tell_sources() -> bool:
        async with database.transaction() as session:
            return await tell_untold_sources(session)

    async def forget() -> bool:
        async with database.transaction() as session:
            connection = await raw(session)
            await forget_messages(connection, before=clock.now() - timedelta(days=settings.message_id_days))
            await forget_rejections(connection, before=clock.now() - timedelta(days=settings.rejection_days))
            await forget_jobs(connection, before=clock.now() - timedelta(days=settings.job_days))
        return False

    async def link_regularly() -> bool:
        every = timedelta(minutes=settings.linking_every_minutes)
        if every:
            await start_due_run(database, every=every, clock=clock, new_id=new_id)
        return False

    return Service(
        settings=settings,
        clock=clock,
        metrics=metrics,
        nats=nats,
        database=database,
        routers=[
            configuration.sources,
            partners.secrets,
            rules.router,
            reads.router,
            decisions.router,
            graph.router,
            jobs.router,
            linking.router,
            agreements.router,
            partners.router,
            privacy.router,
            privacy.exports,
            imports.router,
        ],
        routes=tracking.routes(front_door=front_door, write_keys=write_keys, address=settings.address),
        public=(*tracking.PUBLIC, *partners.PUBLIC),
        workers=[
            resolver,
            Relay(service="identity", database=database, nats=nats, metrics=metrics),
            JobRunner(database=database, clock=clock, kinds=kinds_of_jobs),
            PeriodicWorker("reconcile-write-keys", 30, reconcile),
            PeriodicWorker("link-regularly", 60, link_regularly),
            PeriodicWorker("forget-messages", 3600, forget),
            PeriodicWorker("settle-imports", 60, settle),
            PeriodicWorker("tell-agreements", 60, tell_agreements),
            PeriodicWorker("tell-sources", 60, tell_sources),
            PeriodicWorker("tell-grants", 3600, grants.tell),
            PeriodicWorker("tell-identifiers", 2, identifiers.tell),
            PeriodicWorker("fill-digests", 3600, DigestFiller(database=database, secret=secret).fill),
            PeriodicWorker("count-coverage", settings.coverage_seconds, coverage.refresh),
            janitor(database, clock),
            erasures.worker,
            *receipts,
        ],
        checks=[Check("nats", nats.ping), Check("write_keys", write_keys.ready)],
        resources={
            "key_hasher": hasher,
            "key_mirror": mirror,
            "new_id": new_id,
            "secret": secret,
            "erasures": erasures,
            "secret_box": secret_box,
            "partner_door": partner_door,
        },
        starters=[write_keys.start],
        ready_without_database=True,
        closers=[write_keys.stop],
        customize=tracking.describe_in_openapi,
    )
