"""The model card has the facts, and no more than the same model always has."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from agnews.components.evaluator.metrics import MeanOfRows, Metric, measure
from agnews.components.evaluator.scored import Scored
from agnews.components.pusher.describe_model import describe_model
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.data_card import DataCard, FileCard, Lengths, SplitCard
from agnews.schemas.evaluation import ClassMetrics, Evaluation, Metrics, PairedTest, SliceMetrics, Verdict

AG_NEWS = packaged_corpus()

LENGTHS = Lengths(mean=37.8, p50=37, p95=55, p99=76, max=171)


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "model": {"kind": "bert_frozen", "encoder": "minilm"},
        "text": {"vocabulary": "minilm", "lowercase": True, "max_length": 128, "max_unknown_share": 0.01},
        "training": {"epochs": 4, "learning_rate": 0.001},
        "vocabulary_sha256": "a" * 64,
        "encoder_sha256": "b" * 64,
        "parameters": 22_700_000,
        "trained_parameters": 1540,
        "train_rows": 8000,
        "devices": {"accelerator": "cpu", "precision": "float32", "global_batch_size": 128},
        "best_epoch": 3,
        "temperature": 1.161,
        "warm_start": None,
        "versions": {"agnews": "0.1.0", "tensorflow": "2.21.0"},
        **changes,
    }


def data(*, is_sample: bool = False, source: str = "data") -> DataCard:
    split = SplitCard(
        rows=8000,
        rows_per_class=dict.fromkeys(AG_NEWS.class_names, 2000),
        duplicates=0,
        contradictions=0,
        words=LENGTHS,
        characters=LENGTHS,
        markup_share=0.2,
    )
    return DataCard(
        corpus="ag_news",
        source=source,
        is_sample=is_sample,
        digest="d" * 64,
        test_digest="e" * 64,
        spans=(),
        splits={"train": split, "test": split},
        files={"train.csv": FileCard(records=8007, rejects={"no_text": 7})},
        left_out_as_test=5,
        left_out_by_limit=0,
        shared_by_train_and_eval=0,
        normalisation="",
    )


def evaluation(*, baseline: str = "17") -> Evaluation:
    test = PairedTest(
        baseline=baseline,
        baseline_accuracy=0.8,
        only_candidate_right=2,
        only_baseline_right=1,
        difference=0.01,
        confidence_interval=(-0.1, 0.1),
        level=0.9,
        p_worse=0.8,
    )
    scores = (ClassMetrics(name=name, precision=0.75, recall=0.9, f1=0.818, count=100) for name in AG_NEWS.class_names)
    matrix = ((90, 10, 0, 0), (0, 90, 10, 0), (0, 0, 90, 10), (30, 20, 20, 30))
    return Evaluation(
        metrics=Metrics(
            count=400, accuracy=0.75, macro_f1=0.818, ece=0.0265, per_class=tuple(scores), confusion_matrix=matrix
        ),
        slices=(
            SliceMetrics(feature="length", value="up to 20 words", count=40, accuracy=0.7),
            SliceMetrics(feature="has_markup", value="yes", count=80, accuracy=0.9),
        ),
        verdict=Verdict(blessed=True, reasons=("x",), failed_rules=(), paired_test=test),
    )


def card(**changes: Any) -> str:
    how: dict[str, Any] = {"corpus": AG_NEWS, "facts": facts(), "data": data(), "evaluation": evaluation()}
    return describe_model("agnews", **{**how, **changes})


def interval(hits: int, rows: int) -> str:
    low, high = stats.binomtest(hits, rows).proportion_ci(method="wilson")
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def test_it_has_figures_with_intervals_data_with_licence_and_digests() -> None:
    text = card()
    assert f"75.00 % on 400 test rows (95 % interval {interval(300, 400)})" in text
    assert f"| World | 75.00 % ({interval(90, 120)}) | 90.00 % ({interval(90, 100)}) | 81.80 % | 100 |" in text
    assert f"| up to 20 words | 40 | 70.00 % ({interval(28, 40)}) |" in text
    assert "| calibration error | 2.65 % | lower |" in text
    assert "temperature of 1.161 before the softmax, which was fitted on the eval split." in text
    assert AG_NEWS.licence in text
    assert "22,700,000, of which 1,540 were trained" in text
    assert "| training.epochs | 4 |" in text
    assert "5 were left out" in text
    assert "7 of all rows" in text
    for digest in "abde":
        assert digest * 64 in text
    for heading in ("Intended use", "Data", "Figures", "Training", "Tokens", "How to call it", "Versions and digests"):
        assert f"\n## {heading}\n" in text
    assert "serving_default" in text


def test_it_shows_each_figure_of_the_evaluation_also_one_that_only_the_register_knows() -> None:
    half = partial(MeanOfRows, lambda rows: np.full(len(rows.label), 0.5))
    metric = Metric("half", "half of it", half, "number", "lower", "What a newcomer measures.")
    rows = Scored(label=np.array([0]), probabilities=np.ones((1, 1)), count=np.ones(1))
    found = evaluation()
    metrics = found.metrics.model_copy(update={"figures": (*found.metrics.figures, *measure([metric], [rows]))})
    text = card(evaluation=found.model_copy(update={"metrics": metrics}))
    assert "| half of it | 0.5000 | lower | What a newcomer measures. |" in text
    assert "| macro F1 | 81.80 % | higher |" in text


def test_every_table_has_as_many_cells_in_each_row() -> None:
    blocks = [block for block in card().split("\n\n") if block.startswith("|")]
    assert len(blocks) == 7
    for block in blocks:
        assert len({line.count("|") for line in block.strip().splitlines()}) == 1, block


def test_a_model_of_the_sample_is_never_taken_for_one_of_news() -> None:
    text = card(data=data(is_sample=True))
    assert "generated text, not from real rows" in text
    assert AG_NEWS.licence not in text


def test_what_another_run_may_find_otherwise_leaves_it_as_it_is() -> None:
    assert card() == card(evaluation=evaluation(baseline="18"), data=data(source="elsewhere"))
    assert card() == card(facts=copy.deepcopy(facts()))
    assert card() != card(facts=facts(encoder_sha256=None))


def test_of_very_many_classes_those_that_are_found_worst_are_shown() -> None:
    found = evaluation()
    scores = tuple(
        ClassMetrics(name=f"part {at}", precision=0.5, recall=0.5, f1=at / 10_000, count=at % 2) for at in range(10_000)
    )
    metrics = found.metrics.model_copy(update={"per_class": scores, "confusion_matrix": ()})
    text = card(evaluation=found.model_copy(update={"metrics": metrics}))
    assert "Of 10,000 classes the 100 with the lowest F1 are shown." in text
    lines = [line for line in text.splitlines() if line.startswith("| part ") and "%" in line]
    assert len(lines) == 100
    # A class without test rows has no figures.
    assert lines[0].startswith("| part 1 |")
    assert len(text) < 60_000
