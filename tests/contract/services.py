"""The five services as the contract tests see them, and everything that needs no token - listed here, in one place."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from servicekit.service import Build
from servicekit.settings import ServiceSettings

PUBLIC: dict[str, set[str]] = {
    "every service": {"GET /livez", "GET /readyz"},
    # a write key instead of a token (checked apart), and what SDKs ask before they have any
    "identity": {
        *(f"POST /v1/{kind}" for kind in ("identify", "track", "page", "screen", "group", "alias", "batch", "import")),
        *(f"POST /v1/{kind}" for kind in ("i", "t", "p", "s", "g", "a", "b")),
        "GET /v1/projects/{key}/settings",
        "POST /v1/partners/{source_id}/id-syncs",  # signed by the partner
        "POST /v1/partners/{source_id}/remarks",
        "POST /v1/partners/{source_id}/records",
    },
    "profile": set(),
    "campaign": set(),
    # pages and pixels reached by a signed token
    "delivery": {"GET /o/{token}.gif", "GET /c/{token}", "GET /u/{token}", "POST /u/{token}"},
    "survey": {"GET /f/{token}", "POST /f/{token}"},
}
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class TestedService:
    """A service's name, settings and composition root."""

    __test__ = False

    name: str
    settings: type[ServiceSettings]
    build: Build

    @property
    def overrides(self) -> dict[str, Any]:
        """Settings that need a value although nothing is there."""
        nowhere = {"profile_url": "http://127.0.0.1:9", "smtp_url": "smtp://127.0.0.1:9"}
        return {field: value for field, value in nowhere.items() if field in self.settings.model_fields}

    def is_public(self, endpoint: str) -> bool:
        """Whether `METHOD /path` needs no token."""
        return endpoint in PUBLIC["every service"] | PUBLIC[self.name]


def _service(name: str) -> TestedService:
    settings = import_module(f"{name}_service.settings").Settings
    return TestedService(name, settings, import_module(f"{name}_service.app").build)


SERVICES = [_service(name) for name in ("identity", "profile", "campaign", "delivery", "survey")]
