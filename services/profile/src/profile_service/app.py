"""Profile's composition root: everything is built here, top down."""

from asyncio import Semaphore
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import AnchorMoved, CustomerErased, IdentifierLinked, SourceChanged
from contracts.profile import ProfileCustomerErased
from profile_service.conditions import Compiler
from profile_service.handlers import TRANSLATIONS, recording
from profile_service.models import Base
from profile_service.repository.conclusions import Conclusions
from profile_service.routes import routers
from profile_service.service.anonymising import Anonymiser
from profile_service.service.backfilling import Backfiller
from profile_service.service.circulation import UseCounter
from profile_service.service.concluding import Concluder, LiveHints
from profile_service.service.following import Follower
from profile_service.service.identifiers import IdentifierKeeper
from profile_service.service.insights import InsightSweeper
from profile_service.service.policy import PolicyKeeper
from profile_service.service.previewing import Previewer
from profile_service.service.recording import Recorder
from profile_service.service.relations import RelationSweeper
from profile_service.service.remarks import RemarkWork
from profile_service.service.schedules import Cutter
from profile_service.service.segment_sizes import SizeKeeper, forgetting_memberships
from profile_service.service.sources import SourceKeeper
from profile_service.service.static_lists import StaticLists
from profile_service.service.trait_work import TraitWork
from profile_service.service.value_reading import ValueReader
from profile_service.settings import Settings
from servicekit.clock import Clock, SystemClock
from servicekit.consumers import Handler, consumers_of
from servicekit.database import Database, wake_after_commit
from servicekit.erasure import Erasures, receipt
from servicekit.export import export_router
from servicekit.health import Check
from servicekit.metrics import Metrics
from servicekit.moves import AnchorMoves
from servicekit.nats import NatsConnection
from servicekit.relay import Relay
from servicekit.service import Service, janitor
from servicekit.tables import rows_follow
from servicekit.workers import PeriodicWorker


def build(settings: Settings, clock: Clock | None = None) -> Service:
    """Build profile: connections, what it does, who calls it."""
    clock = clock or SystemClock()
    metrics = Metrics()
    database = Database(settings.database_url, pool_size=settings.database_pool_size, application_name=settings.service)
    nats = NatsConnection(settings.nats_url, name=settings.service)

    compiler = Compiler(promoted={settings.revenue_property: "revenue"}, zone=settings.time_zone)
    hints = LiveHints(nats, clock=clock)
    zone = ZoneInfo(settings.time_zone)
    concluder = Concluder(Conclusions(compiler), hints=hints, clock=clock, partitions=settings.partitions, zone=zone)
    recorder = Recorder(settings, concluder=concluder, hints=hints)
    follower = Follower(settings, database=database, concluder=concluder, clock=clock)

    moves = AnchorMoves(database=database, tables=rows_follow(Base), recompute=follower.recompute)
    erasures = Erasures(
        database=database,
        base=Base,
        finish=receipt(ProfileCustomerErased, clock=clock, partitions=settings.partitions),
        clock=clock,
        more=[forgetting_memberships(clock, zone=zone)],
    )
    expiry = PeriodicWorker("expiry", settings.expiry_interval_seconds, follower.expire)
    backfiller = Backfiller(settings, database=database, compiler=compiler, concluder=concluder, clock=clock)
    backfill = PeriodicWorker("backfill", 5, backfiller.step)
    cuts = Cutter(database=database, compiler=compiler, clock=clock, wake_backfill=_waking(backfill))
    cutter = PeriodicWorker("cut-points", 5, cuts.step)
    trait_work = TraitWork(database=database, concluder=concluder, clock=clock, chunk=settings.backfill_chunk)
    trait_worker = PeriodicWorker("trait-work", 5, trait_work.step)
    remark_work = RemarkWork(database=database, concluder=concluder, clock=clock)
    remark_worker = PeriodicWorker("remarks", 5, remark_work.step)
    sources = SourceKeeper(clock=clock, wake_trait_work=_waking(trait_worker))
    identifiers = IdentifierKeeper(concluder=concluder, time_zone=settings.time_zone)
    uses = UseCounter(database=database, clock=clock, zone=zone)
    relations = RelationSweeper(database=database, clock=clock)
    insights = InsightSweeper(database=database, clock=clock)
    anonymiser = Anonymiser(settings, database=database, clock=clock)
    anonymising = PeriodicWorker("anonymising", 5, anonymiser.work)
    handlers: dict[str, dict[type[Any], Handler]] = {  # a handler takes its own type of fact
        stream: {kind: recording(translation, recorder) for kind, translation in translations.items()}
        for stream, translations in TRANSLATIONS.items()
    }
    handlers["identity"] = {  # handled in this order
        IdentifierLinked: identifiers,
        SourceChanged: sources,
        AnchorMoved: moves,
        CustomerErased: erasures,
        **handlers["identity"],
    }
    consumers = consumers_of(
        handlers,
        service=settings.service,
        database=database,
        nats=nats,
        clock=clock,
        metrics=metrics,
        batch=64,  # the more at once, the fewer times a customer is concluded about while there is a backlog
    )
    return Service(
        settings=settings,
        clock=clock,
        metrics=metrics,
        nats=nats,
        database=database,
        routers=[*routers, export_router("profile", Base)],
        workers=[
            *consumers,
            Relay(service=settings.service, database=database, nats=nats, metrics=metrics),
            moves.worker,
            erasures.worker,
            expiry,
            backfill,
            cutter,
            PeriodicWorker("circulation", 5, uses.step),
            PeriodicWorker("sizes", 15, SizeKeeper(database=database).step),
            trait_worker,
            remark_worker,
            PeriodicWorker("relations", 3600, relations.sweep),
            PeriodicWorker("insights", 3600, insights.sweep),
            anonymising,
            PeriodicWorker("anonymised", 3600, anonymiser.sweep),
            janitor(database, clock),
        ],
        checks=[Check("database", database.ping), Check("nats", nats.ping)],
        body_limits={r"POST /v1/insights/[^/]+:import": settings.insight_file_bytes},
        resources={
            "compiler": compiler,
            "previewer": Previewer(settings, compiler=compiler),
            "value_reader": ValueReader(compiler),
            "static_lists": StaticLists(concluder=concluder, clock=clock),
            "recorder": recorder,
            "policy": PolicyKeeper(settings.purchase_event, settings.revenue_property, count=uses.count),
            "wake_backfill": _waking(backfill),
            "wake_cutter": _waking(cutter),
            "insight_imports": Semaphore(2),  # each holds a connection while it reads
            "wake_anonymiser": _waking(anonymising),
            "trait_work": trait_work,
            "wake_trait_work": _waking(trait_worker),
            "wake_remark_work": _waking(remark_worker),
        },
    )


def _waking(worker: PeriodicWorker) -> Callable[[AsyncSession], None]:
    return lambda session: wake_after_commit(session, worker.wake)
