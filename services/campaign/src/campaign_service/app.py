"""Campaign's composition root: everything it is made of, top to bottom."""

from functools import cache, partial

from campaign_service import handlers, workers
from campaign_service.clients import ProfileReader
from campaign_service.models import Base
from campaign_service.routes import router
from campaign_service.service.runs import Journeying
from campaign_service.settings import Settings
from contracts.campaign import CampaignCustomerErased
from contracts.identity import AnchorMoved, CustomerErased, ResolvedEvent
from servicekit.auth import ServiceTokens
from servicekit.clients import JsonClient
from servicekit.clock import Clock, SystemClock
from servicekit.consumers import Consumer
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
from servicekit.workers import PeriodicWorker

LOOK_FOR_MEMBERS_SECONDS = 5.0


def build(settings: Settings, clock: Clock | None = None) -> Service:
    """Build the service; nothing is opened yet."""
    clock = clock or SystemClock()
    metrics = Metrics()
    database = Database(settings.database_url, pool_size=settings.database_pool_size, application_name=settings.service)
    nats = NatsConnection(settings.nats_url, name=settings.service)
    tokens = ServiceTokens(service=settings.service, key_file=settings.signing_key_file, clock=clock)
    client = JsonClient(settings.profile_url, tokens=tokens, scope="profile:read", timeout_seconds=20)
    profile = ProfileReader(client)

    first_reading = settings.conversion_refresh
    journeying = Journeying(
        coupon_secret=cache(partial(workers.read_coupon_secret, settings.signing_key_file)), first_reading=first_reading
    )
    runs = PeriodicWorker(
        "runs",
        settings.run_poll_seconds,
        partial(workers.advance, database, journeying, clock=clock, limit=settings.run_batch),
    )
    members = PeriodicWorker(
        "members",
        LOOK_FOR_MEMBERS_SECONDS,
        partial(workers.enter_members, database, profile, clock=clock, first_reading=first_reading, wake=runs.wake),
    )
    conversions = PeriodicWorker(
        "conversions",
        settings.conversion_poll_seconds,
        partial(workers.read_purchases, database, profile, clock=clock, interval=settings.conversion_refresh),
    )
    unite = handlers.unite_after_moves(clock=clock, first_reading=first_reading, wake=runs.wake)
    moves = AnchorMoves(database=database, tables=rows_follow(Base), recompute=unite)

    erasures = Erasures(
        database=database,
        base=Base,
        finish=receipt(CampaignCustomerErased, clock=clock, partitions=settings.partitions),
        clock=clock,
    )

    consumer = partial(Consumer, service=settings.service, database=database, nats=nats, clock=clock, metrics=metrics)
    on_event = handlers.event_handler(clock=clock, first_reading=first_reading, wake=runs.wake)
    return Service(
        settings=settings,
        clock=clock,
        metrics=metrics,
        nats=nats,
        database=database,
        routers=[router, export_router("campaign", Base)],
        workers=[
            Relay(service=settings.service, database=database, nats=nats, metrics=metrics),
            consumer(
                stream="identity",
                handlers={AnchorMoved: moves, CustomerErased: erasures, ResolvedEvent: on_event},
                awaited_names={ResolvedEvent: handlers.awaited_events(database)},
            ),
            consumer(
                stream="profile",
                handlers=handlers.segment_handlers(clock=clock, first_reading=first_reading, wake=runs.wake),
            ),
            consumer(stream="delivery", handlers=handlers.message_handlers()),
            consumer(stream="survey", handlers={}),
            moves.worker,
            erasures.worker,
            runs,
            members,
            conversions,
            janitor(database, clock),
        ],
        checks=[Check("database", database.ping), Check("nats", nats.ping)],
        resources={"runs": runs, "members": members, "conversions": conversions},
        closers=[client.close],
    )
