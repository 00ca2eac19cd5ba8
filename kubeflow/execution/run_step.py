"""Runs the executor of one step."""

from __future__ import annotations

import importlib
import json
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact

from agnews.kubeflow.execution.explain_step_failure import explain_step_failure
from agnews.kubeflow.execution.guard_outputs import replace_links
from agnews.kubeflow.execution.log_lines import report_refusal, write_verdict
from agnews.kubeflow.execution.read_artifact import describe_artifact, mirror_path, read_artifact, remove_folder_markers
from agnews.kubeflow.execution.step_contract import StepContract, read_properties

_Runtimes = dict[str, list[dict[str, Any]]]
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
    inputs, outputs = _runtimes(given, contract.inputs), _runtimes(wanted, contract.outputs)
    for runtimes in inputs.values():
        for runtime in runtimes:
            remove_folder_markers(Path(mirror_path(runtime["uri"])))
    input_dict = _artifacts(inputs, contract.inputs)
    output_dict = _artifacts(outputs, contract.outputs)
    values = given.get("parameterValues", {})
    with (
        report_refusal(contract.node, _folders(output_dict)),
        explain_step_failure(contract.node, _folders(input_dict)),
    ):
        properties = read_properties(values, contract)
        for artifacts in output_dict.values():
            for artifact in artifacts:
                # An output without files is one, but older launchers do not find nothing.
                Path(artifact.uri).mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="agnews-") as folder:
            _executor(contract, folder, values).Do(input_dict, output_dict, properties)
        for output in _folders(output_dict).values():
            replace_links(output)
        _write_output(Path(wanted["outputFile"]), outputs, output_dict, time.monotonic() - start)
    for output in _folders(output_dict).values():
        if (output / _OUTCOME).is_file():
            write_verdict(contract.node, output / _OUTCOME)


# What the Pusher writes into its output.
_OUTCOME = "pushed.json"


def _runtimes(side: Mapping[str, Any], ours: Collection[str]) -> _Runtimes:
    # Servers add artifacts of their own: `executor-logs`, which the launcher writes and uploads itself.
    return {name: entry["artifacts"] for name, entry in side.get("artifacts", {}).items() if name in ours}


def _folders(artifacts: _Artifacts) -> dict[str, Path]:
    return {name: Path(entries[0].uri) for name, entries in artifacts.items() if entries}


def _artifacts(runtimes: _Runtimes, types: Mapping[str, str]) -> _Artifacts:
    return {name: [read_artifact(runtime, types[name]) for runtime in entries] for name, entries in runtimes.items()}


def _executor(contract: StepContract, folder: str, values: Mapping[str, Any]) -> BaseExecutor:
    module, _, name = contract.executor.rpartition(".")
    executor_class = getattr(importlib.import_module(module), name)
    context = {
        "tmp_dir": folder,
        "unique_id": contract.node,
        "pipeline_run_id": str(values[contract.run_id]) if contract.run_id else None,
    }
    if contract.beam_args is not None:
        # Most steps do without, and Beam takes more than a second to load.
        from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

        return executor_class(BaseBeamExecutor.Context(beam_pipeline_args=list(contract.beam_args), **context))
    return executor_class(BaseExecutor.Context(**context))


def _write_output(path: Path, runtimes: _Runtimes, artifacts: _Artifacts, seconds: float) -> None:
    described = {
        name: {"artifacts": [describe_artifact(*pair, seconds) for pair in zip(artifacts[name], entries, strict=True)]}
        for name, entries in runtimes.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"artifacts": described}, indent=2) + "\n", encoding="utf-8")
