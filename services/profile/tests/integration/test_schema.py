"""What is committed fits what is built: migrations and models, OpenAPI, tables that follow moves."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from services.profile.tests.integration.conftest import START
from services.profile.tests.profile_facts import purchase
from services.profile.tests.recording import Desk

from profile_service.app import build
from profile_service.conditions import Compiler, Library, expand
from profile_service.models import Base
from profile_service.repository.conclusions import CONDITION
from profile_service.settings import Settings
from servicekit.command import openapi_text
from servicekit.database import load_sql
from servicekit.migrations import differences
from servicekit.tables import rows_follow
from servicekit.testing import RunningService

ROOT = Path(__file__).parents[2]


def test_the_openapi_document_is_the_committed_one() -> None:
    committed = (ROOT / "openapi.json").read_text()
    assert committed == openapi_text(Settings, build), (
        "python -m profile_service openapi > services/profile/openapi.json"
    )


async def test_the_migrations_make_the_models(profile_at_rest: RunningService) -> None:
    assert await asyncio.to_thread(differences, profile_at_rest.database.url, Base.metadata) == []


def test_facts_move_and_conclusions_are_recomputed() -> None:
    assert rows_follow(Base) == {
        "export_readings": "recompute",
        "static_list_members": "move",
        "customer_identifiers": "move",
        "events": "move",
        "trait_observations": "move",
        "retracted_anchors": "move",
        "relation_statements": "move",
        "relations": "recompute",
        "traits": "recompute",
        "customers": "recompute",
        "segment_memberships": "recompute",
        "customer_ranks": "recompute",
        "customer_lifecycle": "recompute",
        "customer_signs": "recompute",
        "sign_detections": "move",
    }


async def test_hot_questions_are_answered_by_indexes_alone(a_desk: Desk) -> None:
    people = [UUID(int=number) for number in range(1, 41)]
    await a_desk.record([purchase(people[n % 40], START - timedelta(hours=n), n) for n in range(2000)])
    connection = await a_desk.database.connect()
    await connection.execute("VACUUM ANALYZE events")
    await connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    tree = {"kind": "event_sum", "event": "Order Completed", "property": "revenue", "comparison": "ge", "value": 1}
    condition = expand(CONDITION.validate_python({**tree, "window": {"days": 1}}), Library())
    compiler = Compiler(promoted={"revenue": "revenue"})
    live, everybody = compiler.live([condition]), compiler.members(condition)
    plan = str(await connection.fetch(f"EXPLAIN {live.sql}", START, people[:3], *live.parameters))
    assert "Index Only Scan using events_customer_name" in plan
    plan = str(await connection.fetch(f"EXPLAIN {everybody.sql}", START, *everybody.parameters))
    assert "Index Only Scan using events_name" in plan
    timeline = load_sql("profile_service", "list_timelines")
    plan = str(await connection.fetch(f"EXPLAIN {timeline}", people, 20, None, None))
    assert "Index Scan Backward using events_pkey" in plan
    await connection.close()
