from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact

from agnews.components.artifact_types import StepReport
from agnews.components.corpus_schema import corpus_schema
from agnews.components.data_gate.component import DataGate
from agnews.components.data_gate.executor import Executor
from agnews.components.model_store.baseline_at import COUNTS_FILE, SERVING_FOLDER
from agnews.components.model_store.model_digest import RECORD_FILE
from agnews.components.statistics import tfdv
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.data_card import DataCard, Lengths, SplitCard
from agnews.schemas.data_check import DataCheck
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import HAS_MARKUP, LABEL
from agnews.schemas.model_record import ModelRecord

SPLITS = '["train", "eval", "test"]'
DISTANCES = packaged_corpus().only("distances").canonical()
LENGTHS = Lengths(mean=1.0, p50=1, p95=1, p99=1, max=1)
SPLIT = SplitCard(
    rows=1000, rows_per_class={}, duplicates=0, contradictions=0, words=LENGTHS, characters=LENGTHS, markup_share=0.0
)
DATA_CARD = DataCard(
    corpus="ag_news",
    source="data",
    is_sample=False,
    digest="d",
    test_digest="t",
    spans=(),
    splits=dict.fromkeys(json.loads(SPLITS), SPLIT),
    files={},
    left_out_as_test=0,
    left_out_by_limit=0,
    shared_by_train_and_eval=0,
    normalisation="",
)


def artifact(kind: type[Artifact], folder: Path, split_names: str = "") -> Artifact:
    folder.mkdir(parents=True, exist_ok=True)
    made = kind()
    made.uri = str(folder)
    if split_names:
        made.split_names = split_names
    return made


@pytest.fixture
def gate(
    tmp_path: Path, schema: Any, news_columns: Any, statistics_of: Any, counts_of: Any
) -> Callable[..., DataCheck]:
    """Runs the executor on artifacts as StatisticsGen, ExampleValidator and BaselineModel write them."""

    def run(*, fail_on_drift: int = 0, pushed: Any = None, counted: bool = True, **test: Any) -> DataCheck:
        for seed, split in enumerate(json.loads(SPLITS)):
            columns = news_columns(1000, seed) | (test if split == "test" else {})
            anomalies = tfdv.validate_statistics(statistics_of(columns), schema)
            for path, content in (
                (f"anomalies/Split-{split}/SchemaDiff.pb", anomalies.SerializeToString()),
                (f"data_card/{split}/feature_counts.json", counts_of(columns).model_dump_json().encode()),
            ):
                (tmp_path / path).parent.mkdir(parents=True)
                (tmp_path / path).write_bytes(content)
        (tmp_path / "data_card" / "report.json").write_text(DATA_CARD.model_dump_json())
        (tmp_path / "schema").mkdir()
        (tmp_path / "schema" / "schema.pbtxt").write_text(corpus_schema(packaged_corpus()))
        if pushed is not None:
            record = ModelRecord(
                version="1763820000", name="agnews", run_id="r", pushed_at=datetime.now(UTC), model_digest="d",
                fingerprint="f", judged_against="", accuracy=0.9, classes=("World",),
            )  # fmt: skip
            model = tmp_path / "baseline" / SERVING_FOLDER
            for name, content in (
                (RECORD_FILE, record.model_dump_json().encode()),
                *([(COUNTS_FILE, counts_of(pushed).model_dump_json().encode())] if counted else []),
            ):
                (model / name).parent.mkdir(parents=True, exist_ok=True)
                (model / name).write_bytes(content)
        inputs = {
            "data_card": [artifact(StepReport, tmp_path / "data_card")],
            "schema": [artifact(standard_artifacts.Schema, tmp_path / "schema")],
            "anomalies": [artifact(standard_artifacts.ExampleAnomalies, tmp_path / "anomalies", SPLITS)],
            "baseline": [artifact(standard_artifacts.Model, tmp_path / "baseline")],
        }
        output = {"report": [artifact(StepReport, tmp_path / "report")]}
        Executor().Do(inputs, output, {"corpus": DISTANCES, "fail_on_drift": fail_on_drift, "code_version": ""})
        return read_report(tmp_path)

    return run


def read_report(tmp_path: Path) -> DataCheck:
    return DataCheck.model_validate_json((tmp_path / "report" / "report.json").read_text())


def test_clean_rows_on_the_first_run(gate: Callable[..., DataCheck]) -> None:
    report = gate()
    assert report.passed
    assert report.baseline is None
    assert report.rows == {"train": 1000, "eval": 1000, "test": 1000}


def test_drift_is_measured_against_the_pushed_counts(gate: Callable[..., DataCheck], news_columns: Any) -> None:
    report = gate(pushed=news_columns(1000, 9) | {HAS_MARKUP: ["no"] * 1000})
    assert report.passed
    assert report.baseline == "1763820000"
    assert [(finding.kind, finding.feature) for finding in report.findings] == [("drift", HAS_MARKUP)]


def test_a_version_that_was_pushed_without_counts_is_compared_with_nothing(
    gate: Callable[..., DataCheck], news_columns: Any
) -> None:
    report = gate(pushed=news_columns(1000, 9) | {HAS_MARKUP: ["no"] * 1000}, counted=False)
    assert report.baseline == "1763820000"
    assert {distance.kind for distance in report.distances} == {"skew"}


def test_drift_stops_when_asked_to(gate: Callable[..., DataCheck], news_columns: Any) -> None:
    with pytest.raises(AgnewsError, match="has_markup"):
        gate(pushed=news_columns(1000, 9) | {HAS_MARKUP: ["no"] * 1000}, fail_on_drift=1)


def test_the_report_is_written_before_the_run_ends(gate: Callable[..., DataCheck], tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="label"):
        gate(**{LABEL: [7] * 1000})
    assert not read_report(tmp_path).passed


def test_component_takes_its_switch_as_a_number() -> None:
    from tfx.types.channel import Channel

    node = DataGate(
        data_card=Channel(type=StepReport),
        schema=Channel(type=standard_artifacts.Schema),
        anomalies=Channel(type=standard_artifacts.ExampleAnomalies),
        baseline=Channel(type=standard_artifacts.Model),
        corpus="{}",
        fail_on_drift=True,
        code_version="1",
    )
    assert node.exec_properties == {"corpus": "{}", "fail_on_drift": 1, "code_version": "1"}
    assert node.id == "DataGate"
