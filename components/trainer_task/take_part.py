"""`python -m agnews.components.trainer_task.take_part TASK`: one of several equal processes that do the Trainer's work.

TF_CONFIG says which one. The chief trains and exports, the others train along.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from agnews.components.training.stop_signal import hold, take_back
from agnews.schemas import progress
from agnews.schemas.errors import AgnewsError, ExitCode

_SAID_EVERY = 10.0
_GRACE = 60.0


class _Teller(logging.Handler):
    """Hands progress on to who started this process, and now and then to the log."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._tell = tell
        self._said = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        found = vars(record).get("progress")
        if not isinstance(found, progress.Progress):
            return
        self._tell(
            {
                "progress": {"node": found.node, "done": found.done, "total": found.total, "unit": found.unit}
                | {"metrics": dict(found.metrics)}
            }
        )
        if time.monotonic() - self._said >= _SAID_EVERY:
            self._said = time.monotonic()
            logging.getLogger(__name__).info("%s", found)


def take_part(task_file: str, tell: Callable[[dict[str, Any]], None]) -> int:
    """Does what TF_CONFIG says is this process' part.

    Args:
        task_file: Path or URI of a `TrainerTask`.
        tell: Hears, as JSON can say it, `progress` and, if it fails by an AgnewsError, `error`.

    Returns:
        What the process is to end with.
    """
    progress.LOGGER.setLevel(logging.INFO)
    progress.LOGGER.propagate = False
    progress.LOGGER.addHandler(_Teller(tell))
    try:
        _work(task_file)
    except AgnewsError as error:
        tell(
            {
                "error": {
                    "problem": error.problem,
                    "found": None if error.found is None else str(error.found),
                    "fix": error.fix,
                    "exit_code": int(error.exit_code),
                }
            }
        )
        print(error, file=sys.stderr)  # noqa: T201 - it is a command
        return int(error.exit_code)
    except SystemExit as stopped:
        logging.getLogger(__name__).info("Ends as it was asked to")
        return stopped.code if isinstance(stopped.code, int) else int(ExitCode.FAILED)
    except Exception:  # noqa: BLE001 - the process ends here, and says what it ends with
        traceback.print_exc()
        return int(ExitCode.FAILED)
    return int(ExitCode.OK)


def _work(task_file: str) -> None:
    from pydantic import ValidationError

    from agnews.components.storage.files_at import files_at
    from agnews.components.training.tf_config import read_tf_config
    from agnews.components.training.training_job import join_training
    from agnews.schemas.first_problem import first_problem
    from agnews.schemas.trainer_task import TrainerTask

    content = files_at(task_file).read_bytes(task_file)
    try:
        task = TrainerTask.model_validate_json(content)
    except ValidationError as error:
        raise AgnewsError(
            f"{task_file} is no task that this version of agnews can read.",
            found=first_problem(error),
            fix="Run all processes of a training with the same version.",
        ) from error
    place = read_tf_config(os.environ)
    if place is None or place.workers == 1:
        take_back()
    if place is not None and not place.is_chief:
        join_training(str(task.settings["scratch_uri"]), patience_seconds=60 * task.start_minutes)
        return
    from agnews.components.trainer_task.do_task import do_task

    do_task(task)


def start_process() -> None:
    """Prepares a process that takes part: before TensorFlow is imported and before any thread is started."""
    hold()
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)


def end_process(status: int) -> None:
    """Ends the process at once where something was cut: TensorFlow's threads would be waited for.

    Args:
        status: What it ends with.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if status:
        os._exit(status)


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, however it ended: standard input is then at its end."""

    def wait() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    """Runs one process.

    Returns:
        What it ends with.
    """
    start_process()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", help="path or URI of a trainer_task.json")
    parser.add_argument("--tell", type=int, required=True, metavar="FD", help="descriptor that hears how it goes")
    arguments = parser.parse_args()
    _end_with_parent()
    line: TextIO = os.fdopen(arguments.tell, "w", encoding="utf-8", buffering=1)

    def tell(message: dict[str, Any]) -> None:
        line.write(f"{json.dumps(message)}\n")

    return take_part(arguments.task, tell)


if __name__ == "__main__":
    _status = main()
    end_process(_status)
    sys.exit(_status)
