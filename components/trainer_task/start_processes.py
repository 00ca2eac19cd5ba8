"""Starts several processes on this machine that do the Trainer's work together, and answers for all of them."""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from agnews.components.available_cores import available_cores
from agnews.components.training.stop_signal import WENT_AWAY
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.progress import Progress, report_progress
from agnews.schemas.trainer_task import TrainerTask

_LOGGER = logging.getLogger(__name__)

GRACE_SECONDS = 60.0
"""From asking the processes to end until they are killed: a step and a backup."""

PROCESS = (sys.executable, "-m", "agnews.components.trainer_task.take_part")

NOTICE_SECONDS = 20.0
"""How long the others have to notice that one is gone, for which TensorFlow takes ten; who does not is stuck."""

_TAIL = 12


@dataclass
class _Process:
    """One that was started.

    Attributes:
        index: Its number; 0 is the chief.
        popen: It.
        log: What it prints.
        line: What it tells.
        pending: The beginning of a message whose end is still to come.
        error: What it failed by, if it has said so.
        answered: False if it was killed because it did nothing while others ended.
    """

    index: int
    popen: subprocess.Popen[bytes]
    log: Path
    line: IO[bytes]
    pending: bytes = b""
    error: dict[str, Any] = field(default_factory=dict)
    answered: bool = True

    @property
    def name(self) -> str:
        return f"process {self.index} (the chief)" if self.index == 0 else f"process {self.index}"


def start_processes(task: TrainerTask, *, count: int, logs: Path) -> None:
    """Does a task in several equal processes, the chief among them, and ends when all have.

    Progress of the chief is reported as if this process had made it. None outlives this one, whatever ends it.

    Args:
        task: What to do.
        count: How many.
        logs: Folder that receives the log of each.

    Raises:
        AgnewsError: One failed; the message is its own where it has one.
        KeyboardInterrupt: As it came; all processes were asked to end, and have left a backup where they could.
    """
    _require_devices(task, count)
    logs.mkdir(parents=True, exist_ok=True)
    devices = {**task.settings.get("devices", {}), "workers": count}
    task = task.model_copy(update={"settings": {**task.settings, "devices": devices}})
    with tempfile.TemporaryDirectory(prefix="agnews-") as folder, ExitStack() as stack:
        file = Path(folder) / TrainerTask.FILE
        file.write_text(task.model_dump_json(indent=2), encoding="utf-8")
        processes = [
            stack.enter_context(_started(index, file, environment, logs))
            for index, environment in enumerate(_environments(count))
        ]
        _LOGGER.info("%d processes share this training; their logs are in %s", count, logs)
        try:
            _follow(processes)
        except KeyboardInterrupt:
            _end(processes)
            raise
    if any(process.popen.returncode for process in processes):
        raise _explain(processes)


def _require_devices(task: TrainerTask, count: int) -> None:
    if task.settings.get("devices", {}).get("accelerator", "auto") == "cpu":
        return
    import tensorflow as tf

    gpus = len(tf.config.list_physical_devices("GPU"))
    if gpus % count:
        raise AgnewsError(
            "The GPUs of this machine cannot be shared out evenly among the processes.",
            found=f"devices.workers {count}, {gpus} GPUs",
            fix="Set devices.workers to 1 (one process takes all GPUs: devices.strategy=mirrored) or to a number that "
            "divides them, or train on the CPU: --set devices.accelerator=cpu.",
        )


