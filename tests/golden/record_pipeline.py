"""Writes pipeline.yaml and pipeline_fused.yaml: what `agnews compile` makes of the pipeline; and pipeline_telling.yaml:
what is other in one whose runs tell of their end.

Review the difference by eye.

python tests/golden/record_pipeline.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from agnews.kubeflow.compiler.compile_pipeline import CompileRequest, compile_pipeline
from agnews.pipeline.code_version import code_versions
from agnews.pipeline.load_config import load_config
from agnews.pipeline.load_deployment import load_deployment
from agnews.schemas.deployment import SecretKey
from agnews.schemas.execution_config import NotifyConfig
from agnews.schemas.yaml_text import write_yaml

FOLDER = Path(__file__).parent
TARGETS = {"none": "pipeline.yaml", "light": "pipeline_fused.yaml"}
"""What is recorded, by the key `fuse` of the deployment table."""

TELLING = "pipeline_telling.yaml"
NOTIFY = NotifyConfig.model_validate(
    {
        "on": ["failed", "held_back", "pushed", "nothing_new", "drift"],
        "channels": [
            {"kind": "slack", "url": {"env": "SLACK_WEBHOOK"}},
            {"kind": "webhook", "url": "https://hooks.example/agnews", "secret": {"env": "WEBHOOK_KEY"}},
        ],
    }
)


def golden_request(fuse: str = "none", notify: NotifyConfig | None = None) -> CompileRequest:
    """Says what is compiled: all that changes with each change of code has a fixed value."""
    deployment = load_deployment("gpu").model_copy(update={"fuse": fuse})
    if notify is not None:
        secrets = {name: SecretKey(secret="notify", key=name.lower()) for name in ("SLACK_WEBHOOK", "WEBHOOK_KEY")}
        row = deployment.nodes["Notify"].model_copy(update={"secret_env": secrets})
        deployment = deployment.model_copy(update={"nodes": {**deployment.nodes, "Notify": row}})
    return CompileRequest(
        config=load_config("bert_finetune", deployment.settings),
        deployment=deployment,
        image="registry.example/agnews@sha256:" + "0123456789abcdef" * 4,
        code=dict.fromkeys(code_versions(), "0123456789abcdef"),
        push_uri="/mnt/models",
        notify=notify or NotifyConfig(),
    )


def telling_parts(plain: str, telling: str) -> str:
    """Returns what of a compiled pipeline is other than in the one that tells nobody, as YAML of the same form."""
    (there, there_platform), (here, here_platform) = (list(yaml.safe_load_all(text)) for text in (plain, telling))
    # What was the root is a group there.
    there["components"]["comp-watched-run"] = {"dag": there["root"]["dag"]}
    parts = [_other(here, there), _other(here_platform, there_platform)]
    return write_yaml(*parts, sort_keys=True, width=120)


def _other(here: dict[str, Any], there: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in here.items():
        if isinstance(value, dict) and isinstance(there.get(key), dict):
            value = _other(value, there[key])
            if value:
                found[key] = value
        elif value != there.get(key):
            found[key] = value
    return found


if __name__ == "__main__":
    for fuse, name in TARGETS.items():
        (FOLDER / name).write_text(compile_pipeline(golden_request(fuse)), encoding="utf-8")
    texts = [compile_pipeline(golden_request("light", notify)) for notify in (None, NOTIFY)]
    (FOLDER / TELLING).write_text(telling_parts(*texts), encoding="utf-8")
