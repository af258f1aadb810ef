"""The sample service: stores a note per fact or request and says so."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import DateTime
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, col, select

from servicekit.auth import require
from servicekit.clock import Clock, SystemClock
from servicekit.consumers import Consumer, RetryLater
from servicekit.database import Database
from servicekit.erasure import Erasures, receipt
from servicekit.export import export_router
from servicekit.health import Check
from servicekit.http import Body, ClockDependency, IfMatch, Session, TransactionalRoute, check_version, etag
from servicekit.metrics import Metrics
from servicekit.moves import AnchorMoves, Group
from servicekit.nats import NatsConnection
from servicekit.outbox import publish
from servicekit.relay import Relay
from servicekit.service import Service, janitor
from servicekit.settings import ServiceSettings, settings_config
from servicekit.tables import rows_follow, service_base

Base = service_base()


class SampleSettings(ServiceSettings):
    service: ClassVar[str] = "sample"
    model_config = settings_config("SAMPLE_")


class NoteRow(Base, table=True):  # type: ignore[valid-type,misc,call-arg]  # the base is made by a function
    __tablename__ = "notes"
    __rows_follow__ = "move"

    event_id: UUID = Field(primary_key=True)
    customer_id: UUID = Field(index=True)
    anchor_id: UUID = Field(index=True)
    text: str
    occurred_at: datetime = Field(sa_type=DateTime(timezone=True))


class MoodRow(Base, table=True):  # type: ignore[valid-type,misc,call-arg]  # the base is made by a function
    __tablename__ = "moods"
    __rows_follow__ = "recompute"

    customer_id: UUID = Field(primary_key=True)
    mood: str


class Noted(BaseModel):
    fact_type: ClassVar[str] = "sample.note.noted.v1"
    event_id: UUID
    customer_id: UUID
    anchor_id: UUID
    occurred_at: AwareDatetime
    text: str = ""
    more: Any = None  # free JSON


class Asked(Noted):
    fact_type: ClassVar[str] = "asking.note.asked.v1"


class Moved(Noted):
    fact_type: ClassVar[str] = "asking.anchor.moved.v1"
    former_customer_id: UUID
    version: int


class Erased(Noted):
    fact_type: ClassVar[str] = "asking.customer.erased.v1"
    erasure_id: UUID
    former_customer_ids: list[UUID] = []


class SampleErased(Noted):
    fact_type: ClassVar[str] = "sample.customer.erased.v1"
    erasure_id: UUID
    rows: dict[str, int]


class NewNote(Body):
    customer_id: UUID
    text: str = Field(max_length=100)


router = APIRouter(prefix="/v1", route_class=TransactionalRoute)


@router.post("/notes", status_code=201, dependencies=[Depends(require("sample:write"))])
async def create_note(body: NewNote, session: Session, clock: ClockDependency) -> dict[str, str]:
    """Store a note."""
    fact = Noted(
        event_id=uuid4(),
        customer_id=body.customer_id,
        anchor_id=body.customer_id,
        occurred_at=clock.now(),
        text=body.text,
    )
    await keep(session, [fact])
    return {"event_id": str(fact.event_id)}


@router.put("/versions/{version}", dependencies=[Depends(require("sample:write"))])
async def put_version(version: int, demanded: IfMatch, response: Response) -> dict[str, int]:
    """Pretend that `version` is the present one."""
    check_version(version, demanded)
    etag(response, version + 1)
    return {"version": version + 1}


@router.get("/notes", dependencies=[Depends(require("sample:read"))])
async def list_notes(session: Session) -> list[str]:
    """List the notes' texts."""
    return [note.text for note in (await session.scalars(select(NoteRow).order_by(col(NoteRow.occurred_at)))).all()]


@router.get("/explode", dependencies=[Depends(require("sample:read"))])
async def explode() -> None:
    """Fail in a way nobody foresaw."""
    raise RuntimeError("taro@example.jp must not be shown")


async def keep(session: AsyncSession, facts: list[Noted]) -> None:
    for fact in facts:
        session.add(NoteRow(**fact.model_dump()))
    await session.flush()
    await publish(session, [Noted.model_validate(fact.model_dump() | {"event_id": uuid4()}) for fact in facts])


class Trouble:
    """What the handler shall fail on; tests set it."""

    poison_text = "poison"
    transient_failures = 0


def build(settings: SampleSettings, clock: Clock | None = None) -> Service:
    clock = clock or SystemClock()
    metrics = Metrics()
    database = Database(settings.database_url)
    nats = NatsConnection(settings.nats_url, name=settings.service)
    trouble = Trouble()
    recomputed: list[Group] = []

    async def on_asked(session: AsyncSession, facts: list[Asked]) -> None:
        if trouble.transient_failures:
            trouble.transient_failures -= 1
            raise RetryLater
        if any(fact.text == trouble.poison_text for fact in facts):
            raise ValueError("poison")
        await keep(session, list(facts))

    async def recompute(session: AsyncSession, groups: Sequence[Group]) -> None:
        recomputed.extend(groups)

    erasures = Erasures(
        database=database,
        base=Base,
        finish=receipt(SampleErased, clock=clock, partitions=settings.partitions),
        clock=clock,
        chunk=10,
    )
    moves = AnchorMoves(database=database, tables=rows_follow(Base), recompute=recompute, chunk=10)
    consumer = Consumer(
        stream="asking",
        service="sample",
        handlers={Asked: on_asked, Moved: moves, Erased: erasures},
        database=database,
        nats=nats,
        clock=clock,
        metrics=metrics,
    )
    return Service(
        settings=settings,
        clock=clock,
        metrics=metrics,
        nats=nats,
        database=database,
        routers=[router, export_router("sample", Base)],
        workers=[
            Relay(service="sample", database=database, nats=nats, metrics=metrics),
            consumer,
            moves.worker,
            erasures.worker,
            janitor(database, clock),
        ],
        checks=[Check("database", database.ping), Check("nats", nats.ping)],
        resources={"trouble": trouble, "consumer": consumer, "recomputed": recomputed, "erasures": erasures},
    )
