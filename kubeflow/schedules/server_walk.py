"""When the server's scheduled workflow controller starts a run: its own walk through the clock, with its gaps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from agnews.kubeflow.client.run_record import RecurringRunRecord
from agnews.kubeflow.schedules.cron import Cron

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = 3600
_YEARS = 5
# Which days of the week fall on 29 February repeats within 28 years; the walk is asked for half of that.
_HORIZON_YEARS = 14


class _Clock:
    """An instant with the clock of a zone, computed as Go's `time` does, also where the zone leaves an hour out."""

    def __init__(self, zone: ZoneInfo, seconds: int) -> None:
        self.zone = zone
        self.seconds = seconds
        self.wall = _EPOCH.replace(tzinfo=None) + timedelta(seconds=seconds + _offset(zone, seconds))

    def moved(self, seconds: int) -> _Clock:
        return _Clock(self.zone, self.seconds + seconds)

    def stepped(self, seconds: int, value: int, count: int, wanted: frozenset[int]) -> _Clock:
        """Moves on by one step, or at once by all that cannot matter because the clock is not changed meanwhile."""
        steps = next((n for n in range(1, count - value) if value + n in wanted), count - value)
        far = self.moved(steps * seconds)
        return far if far.seconds - self.seconds == (far.wall - self.wall).total_seconds() else self.moved(seconds)

    def at(self, day: date, hour: int = 0, minute: int = 0, second: int = 0) -> _Clock:
        """As `time.Date`: of a time that does not exist, the one that an offset from around it gives."""
        wall = datetime(day.year, day.month, day.day, hour, minute, second)
        seconds = (wall - _EPOCH.replace(tzinfo=None)) // timedelta(seconds=1)
        offset = _offset(self.zone, seconds)
        if offset:
            offset = _offset(self.zone, seconds - offset)
        return _Clock(self.zone, seconds - offset)

    def later_day(self, days: int = 0, months: int = 0) -> _Clock:
        """As `Time.AddDate`, which keeps the time of the day and carries what is too much for a month."""
        year, month = divmod(self.wall.year * 12 + self.wall.month - 1 + months, 12)
        day = date(year, month + 1, 1) + timedelta(days=self.wall.day - 1 + days)
        return self.at(day, self.wall.hour, self.wall.minute, self.wall.second)


@lru_cache(maxsize=65536)
def _offset(zone: ZoneInfo, seconds: int) -> int:
    offset = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def next_start(cron: Cron, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Walks from field to field as the server does, which leaves out more than crontab(5) would.

    Once a field has been moved, later fields count from its beginning, but only if that exists: a midnight that the
    clock leaves out can take the whole day with it.

    Args:
        cron: The expression; seconds are 0.
        zone: The controller's time zone.
        after: Only later than this.

    Returns:
        The next start, in UTC; None if there is none within five years, which the controller cannot cope with.

    References:
        `SpecSchedule.Next` of github.com/robfig/cron v1.2.0; `Date` and `AddDate` of Go's package time.
    """
    now = _Clock(zone, (after - _EPOCH) // timedelta(seconds=1) + 1)
    last, added = now.wall.year + _YEARS, False
    while now.wall.year <= last:
        now, added, wrapped = _round(cron, now, added)
        if not wrapped:
            return _EPOCH + timedelta(seconds=now.seconds)
    return None


def _round(cron: Cron, now: _Clock, added: bool) -> tuple[_Clock, bool, bool]:
    """Moves each field on until it fits; ends early where one wraps around, as those before it may not fit then."""
    while now.wall.month not in cron.months:
        if not added:
            now, added = now.at(now.wall.date().replace(day=1)), True
        now = now.later_day(months=1)
        if now.wall.month == 1:
            return now, added, True
    while not cron.matches(now.wall.date()):
        if not added:
            now, added = now.at(now.wall.date()), True
        now = now.later_day(days=1)
        if now.wall.day == 1:
            return now, added, True
    return _round_of_day(cron, now, added)


def _round_of_day(cron: Cron, now: _Clock, added: bool) -> tuple[_Clock, bool, bool]:
    while now.wall.hour not in cron.hours:
        if not added:
            now, added = now.at(now.wall.date(), now.wall.hour), True
        now = now.stepped(_HOUR, now.wall.hour, 24, cron.hours)
        if now.wall.hour == 0:
            return now, added, True
    while now.wall.minute not in cron.minutes:
        if not added:
            now, added = now.moved(-(now.seconds % 60)), True
        now = now.stepped(60, now.wall.minute, 60, cron.minutes)
        if now.wall.minute == 0:
            return now, added, True
    if now.wall.second:
        # Seconds wrap around where the minute is full.
        return now.moved(60 - now.wall.second), True, True
    return now, added, False


def server_starts(cron: Cron, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yields what `next_start` finds, one after the other.

    Args:
        cron: The expression.
        zone: The controller's time zone.
        after: Only later than this.

    Returns:
        Times in UTC.
    """
    found = next_start(cron, zone, after)
    while found is not None:
        yield found
        found = next_start(cron, zone, found)


def silent_years(cron: Cron, after: date, until: date | None = None) -> tuple[int, int | None] | None:
    """Looks for a time without any start that is too long for the controller.

    Args:
        cron: The expression.
        after: From then on.
        until: Where the schedule ends.

    Returns:
        From which year, and up to which (None: there is none at all), or None if starts are never more than five years
        apart within the next fourteen.
    """
    last = after.year
    final = date(after.year + _HORIZON_YEARS, 12, 31)
    day = after
    while day <= final:
        if until is not None and day > until:
            return None
        if cron.matches(day):
            if day.year > last + _YEARS:
                return last, day.year
            last = day.year
        day += timedelta(days=1)
    return (last, None) if final.year > last + _YEARS else None


def start_to_send(wanted: RecurringRunRecord, now: datetime, origin: datetime | None = None) -> datetime | None:
    """Says from when the server shall count, so that it does not start a run at once for what has passed.

    Args:
        wanted: What shall be created; `start` as the file says.
        now: The present.
        origin: From when an interval without a start is counted, if something kept it before.

    Returns:
        A start that is still to come, as it is. A cron needs none otherwise: the server counts from the creation. An
        interval gets the latest of its multiples, since the server starts the first run one interval later.
    """
    start = wanted.start
    if wanted.cron or (start is not None and start > now):
        return start if start is not None and start > now else None
    start = start or origin
    if start is None:
        return None
    interval = timedelta(seconds=wanted.interval_seconds)
    return start.replace(microsecond=0) + (now - start) // interval * interval


def planned_starts(
    record: RecurringRunRecord, zone: ZoneInfo, after: datetime, created: datetime
) -> Iterator[datetime]:
    """Yields when the server starts runs.

    Args:
        record: As it is, or will be, on the server.
        zone: Time zone of its controller.
        after: Only later than this.
        created: When it was created, or will be.

    Returns:
        Times in UTC.
    """
    if record.cron:
        begin = max(after, record.start) if record.start else after
        times = server_starts(Cron.parse(record.cron.partition(" ")[2]), zone, begin)
    else:
        times = _intervals(record.start or created, timedelta(seconds=record.interval_seconds), after)
    for time in times:
        if record.end is not None and time > record.end:
            return
        yield time


def _intervals(origin: datetime, interval: timedelta, after: datetime) -> Iterator[datetime]:
    count = max(0, (after - origin) // interval)
    while True:
        count += 1
        yield origin + count * interval
