"""Cron expressions, against APScheduler's, and on their way to the server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from agnews.kubeflow.schedules.cron import Cron, server_cron
from agnews.schemas.errors import AgnewsError

NOW = datetime(2026, 1, 15, 12, 34, 56, tzinfo=UTC)
BERLIN, KOLKATA, TOKYO, ZERO = (ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Kolkata", "Asia/Tokyo", "UTC"))


def _times(text: str, zone: ZoneInfo, count: int, after: datetime = NOW) -> list[datetime]:
    return list(islice(Cron.parse(text).fire_times(after, zone), count))


@pytest.mark.parametrize(
    "text",
    [
        "0 3 * * mon",
        "*/15 * * * *",
        "30 6,18 1-7 * *",
        "5 0 29 2 *",
        "0 12 * jan-mar sun",
        "59 23 31 * *",
        "0 9 * * 1-5",
    ],
)
@pytest.mark.parametrize("zone", [ZERO, BERLIN, KOLKATA])
def test_fire_times_are_those_of_apscheduler(text: str, zone: ZoneInfo) -> None:
    minute, hour, day, month, weekday = text.split()
    # APScheduler counts weekdays from Monday: names mean the same to both.
    weekday = {"1-5": "mon-fri"}.get(weekday, weekday)
    trigger = CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, second=0, timezone=zone)
    expected, previous = [], NOW
    while len(expected) < 12:
        previous = trigger.get_next_fire_time(None, previous + timedelta(seconds=1))
        expected.append(previous.astimezone(UTC))
    assert _times(text, zone, 12) == expected


def test_either_day_is_enough_if_both_are_restricted_and_not_with_a_star() -> None:
    # January 2026: the 15th is a Thursday, the 19th a Monday.
    assert [time.day for time in _times("0 0 20 1 mon", ZERO, 3)] == [19, 20, 26]
    assert [time.day for time in _times("0 0 */2 1 mon", ZERO, 1)] == [19]


def test_sunday_is_0_and_7() -> None:
    assert _times("0 0 * * 7", ZERO, 5) == _times("0 0 * * 0", ZERO, 5) == _times("0 0 * * sun", ZERO, 5)


def test_a_time_that_the_clock_leaves_out_does_not_come_and_one_that_comes_twice_does() -> None:
    spring, autumn = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert _times("30 2 * * *", BERLIN, 1, spring) == [datetime(2026, 3, 30, 0, 30, tzinfo=UTC)]
    assert [time.hour for time in _times("30 2 * * *", BERLIN, 3, autumn)] == [0, 1, 1]


def test_what_never_comes_ends() -> None:
    assert _times("0 0 30 2 *", ZERO, 1) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0 3 * * mon", "five fields"),
        ("@daily", "five fields"),
        ("60 * * * *", "The minute"),
        ("* 24 * * *", "The hour"),
        ("* * 0 * *", "The day of the month"),
        ("* * * foo *", "The month"),
        ("* * * * fri-mon", "The day of the week"),
        ("*/0 * * * *", "The minute"),
        ("5/10 * * * *", "The minute"),
        ("1,,2 * * * *", "The minute"),
        ("* * *,3 * *", "The day of the month"),
    ],
)
def test_a_wrong_expression_says_which_field(text: str, message: str) -> None:
    with pytest.raises(AgnewsError, match=message):
        Cron.parse(text)


def _server_times(text: str, zone: ZoneInfo, count: int) -> list[datetime]:
    """What the server makes of six fields: seconds first, all in one zone."""
    seconds, *rest = text.split()
    assert seconds == "0"
    return _times(" ".join(rest), zone, count)


@pytest.mark.parametrize(
    ("text", "zone", "server", "expected"),
    [
        ("0 3 * * mon", ZERO, ZERO, "0 0 3 * * 1"),
        ("*/30 9-17 */2 * 7", ZERO, ZERO, "0 0,30 9-17 */2 * 0"),
        ("0 3 1-31 * mon", ZERO, ZERO, "0 0 3 1-31 * 1"),
        ("0 3 * * mon", BERLIN, BERLIN, "0 0 3 * * 1"),
        ("0 3 * * mon", TOKYO, ZERO, "0 0 18 * * 0"),
        ("0 12 1 * *", TOKYO, ZERO, "0 0 3 1 * *"),
        ("30 6 * * *", KOLKATA, ZERO, "0 0 1 * * *"),
        ("0 1,13 * * *", KOLKATA, ZERO, "0 30 7,19 * * *"),
        ("15 * * * *", BERLIN, ZERO, "0 15 * * * *"),
        ("0 22 * * fri", ZERO, TOKYO, "0 0 7 * * 6"),
    ],
)
def test_the_server_fires_at_the_same_instants(text: str, zone: ZoneInfo, server: ZoneInfo, expected: str) -> None:
    written = server_cron(Cron.parse(text), zone, server, now=NOW)
    assert written == expected
    assert _server_times(written, server, 60) == _times(text, zone, 60)


@pytest.mark.parametrize(
    ("text", "zone", "why"),
    [
        ("0 3 * * mon", BERLIN, "changes in summer"),
        ("0 3 1 * *", TOKYO, "another day of the month"),
        ("0 3,12 * * mon", TOKYO, "some of the starts would fall on another day"),
        ("0,45 6 * * *", KOLKATA, "minutes of different hours"),
    ],
)
def test_what_the_server_cannot_keep_is_refused_with_a_way_out(text: str, zone: ZoneInfo, why: str) -> None:
    with pytest.raises(AgnewsError, match=why) as raised:
        server_cron(Cron.parse(text), zone, ZERO, now=NOW)
    assert f"CRON_SCHEDULE_TIMEZONE={zone.key}" in raised.value.fix


def test_summer_does_not_matter_to_a_schedule_that_ends_before() -> None:
    end = datetime(2026, 3, 1, tzinfo=UTC)
    assert server_cron(Cron.parse("0 3 * * mon"), BERLIN, ZERO, now=NOW, end=end) == "0 0 2 * * 1"
