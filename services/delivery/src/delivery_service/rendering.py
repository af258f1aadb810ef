"""Liquid templates, strictly limited: no files, no partials, bounded output, loops, values and work (R11).

What a template may use: `traits.*`, `variables.*`, `links.<label>`, `sender.name`, `sender.address`,
`sender.postal_address`, `unsubscribe_url`, `survey_url`. In HTML every value is escaped.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from liquid import Environment
from liquid.context import RenderContext
from liquid.exceptions import LiquidError
from liquid.static_analysis import Variable
from liquid.template import BoundTemplate

from delivery_service.rules import missing_disclosures
from delivery_service.schemas import TemplateBody

ROOT_NAMES = frozenset({"traits", "variables", "links", "sender", "unsubscribe_url", "survey_url"})

_MAX_OUTPUT_BYTES = 512_000
_MAX_LOCALS_BYTES = 200_000
_MAX_VALUE_CHARACTERS = 200_000
_MAX_ELEMENTS = 10_000
_MAX_INTEGER_BITS = 256
_MAX_ITERATIONS = 10_000
_ITERATIONS_TIMES_SOURCE = 20_000_000  # a long template may loop less: bounds the nodes rendered to some 1.2 million
_FILTER_WORK = 2_000_000  # characters and elements that all filters of one rendering may touch


class TemplateError(Exception):
    """The template cannot be used: `part` is subject, text or html; the message holds no customer's data."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part}: {reason}")
        self.part = part
        self.reason = reason


class _Exhausted(LiquidError):
    """A rendering went past a limit."""

    def __init__(self, what: str) -> None:
        super().__init__(what, token=None)


class _BoundedContext(RenderContext):
    """Counts iterations over the whole rendering, not only over nested loops as the library does."""

    __slots__ = ()

    def raise_for_loop_limit(self, length: int = 1) -> None:
        super().raise_for_loop_limit(length)
        environment = self.env
        assert isinstance(environment, BoundedEnvironment)
        environment.spend_iterations(length)


class _BoundedTemplate(BoundTemplate):
    context_class = _BoundedContext


class BoundedEnvironment(Environment):
    """A Liquid environment whose renderings cannot read files nor exhaust the process."""

    template_class = _BoundedTemplate
    output_stream_limit = _MAX_OUTPUT_BYTES
    local_namespace_limit = _MAX_LOCALS_BYTES
    loop_iteration_limit = _MAX_ITERATIONS

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape)
        for tag in ("include", "render"):
            del self.tags[tag]
        for name in ("safe", "strip_html"):  # values stay escaped; that expression's time is quadratic
            del self.filters[name]
        self.filters = {name: self._bounded(name, function) for name, function in self.filters.items()}
        self._iterations_left = 0
        self._work_left = 0

    def start(self, source_length: int) -> None:
        """Grant one rendering its budget."""
        self._iterations_left = min(_MAX_ITERATIONS, _ITERATIONS_TIMES_SOURCE // max(1, source_length))
        self._work_left = _FILTER_WORK

    def spend_iterations(self, count: int) -> None:
        """Take iterations from the budget."""
        self._iterations_left -= count
        if self._iterations_left < 0:
            raise _Exhausted("too many loop iterations")

    def _spend_work(self, value: object) -> None:
        size = _size(value)
        if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
            raise _Exhausted("a number is too large")
        if size > (_MAX_VALUE_CHARACTERS if isinstance(value, str) else _MAX_ELEMENTS):
            raise _Exhausted("a value is too large")
        self._work_left -= size + 1
        if self._work_left < 0:
            raise _Exhausted("too much work")

    def _bounded(
        self, name: str, function: Callable[..., Any]
    ) -> Callable[..., Any]:  # the library's filters are untyped
        @wraps(function)  # keeps the library's mark that a filter wants its environment
        def bounded(*arguments: Any, **keywords: Any) -> Any:
            for argument in arguments:
                self._spend_work(argument)
            grown = _grown_size(name, arguments)
            if grown > _MAX_VALUE_CHARACTERS:
                raise _Exhausted("a value is too large")
            result = function(*arguments, **keywords)
            self._spend_work(result)
            return result

        return bounded


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | list | tuple | range | dict) else 1


def _grown_size(name: str, arguments: tuple[object, ...]) -> int:
    """Return what a filter that multiplies would make, before it does."""
    if name == "join" and len(arguments) > 1:
        return _size(arguments[0]) * len(str(arguments[1]))
    if name == "replace" and len(arguments) > 2:
        text, sought, replacement = (str(argument) for argument in arguments[:3])
        return text.count(sought) * len(replacement)
    return 0


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's words."""

    subject: str
    text: str
    html: str


