"""Writes pipeline.yaml: what `agnews compile` makes of the pipeline. Review the difference by eye.

python tests/golden/record_pipeline.py
"""

from __future__ import annotations

from pathlib import Path

from agnews.kubeflow.compiler.compile_pipeline import CompileRequest, compile_pipeline
from agnews.pipeline.code_version import code_versions
from agnews.pipeline.load_config import load_config
from agnews.pipeline.load_deployment import load_deployment

TARGET = Path(__file__).with_name("pipeline.yaml")


def golden_request() -> CompileRequest:
    """Says what is compiled: all that changes with each change of code has a fixed value."""
    deployment = load_deployment("gpu")
    return CompileRequest(
        config=load_config("bert_finetune", deployment.settings),
        deployment=deployment,
        image="registry.example/agnews@sha256:" + "0123456789abcdef" * 4,
        code=dict.fromkeys(code_versions(), "0123456789abcdef"),
        push_uri="/mnt/models",
    )


if __name__ == "__main__":
    TARGET.write_text(compile_pipeline(golden_request()), encoding="utf-8")
