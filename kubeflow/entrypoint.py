"""What a container of the compiled pipeline runs: `python -m agnews.kubeflow.entrypoint`."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from agnews.kubeflow.execution.end_children import adopt_orphans, end_children
from agnews.pipeline.local.explain_failure import exception_chain
from agnews.pipeline.spared_imports import spared_imports
from agnews.schemas.errors import AgnewsError, ExitCode


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one step.

    Args:
        arguments: `--plan` for the step Plan, `--step` with a `StepContract` as JSON, `--group` with a `GroupContract`,
            or `--notify` for the step that tells how a run ended; and `--executor-input`, what Kubeflow Pipelines puts
            in the place of `{{$}}`. None takes those of the process.

    Returns:
        The exit code: 0, that of an AgnewsError, or 1 for any other error.
    """
    parser = argparse.ArgumentParser(prog="python -m agnews.kubeflow.entrypoint")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--step", metavar="JSON", help="types of a node of the pipeline")
    what.add_argument("--group", metavar="JSON", help="types of several nodes that share the step")
    what.add_argument("--plan", action="store_true", help="the step before the first node")
    what.add_argument("--notify", action="store_true", help="the step behind all others, which tells how they ended")
    parser.add_argument("--executor-input", required=True, metavar="JSON", help="ExecutorInput")
    options = parser.parse_args(arguments)
    # Before TensorFlow is imported: tensorflow-transform works with Keras 2 only, and the log level is read once.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        _run(options, json.loads(options.executor_input))
    except Exception as error:  # noqa: BLE001 - the process ends here, and says what it ends with
        return _complain(error)
    return ExitCode.OK


def _run(options: argparse.Namespace, executor_input: dict[str, Any]) -> None:
    if options.plan:
        with spared_imports():
            from agnews.kubeflow.execution.run_plan_step import run_plan_step

        run_plan_step(executor_input)
        return
    if options.notify:
        from agnews.kubeflow.execution.run_notify_step import run_notify_step

        run_notify_step(executor_input)
        return
    from agnews.kubeflow.execution.defer_tensorflow import defer_tensorflow
    from agnews.kubeflow.execution.step_contract import GroupContract, StepContract

    with spared_imports():
        defer_tensorflow()
        from agnews.kubeflow.execution.run_group import run_group
        from agnews.kubeflow.execution.run_step import run_step

    if options.group:
        run_group(executor_input, GroupContract.model_validate_json(options.group))
        return
    run_step(executor_input, StepContract.model_validate_json(options.step))


def _complain(error: Exception) -> int:
    for reason in exception_chain(error):
        if isinstance(reason, AgnewsError):
            found = [] if reason.found is None else [f"found  {reason.found}"]
            fix = [f"fix    {reason.fix}"] if reason.fix else []
            print("\n".join([f"error  {reason.problem}", *found, *fix]), file=sys.stderr)  # noqa: T201
            return int(reason.exit_code)
    traceback.print_exception(error)
    return int(ExitCode.FAILED)


if __name__ == "__main__":
    adopt_orphans()
    status = main()
    end_children()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of Beam and TensorFlow outlive a step, and may crash or hang while the interpreter shuts down: a step
    # whose outputs are written would fail.
    os._exit(status)