class CompiledTemplate:
    """One version of a template, parsed and checked once, rendered often."""

    def __init__(self, definition: TemplateBody, *, plain: BoundedEnvironment, escaping: BoundedEnvironment) -> None:
        """Parse the three parts.

        Raises:
            TemplateError: Liquid does not parse, or uses a name that is not offered.
        """
        self.definition = definition
        self._subject = _parse(plain, "subject", definition.subject)
        self._text = _parse(plain, "text", definition.text)
        self._html = _parse(escaping, "html", definition.html)
        self._check_names()
        self.trait_names = self._used_traits()
        self._sender = {
            "name": definition.sender_name,
            "address": definition.sender_address,
            "postal_address": definition.postal_address,
        }
        self._disclosures = [definition.sender_name, definition.postal_address]

    def _check_names(self) -> None:
        labels = {link.label for link in self.definition.links}
        for part, (template, _) in self._parts().items():
            analysis = template.analyze()
            for unknown in sorted(analysis.filters.keys() - template.env.filters.keys()):
                raise TemplateError(part, f"There is no filter `{unknown}`.")
            for unknown in sorted(analysis.globals.keys() - ROOT_NAMES):
                raise TemplateError(part, f"There is no `{unknown}`. Use one of {', '.join(sorted(ROOT_NAMES))}.")
            for label in _named_below(analysis.globals.get("links", [])):
                if label is not None and label not in labels:
                    raise TemplateError(part, f"There is no link labelled `{label}`.")

    def _used_traits(self) -> frozenset[str] | None:
        """Return the traits' names it reads; None: any, because it computes a name."""
        names: set[str] = set()
        for template, _ in self._parts().values():
            for name in _named_below(template.analyze().globals.get("traits", [])):
                if name is None:
                    return None
                names.add(name)
        return frozenset(names)

    def _parts(self) -> dict[str, tuple[BoundTemplate, int]]:
        return {"subject": self._subject, "text": self._text, "html": self._html}

    def render(
        self,
        *,
        traits: Mapping[str, object],
        variables: Mapping[str, object],
        links: Mapping[str, str],
        unsubscribe_url: str,
        pixel_url: str | None,
    ) -> Rendered:
        """Render subject, text and HTML; the pixel goes to the end of the HTML.

        Raises:
            TemplateError: a limit was passed, or advertising would go out without what the law wants shown.
        """
        context = {
            "traits": traits,
            "variables": variables,
            "links": links,
            "sender": self._sender,
            "unsubscribe_url": unsubscribe_url,
            "survey_url": variables.get("survey_url", ""),
        }
        rendered = Rendered(
            subject=_render("subject", self._subject, context),
            text=_render("text", self._text, context),
            html=_render("html", self._html, context),
        )
        if self.definition.category == "advertising":
            self._check_disclosures(rendered, unsubscribe_url)
        if pixel_url is None:
            return rendered
        return Rendered(rendered.subject, rendered.text, _with_pixel(rendered.html, pixel_url))

    def _check_disclosures(self, rendered: Rendered, unsubscribe_url: str) -> None:
        wanted = [*self._disclosures, unsubscribe_url]
        for part, shown in (("text", rendered.text), ("html", html.unescape(rendered.html))):
            missing = missing_disclosures([shown], wanted)
            if missing:
                names = ["the sender's name", "the postal address", "the opt-out link (unsubscribe_url)"]
                said = ", ".join(name for name, value in zip(names, wanted, strict=True) if value in missing)
                raise TemplateError(part, f"Advertising mail must show {said} (特定電子メール法 Art. 4).")


class TemplateCompiler:
    """Compiles templates and remembers the latest used ones by (key, version)."""

    def __init__(self, *, remembered: int = 200) -> None:
        self._plain = BoundedEnvironment(autoescape=False)
        self._escaping = BoundedEnvironment(autoescape=True)
        self._remembered = remembered
        self._compiled: dict[tuple[str, int], CompiledTemplate] = {}

    def compile(self, definition: TemplateBody) -> CompiledTemplate:
        """Parse a definition.

        Raises:
            TemplateError: it cannot be used.
        """
        return CompiledTemplate(definition, plain=self._plain, escaping=self._escaping)

    def known(self, key: str, version: int) -> CompiledTemplate | None:
        """Return a version compiled earlier."""
        return self._compiled.get((key, version))

    def remember(self, key: str, version: int, compiled: CompiledTemplate) -> None:
        """Keep a compiled version; versions never change, so it stays right."""
        if len(self._compiled) >= self._remembered:
            self._compiled.pop(next(iter(self._compiled)))
        self._compiled[key, version] = compiled


def check_template(definition: TemplateBody, compiler: TemplateCompiler) -> None:
    """Render once without any customer's data, so that a template that cannot be sent is refused when it is written.

    Raises:
        TemplateError: it cannot.
    """
    compiler.compile(definition).render(
        traits={},
        variables={},
        links={link.label: link.url for link in definition.links},
        unsubscribe_url="https://example.com/u/sample",
        pixel_url=None,
    )


def _named_below(variables: Sequence[Variable]) -> list[str | None]:
    """Return the second segment of paths like `traits.name`; None where it is computed or absent."""
    seconds = [variable.segments[1] if len(variable.segments) > 1 else None for variable in variables]
    return [second if isinstance(second, str) else None for second in seconds]


def _parse(environment: BoundedEnvironment, part: str, source: str) -> tuple[BoundTemplate, int]:
    try:
        return environment.from_string(source), len(source)
    except LiquidError as error:
        raise TemplateError(part, f"Liquid: {error.message}") from None


def _render(part: str, parsed: tuple[BoundTemplate, int], context: Mapping[str, object]) -> str:
    template, length = parsed
    environment = template.env
    assert isinstance(environment, BoundedEnvironment)
    environment.start(length)
    try:
        return template.render(context)
    except _Exhausted as error:
        raise TemplateError(part, str(error.message)) from None
    except Exception as error:  # noqa: BLE001 - a filter may raise anything; its message could hold a customer's data
        raise TemplateError(part, f"rendering failed ({type(error).__name__})") from None


def _with_pixel(body: str, url: str) -> str:
    pixel = f'<img src="{html.escape(url)}" width="1" height="1" alt="">'
    at = body.lower().rfind("</body>")
    return body[:at] + pixel + body[at:] if at >= 0 else body + pixel
