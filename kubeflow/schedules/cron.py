"""A cron expression of five fields, as crontab(5) means it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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
        twice: that is what the server's parser does.

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
