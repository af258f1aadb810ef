"""What is committed is what the code does: the OpenAPI document and the migrations."""

from pathlib import Path

from servicekit.command import openapi_text
from servicekit.migrations import differences
from servicekit.testing import RunningService
from survey_service.app import build
from survey_service.models import Base
from survey_service.settings import Settings


def test_the_committed_openapi_document_is_current() -> None:
    committed = Path(__file__).parents[2] / "openapi.json"
    assert committed.read_text(encoding="utf-8") == openapi_text(Settings, build), (
        "Write it anew: python -m survey_service openapi > services/survey/openapi.json"
    )


def test_the_migrations_make_what_the_models_say(survey: RunningService) -> None:
    assert differences(survey.database.url, Base.metadata) == []
