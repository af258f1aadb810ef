"""Following moves: whoever the rows stood under, in whatever order moves arrive, whatever happens in between."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_service.app import Asked, Base, Moved, SampleSettings, build

from servicekit.database import raw
from servicekit.moves import AnchorMoves, Group, customers_in_motion, groups_of
from servicekit.tables import rows_follow
from servicekit.testing import Environment, RunningService, running

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def asked(customer_id: UUID, anchor_id: UUID) -> Asked:
    return Asked(event_id=uuid4(), customer_id=customer_id, anchor_id=anchor_id, occurred_at=NOW, text="a note")


def move(anchor_id: UUID, *, former: UUID, to: UUID, version: int) -> Moved:
    return Moved(
        event_id=uuid4(),
        customer_id=to,
        former_customer_id=former,
        anchor_id=anchor_id,
        version=version,
        occurred_at=NOW,
    )


class Follower:
    """The moves of a service whose workers rest: stored and followed step by step."""

    def __init__(self, service: RunningService, *, chunk: int = 5) -> None:
        self.service = service
        self.groups: list[Group] = []
        self.moves = self.restarted(chunk=chunk)

    def restarted(self, *, chunk: int) -> AnchorMoves:
        """As it is after a kill: nothing is known but what the database says."""

        async def recompute(_session: object, groups: Sequence[Group]) -> None:
            self.groups.extend(groups)

        return AnchorMoves(database=self.service.database, tables=rows_follow(Base), recompute=recompute, chunk=chunk)

    async def write(self, facts: list[Asked]) -> None:
        """Write notes as they are."""
        async with self.service.database.transaction() as session:
            await (await raw(session)).executemany(
                "INSERT INTO notes (event_id, customer_id, anchor_id, text, occurred_at) VALUES ($1, $2, $3, $4, $5)",
                [(fact.event_id, fact.customer_id, fact.anchor_id, fact.text, fact.occurred_at) for fact in facts],
            )

    async def store(self, *moves: Moved) -> None:
        """Store moves that came in one batch."""
        async with self.service.database.transaction() as session:
            await self.moves(session, list(moves))

    async def step(self) -> bool:
        """One turn of the worker."""
        return await self.moves._follow_some()  # what its worker calls

    async def follow(self) -> None:
        """Until there is nothing left to do."""
        while await self.step():
            pass

    async def holders(self) -> Counter[tuple[UUID, UUID]]:
        """How many notes each (customer, anchor) has."""
        rows = await self.fetch("SELECT customer_id, anchor_id FROM notes")
        return Counter((row["customer_id"], row["anchor_id"]) for row in rows)

    async def in_motion(self, *customers: UUID) -> set[UUID]:
        async with self.service.database.transaction() as session:
            return await customers_in_motion(session, customers)

    async def fetch(self, sql: str) -> list[dict[str, UUID]]:
        async with self.service.database.transaction() as session:
            return [dict(row) for row in await (await raw(session)).fetch(sql)]


@pytest.fixture
async def follower(environment: Environment) -> AsyncIterator[Follower]:
    async with running(build, SampleSettings, environment, workers=False) as service:
        yield Follower(service)


async def test_everybody_an_anchor_left_passed_or_reached_is_concluded_about_once(follower: Follower) -> None:
    first, passed, last, anchor = uuid4(), uuid4(), uuid4(), uuid4()
    await follower.write([asked(first, anchor) for _ in range(3)])
    await follower.store(move(anchor, former=first, to=passed, version=1))
    await follower.store(move(anchor, former=passed, to=last, version=2))  # before the rows followed the first
    assert await follower.in_motion(first, passed, last, uuid4()) == {first, passed, last}
    await follower.follow()
    assert await follower.holders() == {(last, anchor): 3}
    assert follower.groups == [{first, passed, last}]
    assert await follower.in_motion(first, passed, last) == set()


async def test_moves_of_one_batch_pass_everybody_too(follower: Follower) -> None:
    first, passed, last, anchor = uuid4(), uuid4(), uuid4(), uuid4()
    await follower.write([asked(first, anchor)])
    await follower.store(
        move(anchor, former=passed, to=last, version=2), move(anchor, former=first, to=passed, version=1)
    )
    await follower.follow()
    assert await follower.holders() == {(last, anchor): 1}
    assert follower.groups == [{first, passed, last}]


async def test_rows_of_a_customer_nobody_named_are_found_and_so_is_the_customer(follower: Follower) -> None:
    unnamed, former, to, anchor = uuid4(), uuid4(), uuid4(), uuid4()
    await follower.write([asked(unnamed, anchor)])  # the first move, from there to `former`, is late
    await follower.store(move(anchor, former=former, to=to, version=2))
    await follower.follow()
    await follower.store(move(anchor, former=unnamed, to=former, version=1))
    await follower.follow()
    assert await follower.holders() == {(to, anchor): 1}
    assert follower.groups == [{unnamed, former, to}]


async def test_an_anchor_that_moves_again_while_its_rows_follow_arrives_at_the_last(follower: Follower) -> None:
    first, second, third, anchor = uuid4(), uuid4(), uuid4(), uuid4()
    await follower.write([asked(first, anchor) for _ in range(12)])
    await follower.store(move(anchor, former=first, to=second, version=1))
    await follower.step()
    assert await follower.holders() == {(first, anchor): 7, (second, anchor): 5}
    await follower.store(move(anchor, former=second, to=third, version=2))
    assert follower.groups == []
    await follower.follow()
    assert await follower.holders() == {(third, anchor): 12}
    assert follower.groups == [{first, second, third}]


async def test_killed_between_chunks_it_goes_on_where_it_was(follower: Follower) -> None:
    first, second, anchor = uuid4(), uuid4(), uuid4()
    await follower.write([asked(first, anchor) for _ in range(23)])
    await follower.store(move(anchor, former=first, to=second, version=1))
    for _ in range(10):
        follower.moves = follower.restarted(chunk=5)
        await follower.step()
    assert await follower.holders() == {(second, anchor): 23}
    assert follower.groups == [{first, second}]


async def test_a_row_that_somebody_changes_meanwhile_is_not_left_behind(follower: Follower) -> None:
    first, second, anchor = uuid4(), uuid4(), uuid4()
    await follower.write([asked(first, anchor) for _ in range(3)])
    await follower.store(move(anchor, former=first, to=second, version=1))
    writer = await follower.service.database.connect()
    try:
        async with writer.transaction():
            await writer.execute("UPDATE notes SET text = 'changed'")
            following = asyncio.create_task(follower.follow())
            while not await follower.fetch("SELECT FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110  # no event for it
                await asyncio.sleep(0.01)
        await following
    finally:
        await writer.close()
    assert await follower.holders() == {(second, anchor): 3}
    assert len(await follower.fetch("SELECT FROM notes WHERE text = 'changed'")) == 3


async def test_a_small_move_is_done_while_a_big_one_goes_on(follower: Follower) -> None:
    big, small = sorted([uuid4(), uuid4()])  # the big one has the first turn
    left, reached, other, another = uuid4(), uuid4(), uuid4(), uuid4()
    await follower.write([asked(left, big) for _ in range(100)] + [asked(other, small) for _ in range(2)])
    await follower.store(
        move(big, former=left, to=reached, version=1), move(small, former=other, to=another, version=1)
    )
    for _ in range(2):
        await follower.step()
    assert follower.groups == [{other, another}]
    holders = await follower.holders()
    assert holders[another, small] == 2
    assert 0 < holders[reached, big] < 20


async def test_customers_wait_for_all_that_they_share(follower: Follower) -> None:
    big, small = sorted([uuid4(), uuid4()])
    hub, left, other = uuid4(), uuid4(), uuid4()
    await follower.write([asked(left, big) for _ in range(40)] + [asked(other, small)])
    await follower.store(move(big, former=left, to=hub, version=1), move(small, former=other, to=hub, version=1))
    await follower.follow()
    assert follower.groups == [{hub, left, other}]


CUSTOMERS = [UUID(int=number) for number in range(1, 5)]
ANCHORS = [UUID(int=number) for number in range(101, 104)]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("note"), st.sampled_from(ANCHORS), st.integers(1, 4)),
        st.tuples(st.just("move"), st.sampled_from(ANCHORS), st.sampled_from(CUSTOMERS)),
        st.tuples(st.just("step"), st.none(), st.none()),
    ),
    max_size=20,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS, random=st.randoms(use_true_random=False))
async def test_rows_are_where_their_anchors_are_whatever_the_order(
    follower: Follower, steps: list[tuple[str, UUID, int | UUID]], random: object
) -> None:
    """Identity's own order is right; facts and moves arrive in any other, some twice, with steps in between."""
    await follower.fetch("TRUNCATE notes, anchors, moving_customers")
    follower.groups.clear()
    home = dict(zip(ANCHORS, CUSTOMERS, strict=False))
    versions, expected, arriving = dict.fromkeys(ANCHORS, 0), Counter[UUID](), list[Asked | Moved | None]()
    for kind, anchor, what in steps:
        if kind == "note":
            assert isinstance(what, int)
            expected[anchor] += what
            arriving += [asked(home[anchor], anchor) for _ in range(what)]
        elif kind == "move" and isinstance(what, UUID) and what != home[anchor]:
            versions[anchor] += 1
            arriving += [move(anchor, former=home[anchor], to=what, version=versions[anchor])] * 2
            home[anchor] = what
        else:
            arriving.append(None)
    random.shuffle(arriving)  # type: ignore[attr-defined]  # random.Random
    for each in arriving:
        if isinstance(each, Moved):
            await follower.store(each)
        elif each is None:
            await follower.step()
        else:
            mapped = {row["anchor_id"]: row["customer_id"] for row in await follower.fetch("SELECT * FROM anchors")}
            await follower.write([asked(mapped.get(each.anchor_id, each.customer_id), each.anchor_id)])
    await follower.follow()
    assert await follower.holders() == {(home[anchor], anchor): count for anchor, count in expected.items()}
    moved = {home[anchor] for anchor in ANCHORS if versions[anchor]}
    assert moved <= set().union(*follower.groups)


@given(st.lists(st.tuples(st.sampled_from(CUSTOMERS), st.sampled_from(ANCHORS))))
def test_groups_hold_whom_anchors_connect(pairs: list[tuple[UUID, UUID]]) -> None:
    groups = groups_of(pairs)
    assert sorted(customer for group in groups for customer in group) == sorted({customer for customer, _ in pairs})
    for anchor in ANCHORS:
        together = {customer for customer, moved in pairs if moved == anchor}
        assert sum(bool(group & together) for group in groups) == bool(together)
