"""What a journey is: its trigger, who may enter again, and a graph of steps."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.campaign import Channel
from contracts.conditions import Name, PropertyFilter
from contracts.relations import FOR_ONE_PURPOSE

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Variable = str | bool | int | Annotated[float, Field(allow_inf_nan=False)]
MAX_VARIABLES_BYTES = 4096


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SegmentTrigger(_Part):
    """A run starts when the customer enters the segment."""

    kind: Literal["segment_entered"]
    segment_key: Key
    include_current_members: bool = False
    """Who is a member already when the journey (or the segment) is published enters too."""
    exit_on_segment_exit: bool = False
    """A run ends as soon as its customer leaves the segment."""


class EventTrigger(_Part):
    """A run starts when the customer does something."""

    kind: Literal["event"]
    event: Name
    where: Annotated[list[PropertyFilter], Field(max_length=10)] = []

    @model_validator(mode="after")
    def _keeps_to_the_purpose(self) -> Self:
        if self.where and self.event in FOR_ONE_PURPOSE:
            raise ValueError("what this event says is for one purpose: take a segment that asks for it by its purpose")
        return self


class SignTrigger(_Part):
    """A run starts when a sign is detected in the customer; what is merely renewed starts none."""

    kind: Literal["sign"]
    sign_key: Key
    include_current: bool = False
    """Whoever shows it already when the sign is published enters too (while the journey is published)."""


Trigger = Annotated[SegmentTrigger | EventTrigger | SignTrigger, Field(discriminator="kind")]


class Reentry(_Part):
    """Who had a run may have another: never (`once`), or when the last one started `after_days` days ago."""

    once: bool = False
    after_days: Annotated[int, Field(ge=1, le=3660)] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.once == (self.after_days is not None):
            raise ValueError('say either {"once": true} or {"after_days": N}')
        return self

    @property
    def pause(self) -> timedelta | None:
        """How long after a run's start the next may start; None: never."""
        return None if self.after_days is None else timedelta(days=self.after_days)


class _Step(_Part):
    key: Key


class _StepWithNext(_Step):
    next: Key | None = None
    """The step that follows; without one the run ends here."""


class HoldoutStep(_StepWithNext):
    """`percent` of the customers get nothing, so that the effect on the others can be measured."""

    kind: Literal["holdout"]
    percent: Annotated[float, Field(ge=0, le=100)]
    salt: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """Journeys with the same salt and percent hold out the same customers; by default the campaign's key."""


class WaitStep(_StepWithNext):
    """The run rests for `duration_seconds`, or for `days` days of 24 hours."""

    kind: Literal["wait"]
    duration_seconds: Annotated[int, Field(ge=1, le=366 * 24 * 3600)] | None = None
    days: Annotated[int, Field(ge=1, le=3660)] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.duration_seconds is None) == (self.days is None):
            raise ValueError("say either duration_seconds or days")
        return self

    @property
    def duration(self) -> timedelta:
        """How long the run rests."""
        return timedelta(seconds=self.duration_seconds or 0, days=self.days or 0)


class Coupon(_Part):
    """Each run gets its own code, which can be redeemed once."""

    kind: Literal["single_use"] = "single_use"
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,16}$")]


class SendStep(_StepWithNext):
    """Ask delivery for one message, if the customer permits the topic."""

    kind: Literal["send"]
    channel: Channel
    template_key: Key
    topic: Key
    variables: Annotated[dict[Name, Variable], Field(max_length=50)] = {}
    coupon: Coupon | None = None

    @model_validator(mode="after")
    def _variables_are_small(self) -> Self:
        if len(json.dumps(self.variables, ensure_ascii=False).encode()) > MAX_VARIABLES_BYTES:
            raise ValueError(f"variables may hold {MAX_VARIABLES_BYTES} bytes in all")
        if self.coupon is not None and "coupon" in self.variables:
            raise ValueError("the variable `coupon` is the coupon's code")
        return self


class AskStep(_StepWithNext):
    """Ask survey to invite the customer to a questionnaire."""

    kind: Literal["ask"]
    questionnaire_key: Key
    channel: Channel
    template_key: Key
    topic: Key
    expires_days: Annotated[int, Field(ge=1, le=366)]


