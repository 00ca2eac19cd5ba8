"""A cron expression of five fields, as crontab(5) means it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

from agnews.schemas.errors import AgnewsError

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(_DAY_NAMES)}
# Name, lowest, highest, names of values. Sunday is 0 and 7.
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:(?P<star>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?")
# 29 February on a Monday comes back within 28 years, around the year 2100 within 40: nothing stays away for longer.
_HORIZON = timedelta(days=41 * 366)


@dataclass(frozen=True)
class Cron:
    """When something starts, to the minute.

    If both days are restricted, either of them is enough, as in crontab(5) and on the server.

    Attributes:
        minutes: 0 to 59.
        hours: 0 to 23.
        days: 1 to 31.
        months: 1 to 12.
        weekdays: 0 to 6, 0 is Sunday.
        any_day: Whether the day of the month starts with `*`.
        any_weekday: Whether the day of the week starts with `*`.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Reads five fields: minute, hour, day of the month, month, day of the week.

        Args:
            text: For example `30 3 * * mon`.

        Returns:
            The expression.

        Raises:
            AgnewsError: If it is not of five fields, or a field is wrong.
        """
        fields = text.lower().split()
        if len(fields) != len(_FIELDS):
            raise AgnewsError(
                "A cron expression has five fields: minute, hour, day of the month, month, day of the week.",
                found=f"{text!r}, {len(fields)} fields",
                fix="Leave seconds, years and the time zone out: time_zone stands on a line of its own.",
            )
        minutes, hours, days, months, weekdays = (
            _values(text, field, *bounds) for field, bounds in zip(fields, _FIELDS, strict=True)
        )
        return cls(
            minutes,
            hours,
            days,
            months,
            frozenset(day % 7 for day in weekdays),
            any_day=fields[2].startswith("*"),
            any_weekday=fields[4].startswith("*"),
        )

    def matches(self, day: date) -> bool:
        """Whether something starts on this day."""
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        either = not self.any_day and not self.any_weekday
        return day.month in self.months and (of_month or of_week if either else of_month and of_week)

    def fire_times(self, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Yields when something starts, for as long as it ever does.

        A time that the clock leaves out when summer begins does not fire, and one that comes twice when it ends fires
        twice.

        Args:
            after: Only times later than this.
            zone: Time zone of the expression.

        Returns:
            Times in UTC.
        """
        # From the day before: where the clock is set back at midnight, its last hour comes again.
        day = after.astimezone(zone).date() - timedelta(days=1)
        last = day + _HORIZON
        while day < last:
            if self.matches(day):
                yield from (time for time in self._of_day(day, zone) if time > after)
                last = day + _HORIZON
            day += timedelta(days=1)

    def _of_day(self, day: date, zone: ZoneInfo) -> list[datetime]:
        found = set()
        for hour in self.hours:
            for minute in self.minutes:
                wall = datetime(day.year, day.month, day.day, hour, minute)
                for fold in (0, 1):
                    time = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
                    if time.astimezone(zone).replace(tzinfo=None) == wall:
                        found.add(time)
        return sorted(found)


