"""Schedules on this machine."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agnews.kubeflow.schedules.run_local import LocalSchedules, _FireTimes, _WallClockScheduler
from agnews.kubeflow.schedules.schedule_file import Schedule
from agnews.schemas.errors import AgnewsError

SCHEDULE = Schedule(name="a", cron="0 3 * * *", time_zone="Asia/Tokyo", arguments=["--data", "news"])


def test_the_command_gets_the_schedules_arguments_and_its_failure_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    script = "import sys; open(sys.argv[1], 'w').write(' '.join(sys.argv[2:])); sys.exit(3)"
    file = tmp_path / "arguments"
    local = LocalSchedules([SCHEDULE], command=[sys.executable, "-c", script, str(file)])
    assert local.start(SCHEDULE) == 3
    assert file.read_text() == "--data news"
    assert "ended with exit code 3 (not blessed)" in caplog.text


def test_a_command_that_is_not_there_does_not_end_the_scheduler() -> None:
    assert LocalSchedules([SCHEDULE], command=["/nowhere/agnews"]).start(SCHEDULE) == 1


def test_one_run_at_a_time(tmp_path: Path) -> None:
    script = f"import pathlib, time\nwhile not pathlib.Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.01)"
    local = LocalSchedules([SCHEDULE], command=[sys.executable, "-c", script])
    codes: list[int | None] = []
    first = threading.Thread(target=lambda: codes.append(local.start(SCHEDULE)))
    first.start()
    while local._child is None:
        time.sleep(0.01)
    assert local.start(SCHEDULE) is None
    (tmp_path / "go").touch()
    first.join()
    assert codes == [0]
    assert local.start(SCHEDULE) == 0


def test_starts_are_those_that_the_plan_shows() -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    trigger = _FireTimes(SCHEDULE, now)
    first = trigger.get_next_fire_time(None, now)
    assert first == next(SCHEDULE.fire_times(now))
    assert trigger.get_next_fire_time(first, first) == first + timedelta(days=1)
    # The machine slept for three days: what was missed is left out.
    assert trigger.get_next_fire_time(first, first + timedelta(days=3, hours=1)) == first + timedelta(days=4)


def test_an_interval_is_counted_from_the_start_of_the_scheduler() -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    trigger = _FireTimes(Schedule(name="a", every="1h", time_zone="UTC"), now)
    assert trigger.get_next_fire_time(None, now + timedelta(minutes=20)) == now + timedelta(hours=1)


def test_a_start_that_comes_while_the_last_run_goes_on_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "started"
    script = f"import pathlib, time; pathlib.Path({str(started)!r}).open('a').write('x'); time.sleep(0.5)"

    def every_tenth(self: _FireTimes, previous: datetime | None, now: datetime) -> datetime:
        return (previous or now) + timedelta(seconds=0.1)

    monkeypatch.setattr(_FireTimes, "get_next_fire_time", every_tenth)
    local = LocalSchedules([SCHEDULE], command=[sys.executable, "-c", script])

    def end() -> None:
        while "its last run goes on" not in caplog.text:
            time.sleep(0.01)
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=end, daemon=True).start()
    local.run()
    assert "a: left out, its last run goes on" in caplog.text
    assert started.read_text() == "x"


def test_nothing_to_do_is_an_error() -> None:
    with pytest.raises(AgnewsError, match="No schedule is enabled"):
        LocalSchedules([SCHEDULE.model_copy(update={"enabled": False})]).run()


@pytest.mark.parametrize("ignored", [False, True], ids=["in a terminal", "under nohup"])
def test_sigterm_tells_the_run_to_end_and_then_ends_the_scheduler(tmp_path: Path, ignored: bool) -> None:
    script = tmp_path / "main.py"
    # The child is started at once, as if the schedule had just come due.
    script.write_text(
        textwrap.dedent(
            f"""
            import sys, threading
            from agnews.kubeflow.schedules.run_local import LocalSchedules
            from agnews.kubeflow.schedules.schedule_file import Schedule
            child = "import time, pathlib; from agnews.pipeline.local.quiet_output import terminable\\n" \
                "with terminable():\\n try:\\n" \
                "   pathlib.Path({str(tmp_path / "started")!r}).touch(); time.sleep(60)\\n" \
                " except KeyboardInterrupt:\\n   pathlib.Path({str(tmp_path / "told")!r}).touch(); exit(130)"
            schedule = Schedule(name="a", cron="0 3 1 1 *", time_zone="UTC")
            local = LocalSchedules([schedule], command=[sys.executable, "-c", child])
            threading.Thread(target=local.start, args=[schedule]).start()
            local.run()
            """
        )
    )
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, env=os.environ)
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 20
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # The scheduler's signal handlers stand before its main thread waits.
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=20)
    assert process.returncode == 0, complaints.decode()
    assert (tmp_path / "told").exists()


def test_it_looks_at_the_wall_clock_at_least_once_a_minute() -> None:
    """A waiting thread's clock stands still while the machine sleeps: a wait until tomorrow would end too late."""
    scheduler = _WallClockScheduler(timezone="UTC")
    assert 0 < scheduler._process_jobs() <= 60
    scheduler.add_job(print, _FireTimes(SCHEDULE, datetime.now(tz=UTC)))
    assert 0 < scheduler._process_jobs() <= 60
