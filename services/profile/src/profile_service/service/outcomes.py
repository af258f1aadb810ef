"""What should follow a sign: said with its definition, and measured by what happened after its detections."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import EventMatch
from profile_service.conditions import Compiler
from profile_service.conditions.checking import check_filters
from profile_service.repository import precision, signs
from profile_service.repository.signs import SignRow
from profile_service.service.policy import REFUSED, Sight, sight_of
from servicekit.errors import Conflict, Forbidden, Invalid

MAX_DAYS = 92
"""Days of detections whose precision is told at once: each is compared with the whole base."""


@dataclass(frozen=True)
class Outcome:
    """One of several events, or that a sign's condition becomes true, within so many days of 24 hours."""

    within_days: int
    events: tuple[EventMatch, ...] = ()
    sign: str | None = None

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """As it is stored."""
        if "sign" in document:
            return cls(document["within_days"], sign=document["sign"])
        events = document.get("any_of") or [{"event": document["event"], "where": document["where"]}]
        return cls(document["within_days"], tuple(EventMatch.model_validate(each) for each in events))

    def as_json(self) -> dict[str, Any]:
        """As it is stored: `event` and `where`, or `any_of` of such, or `sign`."""
        if self.sign is not None:
            return {"sign": self.sign, "within_days": self.within_days}
        events = [each.model_dump(mode="json") for each in self.events]
        said: dict[str, Any] = events[0] if len(events) == 1 else {"any_of": events}
        return said | {"within_days": self.within_days}

    def is_visible(self, sight: Sight) -> bool:
        """Whether all of it may be read."""
        return self._hidden_from(sight) is None

    def check_visible(self, sight: Sight) -> None:
        """Refuse to ask for what the asker may not see.

        Raises:
            Forbidden: with the path.
        """
        hidden = self._hidden_from(sight)
        if hidden is not None:
            raise Forbidden(REFUSED, field=hidden)

    def _hidden_from(self, sight: Sight) -> str | None:
        """The path of the first name that the asker may not see: of a sign, an event, or a property that is a trait."""
        if self.sign is not None and not sight.sees_sign(self.sign):
            return "outcome.sign"
        return next((hidden for path, match in self._placed() if (hidden := sight.hidden_in(match, path))), None)

    async def check(self, session: AsyncSession) -> None:
        """Refuse a sign that is not detected, and filters that order booleans.

        Raises:
            Invalid: with the path.
        """
        for path, match in self._placed():
            check_filters(match.where, field=f"{path}.where")
        if self.sign is not None:
            found = await signs.get_sign(session, self.sign)
            if found is None or not found.version or found.archived_at is not None:
                raise Invalid(f"There is no published sign {self.sign}.", field="outcome.sign")

    def _placed(self) -> list[tuple[str, EventMatch]]:
        if len(self.events) == 1:
            return [("outcome", self.events[0])]
        return [(f"outcome.any_of.{place}", each) for place, each in enumerate(self.events)]


@dataclass(frozen=True)
class Precision:
    """How many of a period's detections were followed by the outcome, and how often it follows without the sign.

    Told of detections whose horizon has passed. `base_rate`: of the customers known at the time who did not show the
    sign, each day weighing as much as its detections. None where nothing was detected, or nobody was left to compare.
    """

    first_day: date
    last_day: date
    detected: int
    followed: int
    rate: float | None
    base_rate: float | None
    lift: float | None


async def get_precision(
    session: AsyncSession,
    sign: SignRow,
    *,
    first_day: date | None,
    last_day: date | None,
    version: int | None,
    compiler: Compiler,
    now: datetime,
) -> Precision:
    """What followed the detections of these days (of the customers' zone); by default the last whose horizon passed.

    Where the outcome is a sign, only what was detected after that was first published is told of.

    Raises:
        Conflict: it is not published, or expects nothing. Forbidden: the asker may not see what it expects.
        Invalid: the days.
    """
    if sign.published is None or sign.published["outcome"] is None:
        raise Conflict("No outcome is published with it: there is nothing to measure it by.", field="outcome")
    outcome = Outcome.from_json(sign.published["outcome"])
    if not outcome.is_visible(sight_of(session)):
        raise Forbidden(REFUSED, field="outcome")
    horizon, lifetime = timedelta(days=outcome.within_days), timedelta(days=sign.published["lifetime_days"])
    zone = compiler.zone
    latest = (now - horizon).astimezone(zone).date()
    first_day, last_day = _period(first_day, last_day, latest=latest)
    starts_at = _midnight(first_day, zone)
    expected: precision.Events | precision.BecameTrue
    if outcome.sign is None:
        expected = precision.Events(outcome.events, compiler)
    else:
        expected, since = await precision.find_sign(session, outcome.sign)
        starts_at = max(starts_at, since)
    days = await precision.list_detection_days(
        session,
        sign.sign_id,
        starts_at=starts_at,
        ends_at=min(_midnight(last_day + timedelta(days=1), zone), now - horizon),
        horizon=horizon,
        expected=expected,
        zone=zone.key,
        version=version,
    )
    others = await precision.count_others(
        session, sign.sign_id, [day.moment for day in days], horizon=horizon, lifetime=lifetime, expected=expected
    )
    detected, followed = sum(day.detected for day in days), sum(day.followed for day in days)
    compared = [(day.detected, each) for day, each in zip(days, others, strict=True) if each.customers]
    weight = sum(count for count, _ in compared)
    rate = followed / detected if detected else None
    base = sum(count * each.followed / each.customers for count, each in compared) / weight if weight else None
    return Precision(
        first_day, last_day, detected, followed, rate, base, rate / base if rate is not None and base else None
    )


def _period(first_day: date | None, last_day: date | None, *, latest: date) -> tuple[date, date]:
    last_day = latest if last_day is None else last_day
    if last_day > latest:
        raise Invalid(f"The horizon has passed for detections until {latest} only.", field="last_day")
    if last_day.year < 1000:
        raise Invalid("The year lies before 1000.", field="last_day")
    first_day = last_day - timedelta(days=MAX_DAYS - 1) if first_day is None else first_day
    if not timedelta() <= last_day - first_day < timedelta(days=MAX_DAYS):
        raise Invalid(f"Between 1 and {MAX_DAYS} days.", field="first_day")
    return first_day, last_day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone)
