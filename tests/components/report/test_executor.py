"""One whole step: from the artifacts of all others to a page, its JSON, and what Kubeflow's own pages show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn import metrics

from agnews.schemas.run_report import RunReport

pytestmark = pytest.mark.integration

Outputs = dict[str, Any]


@pytest.fixture
def report_on(tmp_path: Path) -> Callable[..., Outputs]:
    """Runs the executor on a made-up run; gives back its output artifacts."""

    def run(made: Any, *, seconds: bool = False) -> Outputs:
        from agnews.components.report.component import Report
        from agnews.components.report.executor import _SOURCES, Executor

        inputs: dict[str, Any] = {}
        for name, parameter in Report.SPEC_CLASS.INPUTS.items():
            artifact = parameter.type()
            artifact.uri = made.uris[_SOURCES[name]]
            if seconds:
                artifact.set_float_custom_property("seconds", 1.5)
            inputs[name] = [artifact]
        outputs: dict[str, Any] = {}
        for name, parameter in Report.SPEC_CLASS.OUTPUTS.items():
            outputs[name] = [parameter.type()]
            outputs[name][0].uri = str(tmp_path / f"out-{name}")
        Executor(Executor.Context(pipeline_run_id="run-17")).Do(inputs, outputs, {"code_version": ""})
        return {name: artifact for name, (artifact,) in outputs.items()}

    return run


def _report(outputs: Outputs) -> RunReport:
    return RunReport.model_validate_json((Path(outputs["report"].uri) / "report.json").read_text())


@pytest.mark.parametrize("blessed", [True, False])
def test_page_and_json_say_what_the_steps_found(make_run: Any, report_on: Any, blessed: bool) -> None:
    made = make_run(blessed=blessed)
    outputs = report_on(made)
    report = _report(outputs)
    assert report.run_id == "run-17"
    assert report.blessed is blessed
    assert report.pushed_model == ("/models/agnews/1795570852" if blessed else None)
    assert report.baseline == "1763820000"
    assert report.model == {"kind": "transformer", "hidden_dim": 64}
    assert report.documents.baseline is not None
    assert report.metrics is not None
    assert report.metrics.accuracy == metrics.accuracy_score(made.labels, made.answers)
    page = (Path(outputs["page"].uri) / "report.html").read_text()
    assert ("Blessed" if blessed else "Not blessed") in page


def test_kubeflow_gets_what_its_own_metrics_types_would_hold(make_run: Any, report_on: Any) -> None:
    from google.protobuf import json_format
    from kfp import dsl

    made = make_run()
    outputs = report_on(made)
    matrix = metrics.confusion_matrix(made.labels, made.answers).tolist()
    theirs = dsl.ClassificationMetrics()
    theirs.log_confusion_matrix(["World", "Sports", "Business", "Sci/Tech"], matrix)
    struct = outputs["classification"].mlmd_artifact.custom_properties["confusionMatrix"].struct_value
    assert json_format.MessageToDict(struct) == theirs.metadata["confusionMatrix"]

    accuracy = outputs["metrics"].get_float_custom_property("accuracy")
    assert accuracy == pytest.approx(metrics.accuracy_score(made.labels, made.answers), abs=1e-6)
    assert outputs["metrics"].get_float_custom_property("blessed") == 1.0
    assert outputs["metrics"].get_float_custom_property("difference_to_baseline") != 0.0

    titles = {"page": dsl.HTML, "metrics": dsl.Metrics, "classification": dsl.ClassificationMetrics}
    for name, kind in titles.items():
        assert outputs[name].type_name == kind.schema_title


def test_a_first_run_has_no_baseline_to_tell_of(make_run: Any, report_on: Any) -> None:
    outputs = report_on(make_run(baseline=False))
    report = _report(outputs)
    assert report.baseline is None
    assert report.documents.baseline is None
    assert not outputs["metrics"].has_custom_property("baseline_accuracy")


def test_seconds_are_those_that_kubeflow_hands_over(make_run: Any, report_on: Any) -> None:
    made = make_run(rows=40)
    assert {node.seconds for node in _report(report_on(made)).nodes.values()} == {None}
    nodes = _report(report_on(made, seconds=True)).nodes
    assert nodes["Trainer"].seconds == 1.5
    assert len(nodes) == 11