def _values(text: str, field: str, name: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    values: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        step = int(match["step"] or 1) if match else 0
        try:
            if match is None or step == 0 or (match["step"] and not match["star"] and match["last"] is None):
                raise ValueError(part)
            if match["star"] and part != field:
                raise ValueError(field)
            first = low if match["star"] else _number(match["first"], names)
            # 7 would be Sunday once more.
            last = min(high, 6 if name == "day of the week" else high) if match["star"] else first
            if match["last"]:
                last = _number(match["last"], names)
            if not low <= first <= last <= high:
                raise ValueError(part)
        except ValueError as error:
            raise AgnewsError(
                f"The {name} of a cron expression is wrong.",
                found=f"{part!r} in {text!r}",
                fix=f"Write *, */STEP, or a list of A, A-B, A-B/STEP with values from {low} to {high}"
                + (f" or {', '.join(names)}." if names else "."),
            ) from error
        values.update(range(first, last + 1, step))
    return frozenset(values)


def _number(text: str, names: dict[str, int]) -> int:
    return names[text] if text in names else int(text)


_DAY = 24 * 60
_YEARS_AHEAD = 5


def server_cron(
    cron: Cron, zone: ZoneInfo, server_zone: ZoneInfo, *, now: datetime, end: datetime | None = None
) -> str:
    """Writes an expression for the server, so that it fires at the same instants.

    The server takes six fields, seconds first. (It takes five as well, and then reads the first as seconds: never send
    five.) It evaluates them in one time zone for everybody, that of the scheduled workflow controller, and knows no
    prefix that names another.

    Args:
        cron: The expression.
        zone: Its time zone.
        server_zone: Time zone of the controller.
        now: The present.
        end: When the schedule ends; None: never.

    Returns:
        Six fields.

    Raises:
        AgnewsError: If no such expression exists: the zones drift apart in summer, or the days do not work out.

    References:
        kubeflow/pipelines, backend/src/crd/controller/scheduledworkflow/util/cron_schedule.go and const.go
        (CRON_SCHEDULE_TIMEZONE); github.com/robfig/cron v1.2.0, which it parses with.
    """
    ahead = set(_offsets(zone, server_zone, now, end))
    if ahead == {0}:
        return _write(cron, cron.minutes, cron.hours, cron.weekdays)
    if _hourly(cron) and all(offset % 60 == 0 for offset in ahead):
        return _write(cron, cron.minutes, cron.hours, cron.weekdays)
    if len(ahead) > 1:
        raise _impossible(zone, server_zone, "their difference changes in summer")
    return _shifted(cron, ahead.pop(), zone, server_zone)


def _offsets(zone: ZoneInfo, server_zone: ZoneInfo, now: datetime, end: datetime | None) -> list[int]:
    """Returns by how many minutes the zone was, is and will be ahead of the server's, once a day."""
    last = min(now + timedelta(days=_YEARS_AHEAD * 366), max(end, now) if end else datetime.max.replace(tzinfo=UTC))
    days = (last - now).days + 1
    found = []
    for day in range(days + 1):
        time = now + timedelta(days=day)
        ours, theirs = time.astimezone(zone).utcoffset(), time.astimezone(server_zone).utcoffset()
        found.append(int(((ours or timedelta()) - (theirs or timedelta())).total_seconds() // 60))
    return found


def _hourly(cron: Cron) -> bool:
    return len(cron.hours) == 24 and _every_day(cron)


def _every_day(cron: Cron) -> bool:
    full = len(cron.days) == 31, len(cron.weekdays) == 7
    either = not cron.any_day and not cron.any_weekday
    return len(cron.months) == 12 and (any(full) if either else all(full))


def _shifted(cron: Cron, ahead: int, zone: ZoneInfo, server_zone: ZoneInfo) -> str:
    moved = [divmod(hour * 60 + minute - ahead, _DAY) for hour, minute in product(cron.hours, cron.minutes)]
    hours = frozenset(rest // 60 for _, rest in moved)
    minutes = frozenset(rest % 60 for _, rest in moved)
    if {hour * 60 + minute for hour, minute in product(hours, minutes)} != {rest for _, rest in moved}:
        raise _impossible(zone, server_zone, "the minutes of different hours would differ")
    days = {day for day, _ in moved}
    if _every_day(cron) or days == {0}:
        return _write(cron, minutes, hours, cron.weekdays)
    if len(days) > 1:
        raise _impossible(zone, server_zone, "some of the starts would fall on another day")
    if len(cron.days) < 31 or len(cron.months) < 12:
        raise _impossible(zone, server_zone, "the starts would fall on another day of the month")
    (shift,) = days
    moved_days = frozenset((day + shift) % 7 for day in cron.weekdays)
    # Every day of the month: the day of the week alone decides, so its stars do not matter any more.
    return _write(replace(cron, any_day=True, any_weekday=False), minutes, hours, moved_days)


def _write(cron: Cron, minutes: frozenset[int], hours: frozenset[int], weekdays: frozenset[int]) -> str:
    fields = (
        _field(minutes, 0, 59, star=len(minutes) == 60),
        _field(hours, 0, 23, star=len(hours) == 24),
        _field(cron.days, 1, 31, star=cron.any_day),
        _field(cron.months, 1, 12, star=len(cron.months) == 12),
        _field(weekdays, 0, 6, star=cron.any_weekday),
    )
    return f"0 {' '.join(fields)}"


def _field(values: frozenset[int], low: int, high: int, *, star: bool) -> str:
    ordered = sorted(values)
    if star:
        # `*/2` and `1,3,5` are not the same for days: with a star, the other day has to match as well.
        step = ordered[1] - ordered[0] if len(ordered) > 1 else high - low + 1
        return "*" if step == 1 else f"*/{step}"
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]}-{ordered[-1]}"
    return ",".join(str(value) for value in ordered)


def _impossible(zone: ZoneInfo, server_zone: ZoneInfo, why: str) -> AgnewsError:
    return AgnewsError(
        f"The server cannot keep a cron in {zone.key}: it evaluates all of them in {server_zone.key}, and {why}.",
        found=f"time_zone: {zone.key}, server_time_zone: {server_zone.key}",
        fix=f"Write the cron in {server_zone.key} (time_zone: {server_zone.key}), or set "
        f"CRON_SCHEDULE_TIMEZONE={zone.key} on the deployment ml-pipeline-scheduledworkflow "
        f"and write server_time_zone: {zone.key}.",
    )
