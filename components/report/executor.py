"""Puts the findings of all steps on one page."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_single_instance

from agnews.components.report.assemble_report import assemble_report, read_documents
from agnews.components.report.render_report import render_report
from agnews.components.storage.files_at import files_at
from agnews.schemas.evaluation import Evaluation, Metrics
from agnews.schemas.nodes import NODES
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.run_report import NodeSummary

_LOGGER = logging.getLogger(__name__)

_SOURCES = {
    output.report_input: (name, output.key)
    for name, node in NODES.items()
    for output in node.outputs
    if output.report_input
}
"""Node and key that each input is an output of."""
_SECONDS = "seconds"


class Executor(BaseExecutor):
    """Runs the node Report.

    Inputs:
        data_card, data_check, token_check, smoke_report: StepReports of NewsExampleGen, DataGate, TokenGate, SmokeTest.
        statistics, anomalies, transform_graph: Only their property `seconds` is read.
        baseline: Model that BaselineModel wrote; it may hold none.
        model_run: ModelRun; `training.json` is read.
        evaluation: ModelEvaluation; `evaluation.json` is read.
        predictions: Predictions on the split `test`.
        pushed_model: PushedModel; `pushed.json` is read.
        On Kubeflow each input has a custom property `seconds`, how long its node took; elsewhere none has.

    Outputs:
        page: HtmlPage, `report.html`.
        report: StepReport, `report.json` is an `agnews.schemas.run_report.RunReport`.
        metrics: ScalarMetrics; the figures are custom properties.
        classification: ClassificationMetrics; the custom property `confusionMatrix` has the form of Kubeflow's own
            `dsl.ClassificationMetrics`: rows are true classes, columns predicted ones. Of more than 100 classes there
            is none, and no metric for each.

    Exec properties:
        code_version: Not read: it makes the node run again when its code changes.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the class."""
        self._log_startup(input_dict, output_dict, exec_properties)
        inputs = {name: get_single_instance(artifacts) for name, artifacts in input_dict.items()}
        outputs = {name: get_single_instance(artifacts) for name, artifacts in output_dict.items()}
        documents = read_documents({_SOURCES[name]: each.uri for name, each in inputs.items()})
        settings = dict(documents.training.config) if documents.training else {}
        model = settings.pop("model", {})
        report = assemble_report(
            documents,
            run_id=(self._context.pipeline_run_id if self._context else None) or "",
            model=model if isinstance(model, dict) else {},
            settings=settings,
            nodes=_nodes(inputs),
        )
        _write(f"{outputs['page'].uri}/report.html", render_report(report))
        report.write(outputs["report"].uri, files_at(outputs["report"].uri).write)
        if evaluation := documents.evaluation:
            for name, figure in _figures(evaluation, documents.push).items():
                outputs["metrics"].set_float_custom_property(name, figure)
            if evaluation.metrics.confusion_matrix:
                outputs["classification"].set_json_value_custom_property(
                    "confusionMatrix", _confusion_matrix(evaluation.metrics)
                )
        _LOGGER.info("Report: %s/report.html", outputs["page"].uri)


def _write(path: str, text: str) -> None:
    files_at(path).write_text(path, text)


def _nodes(inputs: Mapping[str, Artifact]) -> dict[str, NodeSummary]:
    uris: dict[str, dict[str, str]] = {}
    seconds: dict[str, float] = {}
    for name, artifact in inputs.items():
        node, key = _SOURCES[name]
        uris.setdefault(node, {})[key] = artifact.uri
        if artifact.has_custom_property(_SECONDS):
            seconds[node] = artifact.get_float_custom_property(_SECONDS)
    return {node: NodeSummary(state="done", seconds=seconds.get(node), outputs=found) for node, found in uris.items()}


def _figures(evaluation: Evaluation, push: PushOutcome | None) -> dict[str, float]:
    """Shares are between 0 and 1, decisions 0 or 1; what is not known is left out."""
    figures = {figure.name: figure.value for figure in evaluation.metrics.figures}
    figures |= {
        "test_rows": float(evaluation.metrics.count),
        "blessed": float(evaluation.verdict.blessed),
    }
    if evaluation.metrics.confusion_matrix:
        figures |= {f"recall_{scores.name}": scores.recall for scores in evaluation.metrics.per_class}
    if paired := evaluation.verdict.paired_test:
        figures |= {"baseline_accuracy": paired.baseline_accuracy, "difference_to_baseline": paired.difference}
    if push is not None:
        figures["pushed"] = float(push.pushed)
    return {name: round(figure, 6) for name, figure in figures.items()}


def _confusion_matrix(metrics: Metrics) -> dict[str, Any]:
    return {
        "annotationSpecs": [{"displayName": scores.name} for scores in metrics.per_class],
        "rows": [{"row": list(counts)} for counts in metrics.confusion_matrix],
    }
