"""`python -m agnews.kubeflow.worker_pods.run_pod TASK_URI`: what each pod of a training runs.

Which of them it is, Kubernetes says by JOB_COMPLETION_INDEX; where the others are follows from the name of the set.
"""

from __future__ import annotations

import argparse
import json
import os
import posixpath
import sys
from collections.abc import Mapping
from typing import Any

from agnews.components.trainer_task.take_part import end_process, start_process, take_part
from agnews.kubeflow.log_lines import REFUSED, write_line
from agnews.kubeflow.worker_pods.build_manifest import HOST_VARIABLE, WORKERS_VARIABLE
from agnews.schemas.errors import AgnewsError, ExitCode

INDEX = "JOB_COMPLETION_INDEX"


def tf_config(environment: Mapping[str, str]) -> dict[str, Any]:
    """Returns what TF_CONFIG is to be in a pod.

    Args:
        environment: Its variables.

    Raises:
        AgnewsError: This is no pod of a training.
    """
    try:
        index, count, host = int(environment[INDEX]), int(environment[WORKERS_VARIABLE]), environment[HOST_VARIABLE]
    except (KeyError, ValueError) as error:
        raise AgnewsError(
            "This process was not started as a pod of a training.",
            found=f"{INDEX} {environment.get(INDEX)!r}, {WORKERS_VARIABLE} {environment.get(WORKERS_VARIABLE)!r}",
            fix="The Trainer's step starts it: `trainer.workers` in the deployment table.",
        ) from error
    hosts = [host.format(index=each) for each in range(count)]
    return {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}


def main() -> int:
    """Runs a pod.

    Returns:
        What it ends with.
    """
    start_process()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", help="path or URI of a trainer_task.json")
    arguments = parser.parse_args()

    def tell(message: dict[str, Any]) -> None:
        if "error" in message:
            final = message["error"]["exit_code"] == ExitCode.USAGE
            write_line(REFUSED, {"node": "Trainer", **message["error"], "final": final})

    place = tf_config(os.environ)
    os.environ["TF_CONFIG"] = json.dumps(place)
    status = take_part(arguments.task, tell)
    if status == 0 and place["task"]["index"] == 0:
        from agnews.kubeflow.worker_pods.exchange import Exchange

        Exchange(posixpath.dirname(arguments.task)).finish()
    return status


if __name__ == "__main__":
    _status = main()
    end_process(_status)
    sys.exit(_status)
