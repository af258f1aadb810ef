"""Configuration as code: YAML documents brought to the services through their public APIs.

A document is `{kind, key, spec}`. It becomes `PUT <service>/v1/<plural>/<key>` with the spec as the body, unless the
service holds the same already; with `publish: true` also `POST <service>/v1/<plural>/<key>:publish`. Of some kinds
there is one thing only: its key is `default`, and it becomes `PUT <service>/v1/<name>`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx
import yaml

from kizuna_local.errors import LauncherError
from kizuna_local.home import read_json, write_private

COLLECTIONS = {
    "Namespace": ("identity", "namespaces"),
    "Source": ("identity", "sources"),
    "Agreement": ("identity", "agreements"),
    "Trait": ("profile", "traits"),
    "ComputedTrait": ("profile", "computed-traits"),
    "CutPoints": ("profile", "cut-points"),
    "Ranks": ("profile", "ranks"),
    "Segment": ("profile", "segments"),
    "Sign": ("profile", "signs"),
    "RemarkTopic": ("profile", "remark-topics"),
    "Insight": ("profile", "insights"),
    "Topic": ("delivery", "topics"),
    "Template": ("delivery", "templates"),
    "Questionnaire": ("survey", "questionnaires"),
    "Creative": ("campaign", "creatives"),
    "Campaign": ("campaign", "campaigns"),
    "Journey": ("campaign", "journeys"),
}
SINGLE = {
    "Rfm": ("profile", "rfm"),
    "Lifecycle": ("profile", "lifecycle"),
    "NextCategories": ("profile", "next-categories"),
    "Policy": ("profile", "policy"),
}
"""Kinds of which there is one thing, whose key is `default`."""
ONLY_KEY = "default"
KINDS = (*COLLECTIONS, *SINGLE)
PUBLISHED = ("Segment", "Sign", "Journey")
FIELDS = {"kind", "key", "spec", "publish"}
Json = Mapping[str, Any]  # Any: a JSON object


@dataclass(frozen=True)
class Document:
    """One thing that should exist, from one place in a file."""

    kind: str
    key: str
    spec: Json
    publish: bool = False
    place: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


@dataclass(frozen=True)
class Change:
    """What applying a document did, or would do. `difference` is for people: lines with - and +."""

    document: Document
    action: Literal["create", "change", "none"]
    difference: Sequence[str] = field(default=())


def read_documents(file: Path) -> list[Document]:
    """Read every document of a YAML file. Raises LauncherError that names the place of a mistake."""
    try:
        with file.open(encoding="utf-8") as opened:
            loaded = list(yaml.safe_load_all(opened))
    except yaml.YAMLError as error:
        raise LauncherError(f"{file} is not YAML: {' '.join(str(error).split())}.") from error
    return [
        _parse(content, place=f"{file}, document {number}")
        for number, content in enumerate(loaded, start=1)
        if content is not None
    ]


def _parse(content: object, *, place: str) -> Document:
    if not isinstance(content, dict):
        raise LauncherError(f"{place}: a document is a mapping with kind, key and spec.")
    unknown = set(content) - FIELDS
    kind, key, spec, publish = (
        content.get("kind"),
        content.get("key"),
        content.get("spec"),
        content.get("publish", False),
    )
    if unknown:
        raise LauncherError(f"{place}: unknown field {', '.join(sorted(map(str, unknown)))}.")
    if kind not in KINDS:
        raise LauncherError(f"{place}: kind is {kind!r}; there are {', '.join(KINDS)}.")
    if not isinstance(key, str) or not key:
        raise LauncherError(f"{place}: key is missing; it is a text.")
    if kind in SINGLE and key != ONLY_KEY:
        raise LauncherError(f"{place}: key is {key!r}; there is one {kind} only, and its key is {ONLY_KEY}.")
    if not isinstance(spec, dict):
        raise LauncherError(f"{place}: spec is missing; it is a mapping.")
    if not isinstance(publish, bool) or (publish and kind not in PUBLISHED):
        raise LauncherError(f"{place}: publish is true or false, and only for {', '.join(PUBLISHED)}.")
    return Document(kind=kind, key=key, spec=_as_json(spec), publish=publish, place=place)


def _as_json(spec: Json) -> Json:
    """YAML reads dates as dates; in JSON they are texts."""
    converted: Json = json.loads(json.dumps(spec, default=str))
    return converted


class Applier:
    """Applies documents with the credentials that the launcher wrote, and keeps new write keys there."""

    def __init__(self, client: httpx.Client, credentials_file: Path) -> None:
        credentials = read_json(credentials_file)
        if credentials is None:
            raise LauncherError(f"{credentials_file} is missing. Start the platform first: `kizuna up`.")
        self._client = client
        self._credentials: dict[str, Any] = credentials  # Any: a JSON document
        self._credentials_file = credentials_file
        self._headers = {"Authorization": f"Bearer {credentials['token']}"}

    def apply(self, documents: Sequence[Document], *, dry_run: bool = False) -> Iterator[Change]:
        """Apply one after the other, in the order given, telling each change. Raises LauncherError and stops there."""
        for document in documents:
            current, etag = self._read(document)
            change = compare(document, current)
            if not dry_run:
                if change.action != "none":
                    self._write(document, etag=etag)
                if document.publish and not _is_published(current, change):
                    self._publish(document)
            yield change

    def _read(self, document: Document) -> tuple[Json | None, str | None]:
        answer = self._ask("GET", document)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None, None
        self._refuse_errors(answer, document)
        current: Json = answer.json()
        return current, answer.headers.get("ETag")

    def _write(self, document: Document, *, etag: str | None) -> None:
        headers = {"If-Match": etag} if etag else {}
        answer = self._ask("PUT", document, json=document.spec, headers=headers)
        self._refuse_errors(answer, document)
        write_key = answer.json().get("write_key") if answer.content else None
        if document.kind == "Source" and write_key:
            self._credentials.setdefault("write_keys", {})[document.key] = write_key
            write_private(self._credentials_file, json.dumps(self._credentials, indent=2) + "\n")

    def _publish(self, document: Document) -> None:
        self._refuse_errors(self._ask("POST", document, suffix=":publish"), document)

    def _ask(
        self,
        method: str,
        document: Document,
        *,
        suffix: str = "",
        json: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        service, path = place_of(document)
        url = f"{self._credentials[service]}/v1/{path}{suffix}"
        try:
            return self._client.request(method, url, json=json, headers={**self._headers, **(headers or {})})
        except httpx.HTTPError as error:
            raise LauncherError(f"{service} does not answer at {url} ({error}). `kizuna status` shows why.") from error

    def _refuse_errors(self, answer: httpx.Response, document: Document) -> None:
        if answer.is_success:
            return
        raise LauncherError(f"{document.place}: {document} was refused ({answer.status_code}): {problem_text(answer)}")


def place_of(document: Document) -> tuple[str, str]:
    """The service that holds it, and where below `/v1/`."""
    if document.kind in SINGLE:
        return SINGLE[document.kind]
    service, plural = COLLECTIONS[document.kind]
    return service, f"{plural}/{quote(document.key, safe='')}"


def compare(document: Document, current: Json | None) -> Change:
    """What must change so that `current` holds everything that the document says.

    What the service adds of its own (defaults, versions, times) is no difference.
    """
    if current is None:
        return Change(document, "create", _difference({}, document.spec))
    held = _restrict(_held_spec(current), document.spec)
    if held == document.spec:
        return Change(document, "none")
    return Change(document, "change", _difference(held, document.spec))


def _held_spec(current: Json) -> Json:
    """A service answers with the spec's fields beside its own, or with them below `spec` or `definition`."""
    held = (current.get(name) for name in ("spec", "definition"))
    return next((spec for spec in held if isinstance(spec, dict)), current)


