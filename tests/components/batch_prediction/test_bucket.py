"""Inputs and output may be in a bucket."""

from __future__ import annotations

import json

import pytest

from agnews.components.batch_prediction.batch_folder import BatchFolder
from agnews.components.batch_prediction.plan_batch import file_state, find_inputs, plan_batch
from agnews.components.batch_prediction.predict_shards import predict_shard
from agnews.components.prediction.text_input import TextFormat, TextInput
from agnews.components.storage.files_at import files_at
from agnews.schemas.batch_manifest import BatchPlan
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError

AG_NEWS = packaged_corpus()


def test_a_bucket_is_answered_into_a_bucket(bucket: str) -> None:
    import numpy as np

    files = files_at(bucket)
    for name in ("news/a.csv", "news/b.csv", "news/deep/c.csv"):
        files.write(f"{bucket}/{name}", ["text\none ü\nbad,row\ntwo\n".encode()])
    found = find_inputs([f"{bucket}/news/*.csv"])
    assert found == (f"{bucket}/news/a.csv", f"{bucket}/news/b.csv")
    with pytest.raises(AgnewsError, match="No file has this name"):
        find_inputs([f"{bucket}/other/*.csv"])
    sources = [TextInput(path, TextFormat.CSV, AG_NEWS) for path in found]
    inputs, shards = plan_batch(sources, shard_rows=1, max_bad_share=0.5)
    assert (inputs[0].bytes, inputs[0].modified) == file_state(found[0])
    plan = BatchPlan(
        model_name="agnews",
        model_version="1",
        model_digest="d",
        classes=AG_NEWS.class_names,
        format="jsonl",
        with_text=True,
        inputs=inputs,
        shards=shards,
    )
    folder = BatchFolder(f"{bucket}/out/")

    assert folder.plan() is None
    folder.begin(plan)
    assert BatchFolder(f"{bucket}/out").plan() == plan
    while missing := folder.missing(plan):
        assert folder.manifest() is None
        answered = predict_shard(plan, missing[0], lambda texts: np.full((len(texts), 4), 0.25, np.float32))
        folder.put(missing[0], answered.part, answered.content, answered.rejects)
    assert folder.finish(plan) == folder.manifest()

    assert files.files_below(f"{bucket}/out") == [
        "_SUCCESS",
        "manifest.json",
        "plan.json",
        *[f"predictions/part-0000{i}.jsonl" for i in range(4)],
        "rejects.jsonl",
    ]
    lines = [
        json.loads(line)
        for i in range(4)
        for line in b"".join(files.read(f"{bucket}/out/predictions/part-0000{i}.jsonl")).splitlines()
    ]
    assert [(row["id"], row["text"]) for row in lines] == [
        ("a.csv:1", "one ü"),
        ("a.csv:3", "two"),
        ("b.csv:1", "one ü"),
        ("b.csv:3", "two"),
    ]
    assert len(b"".join(files.read(f"{bucket}/out/rejects.jsonl")).splitlines()) == 2


def test_answers_that_are_whole_are_not_lost_over_what_cannot_be_swept(
    bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = BatchFolder(f"{bucket}/out")
    plan = BatchPlan(
        model_name="agnews",
        model_version="1",
        model_digest="d",
        classes=AG_NEWS.class_names,
        format="jsonl",
        with_text=True,
        inputs=(),
        shards=(),
    )
    folder.begin(plan)

    def remove(self: object, folder: str) -> None:
        raise OSError(5, "no deletions today", folder)

    monkeypatch.setattr(type(files_at(bucket)), "remove", remove)
    assert folder.finish(plan) == folder.manifest()
    assert "no deletions today" in caplog.text
