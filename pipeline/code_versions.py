"""Digests of the code behind the nodes of the pipeline."""

from __future__ import annotations

from agnews.pipeline.code_version import code_version

_CODE = {
    "NewsExampleGen": "agnews.components.news_example_gen.executor",
    "BaselineModel": "agnews.components.baseline_model.executor",
    "DataGate": "agnews.components.data_gate.executor",
    "Transform": "agnews.components.transform",
    "TokenGate": "agnews.components.token_gate.executor",
    "Trainer": "agnews.components.trainer",
    "Evaluator": "agnews.components.evaluator.executor",
    "SmokeTest": "agnews.components.smoke_test.executor",
    "Pusher": "agnews.components.pusher.executor",
    "Report": "agnews.components.report.executor",
}


def code_versions() -> dict[str, str]:
    """Returns the digest of the code behind each node that runs code of ours."""
    return {node: code_version(module) for node, module in _CODE.items()}
