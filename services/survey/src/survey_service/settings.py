"""Survey's settings, read from `SURVEY_*`."""

from pathlib import Path
from typing import ClassVar

from pydantic import field_validator

from servicekit.settings import ServiceSettings, settings_config
from survey_service.rules.links import MINIMUM_KEY_LENGTH


class Settings(ServiceSettings):
    """The common settings, and the keys of the personal links."""

    service: ClassVar[str] = "survey"
    model_config = settings_config("SURVEY_")

    secret_file: Path
    """Keys that sign personal links, one a line, each at least 32 characters. The first signs, all verify: rotate by
    putting a new line on top and removing the old one when its links have expired."""

    @field_validator("secret_file")
    @classmethod
    def _holds_keys(cls, path: Path) -> Path:
        if not path.is_file():
            raise ValueError("There is no such file")
        keys = _keys(path)
        if not keys or any(len(key) < MINIMUM_KEY_LENGTH for key in keys):
            raise ValueError(f"The file needs one key a line, each of at least {MINIMUM_KEY_LENGTH} characters")
        return path

    def link_keys(self) -> list[str]:
        """Return the keys of the personal links, the signing one first."""
        return _keys(self.secret_file)


def _keys(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
