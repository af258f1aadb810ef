"""Survey's composition root: everything it is made of, readable top down."""

from typing import Any
from zoneinfo import ZoneInfo

from contracts.campaign import AnswerRequested
from contracts.identity import AnchorMoved, CustomerErased
from contracts.survey import SurveyCustomerErased
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
from survey_service.handlers import on_answers_requested
from survey_service.models import Base
from survey_service.pages import Pages
from survey_service.routes import commitments, form, questionnaires, responses
from survey_service.rules.links import LinkSigner
from survey_service.service.privacy import forget_form_answers
from survey_service.settings import Settings

PUBLIC = [r"(GET|POST) /f/[^/]+"]
"""The form behind a personal link: the signed token is the credential."""


def build(settings: Settings, clock: Clock | None = None) -> Service:
    """Build the service; nothing is opened or read yet."""
    clock = clock or SystemClock()
    metrics = Metrics()
    database = Database(settings.database_url, pool_size=settings.database_pool_size, application_name="kizuna-survey")
    nats = NatsConnection(settings.nats_url, name="survey")
    zone = ZoneInfo(settings.time_zone)
    links = LinkSigner(settings.link_keys, address=settings.address)
    moves = AnchorMoves(database=database, tables=rows_follow(Base))
    erasures = Erasures(
        database=database,
        base=Base,
        finish=receipt(SurveyCustomerErased, clock=clock, partitions=settings.partitions),
        clock=clock,
        more=[forget_form_answers(links)],
    )
    consumed: dict[str, dict[type[Any], Handler]] = {  # a handler takes its own type of fact
        "identity": {AnchorMoved: moves, CustomerErased: erasures},
        "campaign": {AnswerRequested: on_answers_requested(links=links, clock=clock)},
    }
    consumers = consumers_of(consumed, service="survey", database=database, nats=nats, clock=clock, metrics=metrics)
    return Service(
        settings=settings,
        clock=clock,
        metrics=metrics,
        database=database,
        nats=nats,
        routers=[
            questionnaires.router,
            responses.router,
            commitments.router,
            form.router,
            export_router("survey", Base),
        ],
        workers=[
            *consumers,
            moves.worker,
            erasures.worker,
            Relay(service="survey", database=database, nats=nats, metrics=metrics),
            janitor(database, clock),
        ],
        checks=[Check("database", database.ping), Check("nats", nats.ping)],
        public=PUBLIC,
        resources={"links": links, "pages": Pages(zone=zone), "zone": zone},
    )
