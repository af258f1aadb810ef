"""Whatever is said, taken back, moved and decided in whatever order: the fold is what a plain reading says."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.profile.tests.integration.conftest import START
from services.profile.tests.profile_facts import identify, source_changed
from services.profile.tests.recording import Desk
from services.profile.tests.trait_reading import Said, SourceTold, folded

from profile_service.models import Base
from profile_service.repository import traits as repository
from profile_service.repository.trait_definitions import TraitSpecification
from profile_service.service import traits
from profile_service.service.sources import SourceKeeper
from profile_service.service.traits import WantedRetraction
from servicekit.database import raw
from servicekit.errors import NotFound
from servicekit.tables import rows_follow

LATEST: dict[str, Any] = {"policy": "latest"}
DEFINITIONS: list[dict[str, Any] | None] = [
    None,
    LATEST,
    {"policy": "latest", "type": "text"},
    {"policy": "most_trusted", "trusted": [{"source": "2"}, {"source": "0"}]},
    {"policy": "most_trusted", "trusted": [{"department": "b"}, {"source": "1"}, {"department": "a"}]},
    {"policy": "most_trusted", "trusted": [{"department": "a"}], "type": "number"},
    {"policy": "max", "type": "number"},
    {"policy": "min", "type": "number"},
    {"policy": "max", "type": "date"},
    {"policy": "min", "type": "date"},
    {"policy": "union"},
    {"policy": "union", "type": "list"},
]
NUMBERS = st.integers(0, 2)
VALUES = st.one_of(
    st.none(),
    st.integers(-2, 2),
    st.booleans(),
    st.sampled_from(
        ["2026-01-09", "2026-01-10", "2026-01-10T08:00:00+09:00", "0000-00-00", "2026-13-01", "いいえ", ""]
    ),
    st.lists(st.sampled_from([1, "1", None, "青"]), max_size=3),
)
SAY = st.tuples(st.just("say"), st.sampled_from([0, 0, 0, 1, 2]), NUMBERS, st.integers(0, 4), st.integers(0, 1), VALUES)
TELL = st.tuples(st.just("tell"), NUMBERS, st.integers(1, 3), st.sampled_from("ab"), st.integers(0, 4))
STEPS = st.one_of(
    SAY,
    SAY,
    SAY,
    st.tuples(st.just("define"), st.integers(0, len(DEFINITIONS) - 1)),
    st.tuples(st.just("retract"), st.one_of(st.none(), NUMBERS), NUMBERS, st.integers(0, 4)),
    st.tuples(st.just("move"), NUMBERS, NUMBERS),
    TELL,
    st.tuples(st.just("work")),
)


def _moment(minute: int) -> datetime:
    return START - timedelta(hours=1) + timedelta(minutes=minute)


@dataclass
class World:
    """Three people with an anchor each at first, three sources, one trait; and beside it what a plain reading needs."""

    desk: Desk
    name: str = field(default_factory=lambda: f"体 {uuid4()}")
    people: list[UUID] = field(default_factory=lambda: [uuid4() for _ in range(3)])
    anchors: list[UUID] = field(default_factory=lambda: [uuid4() for _ in range(3)])
    tag: str = field(default_factory=lambda: str(uuid4()))
    owners: dict[UUID, UUID] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    told: list[SourceTold] = field(default_factory=list)
    retracted: set[tuple[UUID | None, str, datetime]] = field(default_factory=set)
    """(anchor, or None for everybody; source; until)."""
    definition: dict[str, Any] = field(default_factory=lambda: LATEST)

    def __post_init__(self) -> None:
        self.owners = dict(zip(self.anchors, self.people, strict=True))

    def source(self, number: int) -> str:
        """A source of this world alone."""
        return f"{number}{self.tag}"

    async def say(self, anchor: int, source: int, minute: int, later: int, value: Any) -> None:
        """A source says something."""
        anchor_id, received_at = self.anchors[anchor], START + timedelta(minutes=later)
        fact = identify(
            self.owners[anchor_id],
            _moment(minute),
            anchor_id=anchor_id,
            source_id=self.source(source),
            received_at=received_at,
            **{self.name: value},
        )
        await self.desk.record([fact])
        self.said.append(Said(anchor_id, fact.source_id, fact.occurred_at, received_at, fact.event_id, value))

    async def define(self, number: int) -> None:
        """The trait gets another definition, or none."""
        wanted = DEFINITIONS[number]
        async with self.desk.database.transaction() as session:
            if wanted is None:
                try:
                    await traits.delete_definition(
                        session, self.name, demanded_revision=None, now=self.desk.clock.now(), wake=lambda _: None
                    )
                except NotFound:
                    return
                self.definition = LATEST
                return
            trusted = [
                {kind: value + self.tag if kind == "source" else value for kind, value in entry.items()}
                for entry in wanted.get("trusted", [])
            ]
            specification = TraitSpecification(
                type=wanted.get("type"),
                policy=wanted["policy"],
                trusted=trusted,
                description=None,
                is_sensitive=False,
                labels=[],
            )
            await traits.put_definition(
                session,
                self.name,
                specification,
                demanded_revision=None,
                now=self.desk.clock.now(),
                wake=lambda _: None,
            )
        self.definition = {**wanted, "trusted": trusted}

    async def retract(self, person: int | None, source: int, minute: int) -> None:
        """A source takes back what it said of somebody, or of everybody."""
        if not any(each.source_id == self.source(source) for each in self.told):
            await self.tell(source, 1, "a", 0)
        held = {each.anchor_id for each in self.said}
        if person is not None and not any(self.owners[anchor] == self.people[person] for anchor in held):
            return
        wanted = WantedRetraction(
            name=self.name,
            source_id=self.source(source),
            customer_id=None if person is None else self.people[person],
            event_id=None,
            until=_moment(minute),
            why="a test",
            asked_by="tester",
        )
        async with self.desk.database.transaction() as session:
            await traits.retract(session, wanted, work=self.desk.trait_work, clock=self.desk.clock, wake=lambda _: None)
        anchors = [None] if person is None else [a for a in held if self.owners[a] == self.people[person]]
        self.retracted |= {(anchor, wanted.source_id, _moment(minute)) for anchor in anchors}

    async def move(self, anchor: int, person: int) -> None:
        """An anchor comes to somebody else, with all its rows at once."""
        anchor_id, former, to = self.anchors[anchor], self.owners[self.anchors[anchor]], self.people[person]
        if former == to:
            return
        async with self.desk.database.transaction() as session:
            connection = await raw(session)
            for table in (name for name, choice in rows_follow(Base).items() if choice == "move"):
                await connection.execute(f"UPDATE {table} SET customer_id = $1 WHERE anchor_id = $2", to, anchor_id)
            await self.desk.follower.recompute(session, [frozenset({former, to})])
        self.owners[anchor_id] = to

    async def tell(self, source: int, version: int, department: str, minute: int) -> None:
        """Identity tells a version of a source, in any order, perhaps again."""
        if any((each.source_id, each.version) == (self.source(source), version) for each in self.told):
            return
        notice = source_changed(self.source(source), department, _moment(minute), version=version)
        keeper = SourceKeeper(clock=self.desk.clock, wake_trait_work=lambda _: None)
        async with self.desk.database.transaction() as session:
            await keeper(session, [notice])
        self.told.append(SourceTold(notice.source_id, version, department, _moment(minute)))

    async def work(self) -> None:
        """One piece of what takes long."""
        await self.desk.trait_work.step()

    def reading(self) -> dict[UUID, tuple[Any, UUID]]:
        """By person, what the trait is by a plain reading; nobody of whom nothing was said."""
        found = {}
        for person in self.people:
            mine = [each for each in self.said if self.owners[each.anchor_id] == person]
            counting = [each for each in mine if not self._is_retracted(each)]
            if mine:
                found[person] = folded(counting, self.definition, self.told)
        return found

    def _is_retracted(self, said: Said) -> bool:
        return any(
            source_id == said.source_id and said.observed_at <= until and anchor_id in {None, said.anchor_id}
            for anchor_id, source_id, until in self.retracted
        )

    async def kept(self) -> dict[UUID, tuple[Any, UUID]]:
        """By person, what is kept in the database."""
        rows = await self.desk.fetch(
            "SELECT customer_id, value, event_id FROM traits WHERE name = $1 AND customer_id = ANY($2)",
            self.name,
            self.people,
        )
        return {row["customer_id"]: (row["value"], row["event_id"]) for row in rows}


@settings(max_examples=35, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.integers(0, len(DEFINITIONS) - 1),
    said=st.lists(st.one_of(SAY, SAY, TELL), min_size=8, max_size=16),
    steps=st.lists(STEPS, min_size=8, max_size=20),
)
async def test_the_fold_is_what_a_plain_reading_says(
    a_desk: Desk, first: int, said: list[tuple[Any, ...]], steps: list[tuple[Any, ...]]
) -> None:
    world = World(a_desk)
    await world.define(first)
    for kind, *arguments in [*said, *steps]:
        await getattr(world, kind)(*arguments)
    await a_desk.work_on_traits()
    assert await world.kept() == world.reading()
    async with a_desk.database.transaction() as session:  # folded anew from everything, it is the same
        for person in world.people:
            await repository.refold_customers(session, [person])
    assert await world.kept() == world.reading()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.lists(st.tuples(NUMBERS, st.integers(0, 4), st.integers(0, 9)), min_size=4, max_size=10),
    told=st.lists(st.tuples(NUMBERS, st.integers(1, 3), st.sampled_from("ab"), st.integers(0, 4)), min_size=4),
    chance=st.randoms(use_true_random=False),
)
async def test_a_word_weighs_what_its_department_of_then_weighs(
    a_desk: Desk, said: list[tuple[int, int, int]], told: list[tuple[int, int, str, int]], chance: Random
) -> None:
    world = World(a_desk)
    await world.define(4)
    steps: list[tuple[Any, ...]] = [("say", 0, source, minute, 0, value) for source, minute, value in said]
    steps += [("tell", *each) for each in told]
    chance.shuffle(steps)
    for kind, *arguments in steps:
        await getattr(world, kind)(*arguments)
    await a_desk.work_on_traits()
    assert await world.kept() == world.reading()
