"""A Beam pipeline that is never waited for without words, and leaves no job behind."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

import apache_beam as beam
import psutil
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from agnews.pipeline.beam.beam_arguments import beam_arguments
from agnews.pipeline.beam.check_engine import require_engine, unreachable
from agnews.pipeline.beam.explain_job_failure import explain_job_failure
from agnews.pipeline.beam.named_flink_job import NamedFlinkJob
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.execution_config import BeamConfig
from agnews.schemas.progress import Progress, report_progress

LOOK_SECONDS = 0.2
TELL_SECONDS = 10.0
MINUTE = 60.0
GONE_SECONDS = 60.0
"""An address that does not answer for so long is gone: a restarted JobManager takes less."""
CANCEL_SECONDS = 10.0

_RUNNING: set[_Job] = set()


def cancel_running_jobs() -> None:
    """Cancels what this process has running on engines; for a handler that ends the process at once."""
    for job in tuple(_RUNNING):
        job.cancel()


class WatchedPipeline(beam.Pipeline):
    """A pipeline on a runner that has workers besides this process.

    Args:
        config: Where it runs; `auto` has been decided.
        node: What the progress is reported of.
        shared: Folders and URIs that workers have to reach.
    """

    def __init__(self, config: BeamConfig, node: str, shared: Sequence[str] = ()) -> None:
        self._named = NamedFlinkJob.of(config, node)
        arguments = [*beam_arguments(config), *(self._named.arguments if self._named else ())]
        super().__init__(options=PipelineOptions(arguments))
        self._config = config
        self._node = node
        self._shared = tuple(shared)

    def run(self, test_runner_api: bool | str = "AUTO") -> Any:
        """Runs the pipeline to its end.

        Args:
            test_runner_api: As Beam's.

        Returns:
            Beam's result, which has ended well.

        Raises:
            AgnewsError: The engine cannot be used, a worker raised one, or the job failed, stood still or took too
                long. It runs no more.
            KeyboardInterrupt: Ctrl-C or SIGTERM; the job is cancelled.
        """
        require_engine(self._config, self._shared)
        job = _Job(self._config, self._node, lambda: super(WatchedPipeline, self).run(test_runner_api), self._named)
        with _interruptible():
            return _Finished(job.run())


class _Finished:
    """A result that has been waited for."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self.state = PipelineState.DONE

    def wait_until_finish(self, duration: int | None = None) -> str:
        """Returns at once."""
        del duration
        return str(self.state)

    def metrics(self) -> Any:
        """What Beam's result has counted."""
        return self._result.metrics()


class _Job:
    """One run of a pipeline, in a thread of its own."""

    def __init__(
        self, config: BeamConfig, node: str, start: Callable[[], Any], named: NamedFlinkJob | None = None
    ) -> None:
        self._named = named
        self._config = config
        self._node = node
        self._start = start
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"{node} on {config.runner}", daemon=True)
        self._before = set(psutil.Process().children(recursive=True))

    def run(self) -> Any:
        _RUNNING.add(self)
        guard = _WorkerGuard() if self._in_this_machine else _EngineGuard(self._config)
        try:
            self._thread.start()
            self._watch(guard)
        except BaseException:
            self.cancel()
            raise
        finally:
            _RUNNING.discard(self)
            self._end_workers()
            guard.close()
        if self._error is not None:
            # It may be that only this process has lost sight of it.
            self._cancel_named()
            raise explain_job_failure(self._error, self._config) from self._error
        return self._result

    def cancel(self) -> None:
        """Ends the job and its workers, within seconds."""
        if self._result is None and not self._in_this_machine:
            # It may be on its way to the engine.
            self._thread.join(CANCEL_SECONDS)
        if self._result is not None and self._thread.is_alive():
            with suppress(Exception):
                canceller = threading.Thread(target=self._result.cancel, daemon=True)
                canceller.start()
                canceller.join(CANCEL_SECONDS)
        self._cancel_named()
        self._end_workers()

    def _cancel_named(self) -> None:
        if self._named is not None:
            self._named.cancel()

    @property
    def _in_this_machine(self) -> bool:
        return self._config.runner == "multiprocess"

    def _work(self) -> None:
        try:
            self._result = self._start()
            self._result.wait_until_finish()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._error = error

    def _watch(self, guard: _WorkerGuard | _EngineGuard) -> None:
        started = told = probed = time.monotonic()
        while self._thread.is_alive():
            self._thread.join(LOOK_SECONDS)
            now = time.monotonic()
            if now - told >= TELL_SECONDS:
                told = now
                report_progress(Progress(self._node, round(now - started), unit=f"s on {self._config.runner}"))
            if now - probed >= guard.seconds:
                probed = now
                guard.look()
            limit = self._config.timeout_minutes
            if limit is not None and now - started > MINUTE * limit:
                raise AgnewsError(
                    f"{self._node} took longer on {self._config.runner} than it may, and was cancelled.",
                    found=f"{limit} minutes",
                    fix="Look at the log of the engine, or raise beam.timeout_minutes.",
                    exit_code=ExitCode.FAILED,
                )

    def workers(self) -> set[psutil.Process]:
        """Processes that the runner has started here."""
        children = psutil.Process().children(recursive=True)
        return {child for child in children if child not in self._before and _is_worker(child)}

    def _end_workers(self) -> None:
        left = self.workers() if self._in_this_machine else set()
        for end in (psutil.Process.terminate, psutil.Process.kill):
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    end(process)
            left = set(psutil.wait_procs(list(left), timeout=2.0)[1])


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "apache_beam.runners.worker.sdk_worker_main" in process.cmdline()
    return False


class _WorkerGuard:
    """Notices that a worker of `multiprocess` has ended, for whose answer Beam would wait without end.

    Beam waits for each of its processes in a thread, which raises where one ends otherwise than well.
    """

    seconds = LOOK_SECONDS

    def __init__(self) -> None:
        self._ended: BaseException | None = None
        self._before = threading.excepthook
        threading.excepthook = self._hear

    def _hear(self, told: threading.ExceptHookArgs) -> None:
        if told.thread is not None and told.thread.name == "run_worker":
            self._ended = told.exc_value
        else:
            self._before(told)

    def look(self) -> None:
        if self._ended is not None:
            raise AgnewsError(
                "A worker process ended while it worked.",
                found=f"{self._ended} (137 and -9: it was killed)",
                fix="The kernel kills processes that want more memory than there is (dmesg says so): take fewer "
                "workers, --beam parallelism=1, or one process, --beam runner=local.",
                exit_code=ExitCode.FAILED,
            )

    def close(self) -> None:
        threading.excepthook = self._before


class _EngineGuard:
    """Notices that the engine is gone."""

    seconds = 5.0

    def __init__(self, config: BeamConfig) -> None:
        self._config = config
        self._since: dict[str, float] = {}

    def look(self) -> None:
        silent, now = unreachable(self._config), time.monotonic()
        # Whoever has answered in between begins anew.
        self._since = {what: self._since.get(what, now) for what in silent}
        gone = [what for what, since in self._since.items() if now - since > GONE_SECONDS]
        if gone:
            raise AgnewsError(
                f"{' and '.join(gone)} {'have' if len(gone) > 1 else 'has'} gone while a job ran.",
                found=f"nothing answers at {', '.join(silent[what] for what in gone)} for {GONE_SECONDS:.0f} s",
                fix="Start it again; the same command starts the step anew.",
                exit_code=ExitCode.UNAVAILABLE,
            )

    def close(self) -> None:
        """Nothing to undo."""


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lets SIGTERM cancel the job where nobody else has asked for the signal."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt(f"signal {number}")

    is_ours = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
