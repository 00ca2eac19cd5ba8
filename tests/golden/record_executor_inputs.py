"""Writes executor_inputs.json: what KFP's own local orchestrator hands over to each step of the compiled pipeline.

Steps are not run: each writes outputs as the entrypoint would, with what artifacts say of themselves.

python tests/golden/record_executor_inputs.py
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from kfp import components, local
from kfp.local import docker_task_handler, status
from kfp.local.orchestrator import enhanced_dag_orchestrator

from agnews.kubeflow.planning.run_parameters import PLAN_OUTPUTS

TARGET = Path(__file__).with_name("executor_inputs.json")
GOLDEN = Path(__file__).with_name("pipeline.yaml")
METADATA = {
    "examples": {"split_names": '["train", "eval", "test"]', "payload_format": "FORMAT_TF_EXAMPLE", "seconds": 2.0},
    "model": {"has_baseline": 0, "version": "", "seconds": 0.25},
}
PLAN = {
    **{name: '{"name": "ag_news"}' if name.startswith("corpus_") else "" for name in PLAN_OUTPUTS},
    "proceed": True,
    "data_digest": "d" * 64,
    "fingerprint": "f" * 16,
    "transform_settings": '{"max_length": 96}',
    "trainer_settings": '{"training": {"epochs": 2}}',
    "max_length": 96,
    "max_unknown_share": 0.01,
}


def main() -> None:
    """Runs the golden pipeline without its steps."""
    recorded: dict[str, Any] = {}

    def run(handler: Any) -> status.Status:
        command: list[str] = handler.full_command
        document = json.loads(command[command.index("--executor-input") + 1])
        name = "Plan" if "--plan" in command else json.loads(command[command.index("--step") + 1])["node"]
        recorded[name] = document
        outputs: dict[str, Any] = {"parameterValues": PLAN if name == "Plan" else {}, "artifacts": {}}
        for key, entry in document["outputs"]["artifacts"].items():
            (artifact,) = entry["artifacts"]
            described = {"name": artifact["name"], "uri": artifact["uri"], "metadata": METADATA.get(key, {})}
            outputs["artifacts"][key] = {"artifacts": [described]}
        path = Path(document["outputs"]["outputFile"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(outputs))
        return status.Status.SUCCESS

    docker_task_handler.DockerTaskHandler.run = run
    enhanced_dag_orchestrator.ConditionEvaluator.evaluate_condition = staticmethod(lambda *_: True)
    with tempfile.TemporaryDirectory() as root:
        local.init(local.DockerRunner(), pipeline_root=root)
        components.load_component_from_text(GOLDEN.read_text())(data_uri="sample", epochs=2)
        text = json.dumps(recorded, indent=1, sort_keys=True).replace(root, "/root-of-the-pipeline")
    text = re.sub(r"agnews-\d{4}(-\d+){6}", "agnews-of-a-run", text)
    # Eight random digits.
    text = re.sub(r'("run_id": )"\d+"', r'\1"12345678"', text)
    TARGET.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
