"""What is said about retries, against what was recorded from servers."""

from __future__ import annotations

from typing import Any

from agnews.kubeflow.compiler.retry_outlook import DEFAULTS, retry_outlook
from agnews.pipeline.load_deployment import load_deployment
from agnews.schemas.nodes import NODES

# Words of the recording, and ours.
_CAUSES = {
    "exit code 1": "exit codes",
    "process of the step killed by SIGKILL": "SIGKILL",
    "pod evicted": "eviction",
    "pod deleted": "a deleted pod",
    "activeDeadlineSeconds": "time-out",
}
_COLUMNS = {"2.17": "template_defaults", "2.15, 2.16": "no_template_defaults"}


def _lines(**defaults: object) -> list[str]:
    deployment = load_deployment("cpu")
    changed = deployment.model_copy(update={"defaults": deployment.defaults.model_copy(update=defaults)})
    return list(retry_outlook(changed, tuple(NODES)))


def test_it_is_what_servers_did(recordings: dict[str, Any]) -> None:
    lines = _lines()
    for default in DEFAULTS:
        (line,) = [line for line in lines if line.startswith(default.versions)]
        tried, _, left = line.partition("; not ")
        for case in recordings["retries.json"]["cases"]:
            cause = next((ours for theirs, ours in _CAUSES.items() if case["case"].startswith(theirs)), None)
            if cause is None:
                continue
            again = case[_COLUMNS[default.versions]]["tries"] > 1
            assert cause in (tried if again else left), f"{default.versions}: {case['case']}"


def test_it_says_how_often_and_who_differs() -> None:
    assert (
        _lines()[0]
        == "2 for each step (Trainer 3), 30 s apart and doubling, up to 4 days, 0:03:30 after the first start"
    )
    assert _lines(timeout_minutes=None)[0].endswith("up to 7 days, 0:00:00 after the first start")
    nothing = load_deployment("cpu").model_copy(update={"nodes": {}})
    nothing = nothing.model_copy(update={"defaults": nothing.defaults.model_copy(update={"retries": 0})})
    assert list(retry_outlook(nothing, tuple(NODES))) == ["no step is tried again"]


def test_a_policy_that_a_server_does_not_have_is_said_with_the_way_to_it() -> None:
    lines = _lines(retry_policy="OnFailure")
    (asked,) = [line for line in lines if "the table asks" in line]
    assert asked.startswith("2.17: the table asks for OnFailure")
    assert "workflow-controller-configmap: OnFailure" in asked
    assert len([line for line in _lines(retry_policy="Always") if "the table asks" in line]) == 2
