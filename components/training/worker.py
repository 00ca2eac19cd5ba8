"""`python -m agnews.components.training.worker SCRATCH_URI`: a process that trains along with a chief."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from agnews.components.training.stop_signal import Stopped, hold


def main() -> int:
    """Waits for the chief that TF_CONFIG names, trains along with it, and ends when it does.

    Returns:
        What the process ends with.
    """
    hold()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scratch_uri", help="folder or URI that the chief's Trainer has for scratch")
    parser.add_argument("--patience-seconds", type=float, default=3600.0, help="how long to wait for the chief")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # before TensorFlow is imported

    from agnews.components.training.training_job import join_training
    from agnews.schemas.errors import AgnewsError

    try:
        join_training(arguments.scratch_uri, patience_seconds=arguments.patience_seconds)
    except AgnewsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - it is a command
        return int(error.exit_code)
    except Stopped as stopped:
        return int(str(stopped.code))
    return 0


if __name__ == "__main__":
    status = main()
    if status:
        # TensorFlow's threads would be waited for, and they for processes that are gone.
        sys.stderr.flush()
        os._exit(status)
