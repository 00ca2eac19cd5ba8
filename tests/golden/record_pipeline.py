"""Writes pipeline.yaml and pipeline_fused.yaml: what `agnews compile` makes of the pipeline.

Review the difference by eye.

python tests/golden/record_pipeline.py
"""

from __future__ import annotations

from pathlib import Path

from agnews.kubeflow.compiler.compile_pipeline import CompileRequest, compile_pipeline
from agnews.pipeline.code_version import code_versions
from agnews.pipeline.load_config import load_config
from agnews.pipeline.load_deployment import load_deployment

FOLDER = Path(__file__).parent
TARGETS = {"none": "pipeline.yaml", "light": "pipeline_fused.yaml"}
"""What is recorded, by the key `fuse` of the deployment table."""


def golden_request(fuse: str = "none") -> CompileRequest:
    """Says what is compiled: all that changes with each change of code has a fixed value."""
    deployment = load_deployment("gpu").model_copy(update={"fuse": fuse})
    return CompileRequest(
        config=load_config("bert_finetune", deployment.settings),
        deployment=deployment,
        image="registry.example/agnews@sha256:" + "0123456789abcdef" * 4,
        code=dict.fromkeys(code_versions(), "0123456789abcdef"),
        push_uri="/mnt/models",
    )


if __name__ == "__main__":
    for fuse, name in TARGETS.items():
        (FOLDER / name).write_text(compile_pipeline(golden_request(fuse)), encoding="utf-8")
