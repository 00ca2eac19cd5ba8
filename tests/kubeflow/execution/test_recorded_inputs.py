"""Each ExecutorInput that a real server handed over, through the entry point, with executors that write little."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agnews.kubeflow.execution import mirror_path, read_artifact
from agnews.kubeflow.execution.run_step import run_step
from agnews.kubeflow.execution.step_contract import StepContract

NODES = [
    *["NewsExampleGen", "StatisticsGen", "ImportSchemaGen", "BaselineModel", "DataGate", "Transform"],
    *["TokenGate", "Trainer", "Evaluator", "SmokeTest", "Pusher", "Report"],
]
TOY = """
import math
from pathlib import Path
from tfx.dsl.components.base.base_executor import BaseExecutor


class Executor(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        Executor.seen = (input_dict, output_dict, exec_properties)
        for name, artifacts in output_dict.items():
            (artifact,) = artifacts
            (Path(artifact.uri) / "file").write_text(name)
            artifact.set_float_custom_property("loss", math.nan)
            artifact.set_float_custom_property("bound", -math.inf)
            artifact.set_json_value_custom_property("curve", [1.0, math.nan, None])
"""


def _steps(recordings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {path: content for path, content in recordings.items() if path.startswith("executor_inputs/")}


@pytest.fixture
def contract_of(repository: Path) -> Callable[[str], StepContract]:
    (spec, *_) = yaml.safe_load_all((repository / "tests/golden/pipeline.yaml").read_text())
    arguments = [executor["container"]["args"] for executor in spec["deploymentSpec"]["executors"].values()]
    texts = [words[words.index("--step") + 1] for words in arguments if "--step" in words]
    contracts = {contract.node: contract for contract in map(StepContract.model_validate_json, texts)}
    return lambda node: contracts[node]


_GONE = {"statistics": "tfx.types.standard_artifacts.ExampleStatistics"}
"""Inputs that a node had when it was recorded and has no more."""


def _as_compiled_then(contract: StepContract, document: dict[str, Any], executor: str) -> StepContract:
    """The types of today for what the recorded pipeline had: nodes gain and lose inputs, and the recordings stay."""
    given, wanted = document["inputs"], document["outputs"]
    changes = {
        "executor": executor,
        "inputs": {
            name: kind for name, kind in {**_GONE, **contract.inputs}.items() if name in given.get("artifacts", {})
        },
        "outputs": {name: kind for name, kind in contract.outputs.items() if name in wanted["artifacts"]},
        "parameters": {
            name: kind for name, kind in contract.parameters.items() if name in given.get("parameterValues", {})
        },
        "beam_args": None,
    }
    return contract.model_copy(update=changes)


def _word(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json").replace("-", "")


def test_there_are_recordings_of_twelve_nodes_and_all_name_an_output_that_is_not_ours(
    recordings: dict[str, Any],
) -> None:
    steps = _steps(recordings)
    assert {path.rpartition("/")[2].removesuffix(".json").replace("-", "") for path in steps} == {
        *map(str.lower, NODES),
        "plan",
    }
    assert all("executor-logs" in document["outputs"]["artifacts"] for document in steps.values())


def test_each_step_writes_its_own_outputs_and_leaves_the_servers_alone(
    recordings: dict[str, Any],
    contract_of: Callable[[str], StepContract],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "toy_of_recordings.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(mirror_path._MIRRORS, "minio://", f"{tmp_path}/minio/")
    for path, document in _steps(recordings).items():
        node = next((node for node in NODES if node.lower() == _word(path)), None)
        if node is None:  # Plan has no contract
            continue
        # The document names the mirror of the launcher, which is at the root of the machine.
        output_file = f"{tmp_path}{document['outputs']['outputFile']}"
        given = {**document, "outputs": {**document["outputs"], "outputFile": output_file}}
        contract = _as_compiled_then(
            contract_of(node),
            given,
            "toy_of_recordings.Executor",
        )
        run_step(given, contract)

        import toy_of_recordings

        inputs, outputs, _ = toy_of_recordings.Executor.seen
        assert inputs.keys() == document["inputs"].get("artifacts", {}).keys(), path
        assert outputs.keys() == document["outputs"]["artifacts"].keys() - {"executor-logs"}, path
        written = json.loads(Path(output_file).read_text(), parse_constant=lambda text: pytest.fail(text))
        answered = recordings.get(path.replace("executor_inputs", "executor_outputs"))
        assert answered is None or written["artifacts"].keys() == answered["artifacts"].keys(), path
        for key, entry in written["artifacts"].items():
            (artifact,) = entry["artifacts"]
            assert artifact["uri"].startswith(document["outputs"]["artifacts"][key]["artifacts"][0]["uri"])
            # Protobuf's JSON has no number for these.
            assert (artifact["metadata"]["loss"], artifact["metadata"]["bound"]) == ("NaN", "-Infinity")
            assert list(artifact["metadata"]["curve"].values()) == [[1.0, "NaN", None]]
            again = read_artifact.read_artifact(artifact, "agnews.components.artifact_types.StepReport")
            assert str(again.get_float_custom_property("loss")) == "nan"
