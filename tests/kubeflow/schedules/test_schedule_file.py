"""The file with the schedules."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from agnews.kubeflow.schedules.schedule_file import DEFAULT_FILE, Schedule, ScheduleFile
from agnews.schemas.errors import AgnewsError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def _read(tmp_path: Path, text: str) -> ScheduleFile:
    path = tmp_path / "schedules.yaml"
    path.write_text(text)
    return ScheduleFile.read(path)


def test_the_file_of_the_package_is_right_and_starts_nothing() -> None:
    file = ScheduleFile.read(DEFAULT_FILE)
    assert [schedule.enabled for schedule in file.schedules] == [False]
    assert (file.schedules[0].max_concurrency, file.schedules[0].catch_up) == (1, False)


def test_start_and_end_are_in_the_schedules_zone_unless_they_say_otherwise(tmp_path: Path) -> None:
    text = (
        "schedules: [{name: a, cron: '0 3 * * *', time_zone: Asia/Tokyo, start: 2026-06-10, end: 2026-06-12T03:00:00Z}]"
    )
    (schedule,) = _read(tmp_path, text).schedules
    assert schedule.window == (datetime(2026, 6, 9, 15, tzinfo=UTC), datetime(2026, 6, 12, 3, tzinfo=UTC))
    assert [time.day for time in schedule.fire_times(NOW)] == [9, 10, 11]


def test_an_interval_is_counted_from_the_start() -> None:
    schedule = Schedule(name="a", every="6h", time_zone="UTC", start=datetime(2026, 6, 1, 1, tzinfo=UTC))
    assert [time.hour for time in islice(schedule.fire_times(NOW), 3)] == [13, 19, 1]


def test_an_interval_without_a_start_is_counted_from_now() -> None:
    first = next(Schedule(name="a", every="90m", time_zone="UTC").fire_times(NOW))
    assert first == datetime(2026, 6, 1, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{name: a, cron: '0 3 * * *'}", r"a\.time_zone: Field required"),
        ("{name: a, cron: '0 3 * * *', time_zone: CEST+2}", "no time zone of the IANA database"),
        ("{name: a, cron: '0 0 3 * * *', time_zone: UTC}", "five fields"),
        ("{name: a, time_zone: UTC}", "either `cron` or `every`"),
        ("{name: a, every: 6h, cron: '0 3 * * *', time_zone: UTC}", "either `cron` or `every`"),
        ("{name: a, every: 6 hours, time_zone: UTC}", "no interval"),
        ("{name: A B, every: 6h, time_zone: UTC}", "name"),
        ("{name: a, every: 6h, time_zone: UTC, max_concurrency: 11}", r"a\.max_concurrency"),
        ("{name: a, every: 6h, time_zone: UTC, max_concurrency: true}", r"a\.max_concurrency: .*not true or false"),
        ("{name: a, every: 6h, time_zone: UTC, paramters: {}}", r"a\.paramters: Extra inputs"),
        ("{name: a, every: 6h, time_zone: UTC, start: 2026-06-02, end: 2026-06-01}", "is not after"),
        ("{name: a, every: 6h, time_zone: UTC}, {name: a, every: 7h, time_zone: UTC}", "two schedules of one name"),
    ],
)
def test_a_wrong_schedule_is_named(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(AgnewsError, match=message):
        _read(tmp_path, f"schedules: [{entry}]")


def test_bare_words_and_dates_are_what_was_typed(tmp_path: Path) -> None:
    text = (
        "schedules: [{name: on, every: 6h, time_zone: UTC, start: 2026-12-01, "
        "parameters: {data_uri: 2026-11-22, a: no}, arguments: [--set, data.window=010, 1:30]}]"
    )
    (schedule,) = _read(tmp_path, text).schedules
    assert (schedule.name, schedule.start) == ("on", datetime(2026, 12, 1))
    assert schedule.parameters == {"data_uri": "2026-11-22", "a": "no"}
    assert schedule.arguments == ["--set", "data.window=010", "1:30"]
    with pytest.raises(AgnewsError, match="20261201 is no time"):
        _read(tmp_path, "schedules: [{name: a, every: 6h, time_zone: UTC, start: 20261201}]")
