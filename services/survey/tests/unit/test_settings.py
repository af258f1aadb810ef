"""A missing or weak key is said at the start, in one line."""

from pathlib import Path

import pytest

from servicekit.settings import load_settings
from survey_service.settings import Settings


def environment(monkeypatch: pytest.MonkeyPatch, secret_file: Path) -> None:
    """Set what the service needs, with this key file."""
    for name, value in {"PORT": "1", "NATS_URL": "nats://x", "JWKS_FILE": "x", "SECRET_FILE": str(secret_file)}.items():
        monkeypatch.setenv(f"SURVEY_{name}", value)


@pytest.mark.parametrize("content", [None, "", "short\n", f"{'k' * 32}\nshort\n"])
def test_a_weak_key_file_stops_the_service(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content)
    environment(monkeypatch, file)
    with pytest.raises(SystemExit):
        load_settings(Settings)
    assert "SURVEY_SECRET_FILE" in capsys.readouterr().err


def test_the_first_key_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{'n' * 32}\n\n{'o' * 40}\n")
    environment(monkeypatch, file)
    assert load_settings(Settings).link_keys() == ["n" * 32, "o" * 40]
