"""Runs the step Plan."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agnews.components.model_store import ModelStore
from agnews.kubeflow.execution.mirror_path import mirror_path
from agnews.kubeflow.execution.run_note import leave_note, nothing_new
from agnews.kubeflow.log_lines import report_refusal
from agnews.kubeflow.planning.plan_on_cluster import plan_on_cluster
from agnews.kubeflow.planning.run_parameters import PROCEED, PUSH_URI, RUN_ID, SUMMARY

_LOGGER = logging.getLogger(__name__)
_FILE = "plan.md"
_NODE = "Plan"


def run_plan_step(executor_input: Mapping[str, Any]) -> None:
    """Writes the plan: output parameters, and a page in Markdown for people.

    Args:
        executor_input: What Kubeflow Pipelines hands over for `{{$}}`, parsed.

    Raises:
        AgnewsError: See `plan_on_cluster`.
    """
    wanted = executor_input["outputs"]
    values = executor_input["inputs"]["parameterValues"]
    with report_refusal(_NODE, {}):
        plan = plan_on_cluster(values)
    for line in plan.summary.splitlines():
        _LOGGER.info("%s", line)
    if RUN_ID in values and not plan.outputs[PROCEED]:
        run_id = str(values[RUN_ID])
        leave_note(ModelStore(values[PUSH_URI], plan.model), run_id, nothing_new(plan.model, run_id, plan.nothing_new))
    (summary,) = wanted["artifacts"][SUMMARY]["artifacts"]
    page = Path(mirror_path(summary["uri"])) / _FILE
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(plan.summary, encoding="utf-8")
    document = {
        "parameterValues": plan.outputs,
        "artifacts": {SUMMARY: {"artifacts": [{"name": summary.get("name", ""), "uri": f"{summary['uri']}/{_FILE}"}]}},
    }
    path = Path(wanted["outputFile"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
