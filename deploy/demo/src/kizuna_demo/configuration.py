"""Sets the platform up by the YAML files in deploy/demo/config, through the public APIs only.

A file holds lists by kind (`sources:`, `segments:`, ...); each entry's `key` is its name, the rest the request's body.
Putting the same thing again changes nothing.
"""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from kizuna_demo.platform import Credentials, Json, Platform, Service
from kizuna_demo.progress import replace_file

CONFIGURATION = Path(__file__).parents[2] / "config"

PLACES: dict[str, tuple[Service, str]] = {
    "sources": ("identity", "/v1/sources"),
    "namespaces": ("identity", "/v1/namespaces"),
    "segments": ("profile", "/v1/segments"),
    "ranks": ("profile", "/v1/ranks"),
    "topics": ("delivery", "/v1/topics"),
    "templates": ("delivery", "/v1/templates"),
    "questionnaires": ("survey", "/v1/questionnaires"),
    "creatives": ("campaign", "/v1/creatives"),
    "campaigns": ("campaign", "/v1/campaigns"),
    "journeys": ("campaign", "/v1/journeys"),
}
"""Kind -> who keeps it, and where."""

Entry = dict[str, Any]  # an entry of a file; its service checks it


def read_configuration(*kinds: str) -> list[tuple[str, Entry]]:
    """(kind, entry) of the files in order of their names; only these kinds, or all."""
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(CONFIGURATION.glob("*.yaml"))]
    return [
        (kind, entry)
        for document in documents
        for kind, entries in document.items()
        for entry in entries
        if not kinds or kind in kinds
    ]


async def apply_configuration(platform: Platform, *kinds: str) -> list[Json]:
    """Put everything of these kinds (or all) where it belongs; returns the services' answers."""
    answers = []
    for kind, entry in read_configuration(*kinds):
        service, place = PLACES[kind]
        body = {name: value for name, value in entry.items() if name != "key"}
        answers.append(await platform.put(service, f"{place}/{entry['key']}", body))
    return answers


async def apply_sources(platform: Platform, credentials_path: Path) -> Credentials:
    """Make the sources and keep their write keys in credentials.json: they are shown only once.

    A source whose key is not known here gets a new one.
    """
    keys = dict(platform.credentials.write_keys)
    for source in await apply_configuration(platform, "sources"):
        source_id = source["source_id"]
        if source.get("write_key"):
            keys[source_id] = source["write_key"]
        elif source_id not in keys:
            keys[source_id] = (await platform.post("identity", f"/v1/sources/{source_id}:rotateKey", {}))["write_key"]
    _keep_write_keys(credentials_path, keys)
    return msgspec.structs.replace(platform.credentials, write_keys=keys)


def _keep_write_keys(path: Path, keys: dict[str, str]) -> None:
    content = msgspec.json.decode(path.read_bytes())
    if content.get("write_keys") != keys:
        content["write_keys"] = keys
        replace_file(path, msgspec.json.format(msgspec.json.encode(content)))
