"""Runs that never were, for the commands that look at runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agnews.pipeline.paths import Paths
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.data_card import DataCard, Lengths, SplitCard
from agnews.schemas.run_report import NodeSummary, RunDocuments, RunReport

MakeRun = Callable[..., RunReport]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root folder."""
    return tmp_path / "root"


@pytest.fixture
def make_run(root: Path) -> MakeRun:
    """Writes report and predictions of a run: `make_run(id, answers, labels=, test_digest=, settings=, **facts)`."""

    def make(
        run_id: str,
        answers: Sequence[int] | None = None,
        *,
        labels: Sequence[int] = (),
        test_digest: str = "e" * 64,
        **facts: Any,
    ) -> RunReport:
        nodes = {}
        if answers is not None:
            folder = root / "artifacts" / run_id
            _write_predictions(folder, labels, answers)
            nodes["Evaluator"] = NodeSummary(state="done", seconds=1.0, outputs={"predictions": str(folder)})
        report = RunReport.model_validate(
            {
                "run_id": run_id,
                "command": "agnews run",
                "data": None,
                "model": {"kind": "transformer", "hidden_dim": 64},
                "metrics": None,
                "blessed": None,
                "reasons": (),
                "baseline": None,
                "pushed_model": None,
                "training_curve": (),
                "nodes": nodes,
                "seconds": 61.5,
                "peak_rss_mb": 1500.0,
                "versions": {},
                "documents": RunDocuments(data_card=_card(test_digest)),
                **facts,
            }
        )
        path = Paths(root).report(run_id)
        path.parent.mkdir(parents=True)
        path.write_text(report.model_dump_json())
        return report

    return make


def _write_predictions(folder: Path, labels: Sequence[int], answers: Sequence[int]) -> None:
    folder.mkdir(parents=True)
    rows = len(labels)
    table = {
        "row": list(range(1, rows + 1)),
        "text": [f"[bold]Text[/bold] number {row}" for row in range(1, rows + 1)],
        "label": list(labels),
        "class_id": list(answers),
    }
    pq.write_table(pa.table(table), folder / "test.parquet")


_SPLIT = SplitCard(
    rows=0,
    rows_per_class=dict.fromkeys(packaged_corpus().class_names, 0),
    duplicates=0,
    contradictions=0,
    words=Lengths(mean=0.0, p50=0, p95=0, p99=0, max=0),
    characters=Lengths(mean=0.0, p50=0, p95=0, p99=0, max=0),
    markup_share=0.0,
)


def _card(test_digest: str) -> DataCard:
    return DataCard(
        corpus="ag_news",
        source="data",
        is_sample=False,
        digest="d" * 64,
        test_digest=test_digest,
        spans=(),
        splits={"test": _SPLIT},
        files={},
        left_out_as_test=0,
        left_out_by_limit=0,
        shared_by_train_and_eval=0,
        normalisation="",
    )
