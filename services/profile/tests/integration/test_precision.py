"""How often an outcome follows without the sign: counted in one pass, and equal to a plain count, whatever happened."""

import random
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from services.profile.tests.integration.conftest import START
from services.profile.tests.profile_facts import event
from services.profile.tests.recording import Desk

from contracts.conditions import EventMatch
from profile_service.conditions import Compiler
from profile_service.repository.precision import Events, OthersAt, count_others

SIGN = UUID(int=7)
HOUR = timedelta(hours=1)
Moments = dict[UUID, list[datetime]]


@pytest.mark.parametrize("seed", range(5))
async def test_others_are_counted_as_one_by_one(a_desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    people = [UUID(int=number) for number in range(1, 41)]
    known = {person: START + chance.randrange(200) * HOUR for person in people}
    bought = {
        person: [known[person] + chance.randrange(150) * HOUR for _ in range(chance.randrange(4))] for person in people
    }
    seen = {
        person: sorted({known[person] + chance.randrange(150) * HOUR for _ in range(chance.randrange(3))})
        for person in people
    }
    a_desk.clock.advance(400 * HOUR)
    await a_desk.record([event(person, "Opened", moment) for person, moment in known.items()])
    await a_desk.record([event(person, "Bought", moment) for person, each in bought.items() for moment in each])
    connection = await a_desk.database.connect()
    await connection.executemany(
        "INSERT INTO sign_detections VALUES ($1, $2, $3, $1, 1, $4, 'event')",
        [(person, SIGN, moment, chance.random() < 0.5) for person, each in seen.items() for moment in each],
    )
    await connection.close()
    moments = [START + hours * HOUR for hours in sorted(chance.sample(range(1, 300), 12))]
    horizon, lifetime = (timedelta(hours=chance.randrange(1, 60)) for _ in range(2))
    async with a_desk.database.transaction() as session:
        counted = await count_others(
            session,
            SIGN,
            moments,
            horizon=horizon,
            lifetime=lifetime,
            expected=Events((EventMatch(event="Bought"),), Compiler(promoted={})),
        )
    assert counted == [
        _one_by_one(moment, known=known, bought=bought, seen=seen, horizon=horizon, lifetime=lifetime)
        for moment in moments
    ]
    assert any(each.followed for each in counted)


def _one_by_one(
    moment: datetime,
    *,
    known: dict[UUID, datetime],
    bought: Moments,
    seen: Moments,
    horizon: timedelta,
    lifetime: timedelta,
) -> OthersAt:
    others = [
        person
        for person, since in known.items()
        if since < moment and not any(moment - lifetime < each <= moment + horizon for each in seen[person])
    ]
    followed = [person for person in others if any(moment < each <= moment + horizon for each in bought[person])]
    return OthersAt(len(others), len(followed))