def _environments(count: int) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        doors = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        hosts = [f"127.0.0.1:{door.getsockname()[1]}" for door in doors]
    threads = str(max(1, available_cores() // count))
    # So many threads would otherwise be started by each that they keep each other waiting.
    shared = {name: os.environ.get(name, threads) for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")}
    for index in range(count):
        place = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        yield {**os.environ, **shared, **_gpus_of(index, count), "TF_CONFIG": json.dumps(place)}


def _gpus_of(index: int, count: int) -> dict[str, str]:
    if (tensorflow := sys.modules.get("tensorflow")) is None:
        return {}
    found = len(tensorflow.config.list_physical_devices("GPU"))
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = given.split(",") if given else [str(number) for number in range(found)]
    return {"CUDA_VISIBLE_DEVICES": ",".join(names[index::count])} if found else {}


@contextmanager
def _started(index: int, task: Path, environment: dict[str, str], logs: Path) -> Iterator[_Process]:
    log = logs / f"worker-{index}.log"
    reading, writing = os.pipe()
    with log.open("ab") as output, os.fdopen(reading, "rb", buffering=0) as line:
        try:
            popen = subprocess.Popen(
                [*PROCESS, str(task), "--tell", str(writing)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[writing],
                # Ctrl-C in a terminal is for who started it: a step is finished and a backup written before these end.
                start_new_session=True,
            )
        finally:
            os.close(writing)
        try:
            yield _Process(index, popen, log, line)
        finally:
            popen.kill()
            popen.wait()
            if popen.stdin is not None:
                popen.stdin.close()


def _follow(processes: Sequence[_Process]) -> None:
    """Listens until all have ended. Once one has failed, the others have a while to notice it."""
    failed_at: float | None = None
    with selectors.DefaultSelector() as selector:
        for process in processes:
            selector.register(process.line, selectors.EVENT_READ, process)
        while any(process.popen.poll() is None for process in processes):
            for key, _ in selector.select(timeout=0.2) if selector.get_map() else ():
                if not _hear(key.data):
                    selector.unregister(key.fileobj)
            if not selector.get_map():
                time.sleep(0.05)
            if failed_at is None and any(process.popen.returncode for process in processes):
                failed_at = time.monotonic()
            if failed_at is not None and time.monotonic() - failed_at > NOTICE_SECONDS:
                _kill_silent(processes)
        for key in list(selector.get_map().values()):
            while _hear(key.data):
                pass


def _hear(process: _Process) -> bool:
    """Takes in what a process tells; False where it tells nothing any more."""
    content = process.line.read(65_536)
    *lines, process.pending = (process.pending + (content or b"")).split(b"\n")
    for line in lines:
        message = json.loads(line)
        if "error" in message:
            process.error = message["error"]
        elif process.index == 0:
            report_progress(Progress(**message["progress"]))
    return bool(content)


def _kill_silent(processes: Sequence[_Process]) -> None:
    for process in processes:
        if process.popen.poll() is None:
            process.answered = False
            process.popen.kill()
            process.popen.wait()


def _end(processes: Sequence[_Process]) -> None:
    """Asks all to end, and kills who does not; a second Ctrl-C kills at once."""
    for process in processes:
        if process.popen.poll() is None:
            process.popen.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    with suppress(KeyboardInterrupt):
        while any(process.popen.poll() is None for process in processes) and time.monotonic() < deadline:
            for process in processes:
                os.set_blocking(process.line.fileno(), False)
                _hear(process)
            time.sleep(0.1)
    _kill_silent(processes)


def _explain(processes: Sequence[_Process]) -> Exception:
    """Finds the one that failed by itself: the others only say that somebody is gone."""
    failed = [process for process in processes if process.popen.returncode]
    own = [each for each in failed if each.error and each.error["problem"] != WENT_AWAY]
    if own:
        first = min(own, key=lambda each: (each.error["exit_code"] != ExitCode.USAGE, each.index))
        return AgnewsError(
            str(first.error["problem"]),
            found=first.error["found"],
            fix=str(first.error["fix"]),
            exit_code=ExitCode(first.error["exit_code"]),
        )
    silent = [each for each in failed if not each.answered]
    if silent:
        return _gone(silent[0], "did nothing any more, although another one had ended, and was killed")
    killed = [each for each in failed if each.popen.returncode < 0]
    if killed:
        return _gone(killed[0], f"was killed by {signal.Signals(-killed[0].popen.returncode).name}")
    unexplained = [each for each in failed if not each.error] or failed
    return _gone(unexplained[0], f"ended with {unexplained[0].popen.returncode}")


def _gone(process: _Process, how: str) -> AgnewsError:
    lines = process.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
    _LOGGER.error("The end of %s:\n%s", process.log, "\n".join(lines))
    memory = " Where SIGKILL was not yours, the machine had no memory left." if "SIGKILL" in how else ""
    return AgnewsError(
        f"One of the processes that train together is gone: {process.name} {how}.",
        found=next((line for line in reversed(lines) if line.strip()), "nothing in its log")[:300],
        fix=f"Run the same again: training goes on at its last backup.{memory} Its log: {process.log}",
        exit_code=ExitCode.FAILED,
    )
