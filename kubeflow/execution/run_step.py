"""Runs the executor of one step."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact

from agnews.components.trainer_task.delegate import Doer, delegated
from agnews.kubeflow.execution.explain_step_failure import explain_step_failure
from agnews.kubeflow.execution.guard_outputs import replace_links
from agnews.kubeflow.execution.mirror_path import mirror_path
from agnews.kubeflow.execution.read_artifact import describe_artifact, read_artifact, remove_folder_markers
from agnews.kubeflow.execution.run_note import note_outputs
from agnews.kubeflow.execution.step_contract import StepContract, read_properties
from agnews.kubeflow.log_lines import report_refusal, write_verdict
from agnews.pipeline.beam.choose_pipeline import VARIABLE, config_of_environment, pipeline_maker
from agnews.pipeline.spared_imports import spared_imports

Runtime = dict[str, Any]
"""An artifact as Kubeflow Pipelines describes it: name, URI, metadata."""
_Artifacts = dict[str, list[Artifact]]


def run_step(executor_input: Mapping[str, Any], contract: StepContract) -> None:
    """Runs a step and writes `outputs.outputFile`, which hands the properties of the outputs on.

    Args:
        executor_input: What Kubeflow Pipelines hands over for `{{$}}`, parsed.
        contract: What it leaves out.

    Raises:
        AgnewsError: The executor, or the parameters, say that something is wrong.
        Exception: Whatever else the executor raises.
    """
    given, wanted = executor_input.get("inputs", {}), executor_input["outputs"]
    inputs, outputs = pick_artifacts(given, contract.inputs), pick_artifacts(wanted, contract.outputs)
    clean_inputs(inputs.values())
    write_outputs(wanted, run_executor(contract, inputs, outputs, given.get("parameterValues", {})))


def run_executor(
    contract: StepContract, inputs: Mapping[str, Runtime], outputs: Mapping[str, Runtime], values: Mapping[str, Any]
) -> dict[str, Runtime]:
    """Runs the executor of a node.

    Args:
        contract: The node.
        inputs: Its input artifacts as Kubeflow Pipelines describes them, by key.
        outputs: The same of its outputs, before they are written.
        values: Parameters of the step.

    Returns:
        Its outputs, with the properties that the executor has set.

    Raises:
        AgnewsError: The executor, or the parameters, say that something is wrong.
        Exception: Whatever else the executor raises.
    """
    input_dict, output_dict = _artifacts(inputs, contract.inputs), _artifacts(outputs, contract.outputs)
    with (
        report_refusal(contract.node, _folders(output_dict)),
        explain_step_failure(contract.node, _folders(input_dict)),
    ):
        properties = read_properties(values, contract)
        for folder in _folders(output_dict).values():
            # An output without files is one, but older launchers do not find nothing.
            folder.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        with (
            tempfile.TemporaryDirectory(prefix="agnews-") as temporary,
            delegated(_doer(contract)),
            _places(contract, input_dict, output_dict),
        ):
            _executor(contract, temporary, values).Do(input_dict, output_dict, properties)
        for folder in _folders(output_dict).values():
            replace_links(folder)
        seconds = time.monotonic() - start
        described = {
            name: describe_artifact(artifact, outputs[name], seconds) for name, (artifact,) in output_dict.items()
        }
    for folder in _folders(output_dict).values():
        if (folder / _OUTCOME).is_file():
            write_verdict(contract.node, folder / _OUTCOME)
    note_outputs(contract, _folders(output_dict).values(), values)
    return described


# What the Pusher writes into its output.
_OUTCOME = "pushed.json"


def pick_artifacts(side: Mapping[str, Any], ours: Collection[str]) -> dict[str, Runtime]:
    """Returns the artifacts of one side of ExecutorInput by name, one each: we hand on no lists.

    Servers add artifacts of their own: `executor-logs`, which the launcher writes and uploads itself.
    """
    found = {name: entry["artifacts"] for name, entry in side.get("artifacts", {}).items() if name in ours}
    return {name: entries[0] for name, entries in found.items() if entries}


def clean_inputs(inputs: Iterable[Runtime]) -> None:
    """Removes what the launcher has downloaded although it is no file."""
    for runtime in inputs:
        remove_folder_markers(Path(mirror_path(runtime["uri"])))


def write_outputs(wanted: Mapping[str, Any], described: Mapping[str, Runtime]) -> None:
    """Tells Kubeflow Pipelines what the outputs are like."""
    path = Path(wanted["outputFile"])
    path.parent.mkdir(parents=True, exist_ok=True)
    artifacts = {name: {"artifacts": [runtime]} for name, runtime in described.items()}
    path.write_text(json.dumps({"artifacts": artifacts}, indent=2) + "\n", encoding="utf-8")


def _doer(contract: StepContract) -> Doer | None:
    if contract.pods is None:
        return None
    from agnews.kubeflow.worker_pods.train_on_pods import train_on_pods

    return partial(train_on_pods, contract=contract.pods)


def _folders(artifacts: _Artifacts) -> dict[str, Path]:
    return {name: Path(artifact.uri) for name, (artifact,) in artifacts.items()}


def _artifacts(runtimes: Mapping[str, Runtime], types: Mapping[str, str]) -> _Artifacts:
    return {name: [read_artifact(runtime, types[name])] for name, runtime in runtimes.items()}


def _places(contract: StepContract, inputs: _Artifacts, outputs: _Artifacts) -> AbstractContextManager[None]:
    """Where the workers of an engine see them too; only a step that runs Beam jobs has such workers."""
    if contract.beam_args is None or not os.environ.get(VARIABLE):
        return nullcontext()
    from agnews.kubeflow.execution.share_artifacts import shared_artifacts

    return shared_artifacts(config_of_environment(os.environ), contract.node, inputs, outputs)


def _executor(contract: StepContract, folder: str, values: Mapping[str, Any]) -> BaseExecutor:
    module, _, name = contract.executor.rpartition(".")
    with spared_imports():
        executor_class = getattr(importlib.import_module(module), name)
    context = {
        "tmp_dir": folder,
        "unique_id": contract.node,
        "pipeline_run_id": str(values[contract.run_id]) if contract.run_id else None,
    }
    if contract.beam_args is not None:
        # Most steps do without, and Beam takes more than a second to load.
        from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

        beam = config_of_environment(os.environ)
        make = pipeline_maker(beam, contract.node, [beam.temp_location] if beam.temp_location else [])
        return executor_class(
            BaseBeamExecutor.Context(beam_pipeline_args=list(contract.beam_args), make_beam_pipeline_fn=make, **context)
        )
    return executor_class(BaseExecutor.Context(**context))
