"""A model of the generated sample is no measure for one of real rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.pipeline.code_version import code_versions
from agnews.pipeline.load_config import load_config
from agnews.pipeline.plan_run import plan_run
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.model_record import LearntFrom


@pytest.mark.parametrize("is_sample", [True, False])
def test_a_model_of_the_sample_never_becomes_the_baseline_of_real_rows(tmp_path: Path, is_sample: bool) -> None:
    model, data, corpus = tmp_path / "model", tmp_path / "data", packaged_corpus()
    model.mkdir()
    data.mkdir()
    (model / "saved_model.pb").write_bytes(b"graph")
    for name in ("train.csv", "test.csv"):
        with (data / name).open("w", newline="") as file:
            csv.writer(file).writerows([(1 + i % 4, f"title {name} {i}", "text") for i in range(8)])
    store = ModelStore(str(tmp_path / "store"), "agnews")
    pushed = publish(
        store,
        model=str(model),
        extra_files={},
        judged_against="",
        fingerprint="f",
        run_id="run-1",
        accuracy=0.9,
        classes=corpus.class_names,
        learnt_from=LearntFrom(digest="d", test_digest="t", spans={}, is_sample=is_sample),
    ).record.version
    real = load_config(None, [f"data.source={data}"])
    plan = plan_run(real, corpus, store, code_versions())
    assert (plan.production, plan.replaces) == (("", pushed) if is_sample else (pushed, ""))
    sample = plan_run(load_config(None), corpus, store, code_versions())
    assert (sample.production, sample.replaces) == (pushed, "")