class EndStep(_Step):
    """The run is over."""

    kind: Literal["end"]

    @property
    def next(self) -> None:
        """Nothing follows."""


Step = Annotated[HoldoutStep | WaitStep | SendStep | AskStep | EndStep, Field(discriminator="kind")]


class Definition(_Part):
    """A journey's graph. A run begins at the first step."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    campaign_key: Key
    trigger: Trigger
    reentry: Reentry = Reentry(once=True)
    steps: Annotated[list[Step], Field(min_length=1, max_length=100)]

    def step(self, key: str) -> Step:
        """Return the step of that key. KeyError when there is none."""
        for step in self.steps:
            if step.key == key:
                return step
        raise KeyError(key)

    @property
    def has_holdout(self) -> bool:
        """Whether some customers are held out."""
        return any(step.kind == "holdout" for step in self.steps)


Problem = tuple[str, str]
"""The path of what is wrong, e.g. `steps.2.next`, and why."""


def problems(definition: Definition) -> list[Problem]:
    """List what is wrong with the graph as a whole; empty when a run can follow it."""
    steps = definition.steps
    unstorable = [*_unstorable(definition.model_dump(mode="json"), ())]
    return unstorable or (
        [*_repeated_keys(steps)]
        or [*_unknown_references(steps)]
        or [*_unreachable(steps), *_loops(steps), *_holdouts(steps)]
    )


def _unstorable(part: object, path: tuple[str, ...]) -> Iterator[Problem]:
    """PostgreSQL stores every character but U+0000."""
    if isinstance(part, str) and "\x00" in part:
        yield ".".join(path), "The character U+0000 cannot be stored."
    elif isinstance(part, dict):
        for name, value in part.items():
            yield from _unstorable(name, path)
            yield from _unstorable(value, (*path, name.replace("\x00", "")))
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from _unstorable(value, (*path, str(index)))


def _repeated_keys(steps: Sequence[Step]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, step in enumerate(steps):
        if step.key in seen:
            yield f"steps.{index}.key", f"Another step is called {step.key} already."
        seen.add(step.key)


def _unknown_references(steps: Sequence[Step]) -> Iterator[Problem]:
    keys = {step.key for step in steps}
    for index, step in enumerate(steps):
        if step.next is not None and step.next not in keys:
            yield f"steps.{index}.next", f"There is no step called {step.next}."


def _path(steps: Sequence[Step]) -> list[int]:
    """Indices of the steps a run visits, in order, each once; references are good."""
    index_of = {step.key: index for index, step in enumerate(steps)}
    path: list[int] = []
    index: int | None = 0
    while index is not None and index not in path:
        path.append(index)
        following = steps[index].next
        index = index_of[following] if following is not None else None
    return path


def _unreachable(steps: Sequence[Step]) -> Iterator[Problem]:
    reached = set(_path(steps))
    for index, step in enumerate(steps):
        if index not in reached:
            yield f"steps.{index}", f"No run ever reaches the step {step.key}."


def _loops(steps: Sequence[Step]) -> Iterator[Problem]:
    path = _path(steps)
    last = steps[path[-1]]
    if last.next is None:
        return
    loop = path[[steps[index].key for index in path].index(last.next) :]
    if not any(steps[index].kind == "wait" for index in loop):
        yield f"steps.{path[-1]}.next", f"The way back to {last.next} has no wait: runs would turn round without rest."


def _holdouts(steps: Sequence[Step]) -> Iterator[Problem]:
    """One holdout at most, before anything is sent: later it would compare customers who got something."""
    held_out = sent = False
    for index in _path(steps):
        kind = steps[index].kind
        if kind == "holdout" and held_out:
            yield f"steps.{index}.kind", "A journey has one holdout at most."
        elif kind == "holdout" and sent:
            yield f"steps.{index}.kind", "The holdout must come before the first send or ask."
        held_out = held_out or kind == "holdout"
        sent = sent or kind in {"send", "ask"}
