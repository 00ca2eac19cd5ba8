"""What Transform writes, against what TFX's own executor writes of the same rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.transform.executor import Executor as StockExecutor
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact

from agnews.components.corpus_schema import corpus_schema
from agnews.components.text.vocabulary import EMBEDDED
from agnews.components.transformation import executor
from agnews.components.transformation.executor import Executor
from agnews.components.transformation.transform_rows import transform_file
from agnews.components.transformation.write_graph import write_graph
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import VOCABULARY_FILE

SETTINGS = {"vocabulary": EMBEDDED, "lowercase": True, "max_length": 16}
FILES = {"train": (1500, 0, 700), "eval": (3,), "test": (0,)}
"""Rows of each file of a split."""

Transform = Callable[[tf.Tensor], list[bytes]]
Run = Callable[[type[BaseBeamExecutor], str], Path]


@pytest.fixture(scope="module")
def run(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs an executor on raw Examples; returns a folder with `graph`, `examples` and `cache`."""
    root = tmp_path_factory.mktemp("transformation")
    texts = [row["text"] for row in json.loads((repository / "tests/golden/transformed_rows.json").read_text())]
    row = 0
    for split, files in FILES.items():
        (root / "raw" / f"Split-{split}").mkdir(parents=True)
        for number, count in enumerate(files):
            path = root / "raw" / f"Split-{split}" / f"data-{number}.gz"
            with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
                for _ in range(count):
                    row += 1
                    writer.write(_example(f"{row} {texts[row % len(texts)]}", row))
    (root / "schema").mkdir()
    (root / "schema" / "schema.pbtxt").write_text(corpus_schema(packaged_corpus()))

    def artifact(type_: type[Artifact], uri: Path) -> Artifact:
        made = type_()
        made.uri = str(uri)
        return made

    def execute(kind: type[BaseBeamExecutor], name: str) -> Path:
        out = root / name
        examples = artifact(standard_artifacts.Examples, root / "raw")
        examples.split_names = json.dumps(list(FILES))
        transformed = artifact(standard_artifacts.Examples, out / "examples")
        context = BaseBeamExecutor.Context(
            beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=unused"],
            tmp_dir=str(root / "temporary"),
            unique_id=name,
        )
        kind(context).Do(
            {"examples": [examples], "schema": [artifact(standard_artifacts.Schema, root / "schema")]},
            {
                "transform_graph": [artifact(standard_artifacts.TransformGraph, out / "graph")],
                "transformed_examples": [transformed],
                "updated_analyzer_cache": [artifact(standard_artifacts.TransformCache, out / "cache")],
            },
            {
                "preprocessing_fn": "agnews.components.transform.preprocessing_fn",
                "custom_config": json.dumps(SETTINGS),
                "disable_statistics": 1,
                "module_file": None,
            },
        )
        (out / "split_names").write_text(transformed.split_names)
        return out

    return execute


@pytest.fixture(scope="module")
def ours(run: Run) -> Path:
    return run(Executor, "ours")


@pytest.fixture(scope="module")
def stock(run: Run) -> Path:
    return run(StockExecutor, "stock")


def _example(text: str, row: int) -> bytes:
    example = tf.train.Example()
    for name, number in {"label": row % 4, "num_words": len(text.split()), "row": row}.items():
        example.features.feature[name].int64_list.value.append(number)
    for name, words in {"text": text, "has_markup": "no"}.items():
        example.features.feature[name].bytes_list.value.append(words.encode())
    made: bytes = example.SerializeToString()
    return made


def _rows(folder: Path, split: str) -> list[tuple[Any, ...]]:
    files = sorted(map(str, (folder / "examples" / f"Split-{split}").iterdir()))
    examples = (tf.train.Example.FromString(record.numpy()) for record in tf.data.TFRecordDataset(files, "GZIP"))
    return [
        tuple((name, tuple(feature.int64_list.value)) for name, feature in sorted(example.features.feature.items()))
        for example in examples
    ]


@pytest.mark.integration
def test_the_rows_are_those_of_tfx(ours: Path, stock: Path) -> None:
    for split, files in FILES.items():
        rows = _rows(ours, split)
        assert len(rows) == sum(files)
        assert Counter(rows) == Counter(_rows(stock, split))
    # TFX keeps them in a set.
    assert json.loads((ours / "split_names").read_text()) == list(FILES)
    assert sorted(json.loads((stock / "split_names").read_text())) == sorted(FILES)


@pytest.mark.integration
def test_what_a_killed_worker_has_left_is_no_row(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner gives its file to another worker; what remains is a cut file in the folder that is handed on."""

    def transform_after_another(source: str, target: str, transform: Transform) -> Iterator[int]:
        folder, _, name = target.rpartition("/")
        Path(folder, f".{name}.0a1b2c3d").write_bytes(b"\x1f\x8b\x08 cut")
        return transform_file(source, target, transform)

    monkeypatch.setattr(executor, "transform_file", transform_after_another)
    found = run(Executor, "killed")
    assert {split: len(_rows(found, split)) for split in FILES} == {split: sum(rows) for split, rows in FILES.items()}


@pytest.mark.integration
def test_rows_keep_the_order_of_their_files(ours: Path) -> None:
    labels = [dict(row)["label"] for row in _rows(ours, "train")]
    assert labels == [(number % 4,) for number in range(1, 2201)]


@pytest.mark.integration
def test_the_graph_is_that_of_tfx(ours: Path, stock: Path) -> None:
    for schema in ("metadata/schema.pbtxt", "transformed_metadata/schema.pbtxt"):
        assert (ours / "graph" / schema).read_text() == (stock / "graph" / schema).read_text()
    # Besides, ours keeps the word pieces for the Trainer.
    names = {path.name for path in (ours / "graph").iterdir()}
    assert names - {VOCABULARY_FILE} == {path.name for path in (stock / "graph").iterdir()}
    texts = {"text": tf.constant(["It #39;s a <b>graph</b>", "", "naïve \u0391"])}
    answers = [
        tft.TFTransformOutput(str(folder / "graph")).transform_features_layer()(texts)["token_ids"]
        for folder in (ours, stock)
    ]
    np.testing.assert_array_equal(tf.sparse.to_dense(answers[0]), tf.sparse.to_dense(answers[1]))


@pytest.mark.integration
def test_the_folder_of_the_cache_is_there_and_empty_as_that_of_tfx(ours: Path, stock: Path) -> None:
    assert list((ours / "cache").iterdir()) == list((stock / "cache").iterdir()) == []


def test_a_function_that_learns_from_the_rows_is_refused(tmp_path: Path) -> None:
    def scale(inputs: Any) -> dict[str, tf.Tensor]:
        return {"words": tft.scale_to_0_1(inputs["num_words"])}

    with pytest.raises(AgnewsError, match="learns something from the rows"):
        write_graph(scale, corpus_schema(packaged_corpus()), str(tmp_path))


def test_a_file_that_failed_half_way_does_not_appear(tmp_path: Path) -> None:
    source, target = tmp_path / "rows.gz", tmp_path / "out" / "rows.gz"
    target.parent.mkdir()
    with tf.io.TFRecordWriter(str(source), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for _ in range(3000):
            writer.write(b"row")
    batches = iter([lambda rows: [b"fine"] * len(rows), lambda rows: 1 / 0])

    with pytest.raises(ZeroDivisionError):
        list(transform_file(str(source), str(target), lambda rows: next(batches)(rows), workers=1))
    assert list(target.parent.iterdir()) == [], "a pattern for all files of the folder matches every name"