def _restrict(held: Any, wanted: Any) -> Any:  # Any: any JSON value
    """`held` with only those fields that `wanted` has, at every depth."""
    if isinstance(held, dict) and isinstance(wanted, dict):
        return {name: _restrict(held[name], value) for name, value in wanted.items() if name in held}
    if isinstance(held, list) and isinstance(wanted, list) and len(held) == len(wanted):
        return [_restrict(one, other) for one, other in zip(held, wanted, strict=True)]
    return held


def _difference(held: Json, wanted: Json) -> list[str]:
    before, after = (
        yaml.safe_dump(one, allow_unicode=True, sort_keys=True).splitlines() if one else [] for one in (held, wanted)
    )
    return list(unified_diff(before, after, lineterm="", n=1))[2:]


def _is_published(current: Json | None, change: Change) -> bool:
    """Whether the service already runs what it holds; a changed document must be published again."""
    return change.action == "none" and current is not None and current.get("status") == "published"


def problem_text(answer: httpx.Response) -> str:
    """The problem document's text, with the fields it names."""
    try:
        problem = answer.json()
        named = [
            f"{item.get('field', item.get('loc', ''))}: {item.get('detail', item.get('msg', ''))}"
            for item in problem.get("errors", [])
        ]
        return "; ".join([str(problem.get("detail") or problem.get("title") or answer.reason_phrase), *named])
    except (ValueError, AttributeError):
        return answer.reason_phrase
