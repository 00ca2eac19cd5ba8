"""From a cron expression in a time zone of ours to what the server understands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

from agnews.kubeflow.schedules.cron import Cron
from agnews.schemas.errors import AgnewsError

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
