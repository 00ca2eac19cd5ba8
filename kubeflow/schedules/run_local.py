"""Schedules on this machine, for those who have no cluster."""

from __future__ import annotations

import logging
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import Any

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.base import BaseTrigger

from agnews.kubeflow.schedules.schedule_file import Schedule
from agnews.schemas.errors import AgnewsError, ExitCode

_log = logging.getLogger("agnews.schedule")
# How late a start may be, for example because the machine slept. Later ones are left out: no catching up.
_LATEST = 60
# How often to look at the wall clock: the clock of a waiting thread stands still while the machine sleeps.
_LOOK = 20.0
# SIGINT is ignored in what a shell script starts in its background, and so would be the request to end.
_FIRST_WORDS = (
    sys.executable,
    "-c",
    (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from agnews.pipeline.cli.main import main; main()"
    ),
)


class _WallClockScheduler(BlockingScheduler):
    """Waits for the next start as the wall clock has it, also after the machine has slept or its clock was set."""

    def _process_jobs(self) -> float:
        seconds = super()._process_jobs()
        return _LOOK if seconds is None else min(float(seconds), _LOOK)


class _FireTimes(BaseTrigger):
    """Asks the schedule itself, so that local starts are those that `plan` shows."""

    def __init__(self, schedule: Schedule, now: datetime) -> None:
        self._schedule = schedule
        self._origin = now

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        after = max(now, previous_fire_time) if previous_fire_time else now
        # An interval without a start is counted from the start of the scheduler, not from each question anew.
        times = self._schedule.fire_times(self._origin if self._schedule.every else after)
        return next((time for time in times if time > after), None)


@dataclass
class LocalSchedules:
    """Runs `agnews run` when a schedule says so, one run at a time.

    A run that fails is logged, and the next one starts at its time all the same. A start that comes while a run goes
    on, or while the machine slept, is left out.

    Args:
        schedules: Those to keep; disabled ones are left out.
        command: What comes before each schedule's arguments.
        patience: Seconds that a run gets to end after a signal.
    """

    schedules: Sequence[Schedule]
    command: Sequence[str] = (*_FIRST_WORDS, "run")
    patience: float = 60.0
    _busy: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _ending: bool = field(default=False, repr=False)

    def run(self) -> None:
        """Blocks until SIGTERM or SIGINT. The run that goes on then is told to end; the next one continues it.

        Raises:
            AgnewsError: If no schedule is enabled.
        """
        enabled = [schedule for schedule in self.schedules if schedule.enabled]
        if not enabled:
            raise AgnewsError(
                "No schedule is enabled.", fix="Write enabled: true to one of them.", exit_code=ExitCode.USAGE
            )
        scheduler = _WallClockScheduler(executors={"default": ThreadPoolExecutor(len(enabled))}, timezone="UTC")
        for schedule in enabled:
            trigger = _FireTimes(schedule, datetime.now(tz=schedule.zone))
            scheduler.add_job(
                self.start,
                trigger,
                args=[schedule],
                id=schedule.name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=_LATEST,
            )
            soon = islice(schedule.fire_times(datetime.now(tz=schedule.zone)), 1)
            _log.info("%s: next start %s", schedule.name, next(soon, "never"))
        scheduler.add_listener(_tell_left_out, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED)
        before = {number: signal.signal(number, lambda *_: self._end(scheduler)) for number in _SIGNALS}
        try:
            scheduler.start()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        _log.info("ended")

    def start(self, schedule: Schedule) -> int | None:
        """Runs a schedule's command to its end.

        Args:
            schedule: The schedule.

        Returns:
            The exit code, None if it was left out because another run goes on.
        """
        if not self._busy.acquire(blocking=False):
            _log.warning("%s: left out, another run goes on", schedule.name)
            return None
        try:
            command = [*self.command, *schedule.arguments]
            _log.info("%s: %s", schedule.name, shlex.join(chain(("agnews", "run"), schedule.arguments)))
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            code = self._child.wait()
            level = logging.INFO if code == ExitCode.OK else logging.ERROR
            _log.log(level, "%s: ended with exit code %d (%s)", schedule.name, code, _meaning(code))
            return code
        except OSError as error:
            _log.error("%s: could not be started: %s", schedule.name, error)
            return int(ExitCode.FAILED)
        finally:
            self._child = None
            self._busy.release()

    def _end(self, scheduler: Any) -> None:
        if self._ending:
            return
        self._ending = True
        _log.info("told to end")
        # Not in the handler: it interrupts the very thread that would have to wait.
        threading.Thread(target=self._wind_up, args=[scheduler], daemon=True).start()

    def _wind_up(self, scheduler: Any) -> None:
        scheduler.pause()
        child = self._child
        if child is not None:
            # Not SIGINT: where it is ignored (nohup, a background job of a script), children inherit that. A run takes
            # SIGTERM as it takes Ctrl-C.
            child.terminate()
            try:
                child.wait(self.patience)
            except subprocess.TimeoutExpired:
                _log.error("the run did not end within %g s and is killed", self.patience)
                child.kill()
        scheduler.shutdown(wait=True)


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _tell_left_out(event: JobEvent) -> None:
    why = "its last run goes on" if event.code == EVENT_JOB_MAX_INSTANCES else "the machine slept or was too busy"
    _log.warning("%s: left out, %s", event.job_id, why)


def _meaning(code: int) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return next((known.name.lower().replace("_", " ") for known in ExitCode if known == code), "unknown")
