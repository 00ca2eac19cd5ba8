from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata.dataset_metadata import DatasetMetadata
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact

from agnews.components.artifact_types import StepReport
from agnews.components.token_gate.executor import Executor
from agnews.components.transform import preprocessing_fn
from agnews.schemas.data_card import DataCard, Lengths, SplitCard
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import LABEL, TEXT, TOKEN_IDS, VOCABULARY_FILE
from agnews.schemas.token_check import TokenCheck

# The special tokens are not where BERT has them: the gate must ask the graph.
UNK, SEP, CLS, NEWS = 1, 2, 3, 4
VOCABULARY = "[PAD]\n[UNK]\n[SEP]\n[CLS]\nnews\n##ed\n"


@pytest.fixture(scope="module")
def transform_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("transform_graph")
    (root / "vocab.txt").write_text(VOCABULARY)
    settings = {"vocabulary": str(root / "vocab.txt"), "lowercase": True, "max_length": 5}
    metadata = DatasetMetadata.from_feature_spec(
        {TEXT: tf.io.FixedLenFeature([], tf.string), LABEL: tf.io.FixedLenFeature([], tf.int64)}
    )
    with tft_beam.Context(temp_dir=str(root / "temporary")):
        analyze = tft_beam.AnalyzeDataset(functools.partial(preprocessing_fn, custom_config=settings))
        _ = (([{TEXT: "", LABEL: 0}], metadata) | analyze) | tft_beam.WriteTransformFn(str(root / "graph"))
    (root / "graph" / VOCABULARY_FILE).write_text(VOCABULARY)
    return root / "graph"


def _card(rows: dict[str, int]) -> DataCard:
    lengths = Lengths(mean=1.0, p50=1, p95=1, p99=1, max=1)
    return DataCard(
        corpus="ag_news",
        source="data",
        is_sample=False,
        digest="d",
        test_digest="e",
        spans=(),
        splits={
            split: SplitCard(
                rows=count,
                rows_per_class={},
                duplicates=0,
                contradictions=0,
                words=lengths,
                characters=lengths,
                markup_share=0.0,
            )
            for split, count in rows.items()
        },
        files={},
        left_out_as_test=0,
        left_out_by_limit=0,
        shared_by_train_and_eval=0,
        normalisation="",
    )


def _write(path: str, chunks: Iterable[bytes]) -> None:
    Path(path).parent.mkdir()
    Path(path).write_bytes(b"".join(chunks))


@pytest.fixture
def gate(transform_graph: Path, tmp_path: Path) -> Callable[..., TokenCheck]:
    """Runs the executor on the given rows of token ids by split."""

    def run(*, max_unknown_share: float = 0.1, lost: int = 0, **splits: Sequence[Sequence[int]]) -> TokenCheck:
        for split, rows in splits.items():
            folder = tmp_path / "examples" / f"Split-{split}"
            folder.mkdir(parents=True)
            for number in range(2):
                options = tf.io.TFRecordOptions(compression_type="GZIP")
                with tf.io.TFRecordWriter(str(folder / f"part-{number}.gz"), options) as writer:
                    for row in rows[number::2]:
                        ids = tf.train.Feature(int64_list=tf.train.Int64List(value=row))
                        writer.write(
                            tf.train.Example(features=tf.train.Features(feature={TOKEN_IDS: ids})).SerializeToString()
                        )

        def artifact(kind: type[Artifact], folder: Path) -> Any:
            made = kind()
            made.uri = str(folder)
            return made

        examples = artifact(standard_artifacts.Examples, tmp_path / "examples")
        examples.split_names = str(list(splits)).replace("'", '"')
        card = _card({split: len(rows) + lost for split, rows in splits.items()})
        card.write(str(tmp_path / "card"), _write)
        Executor().Do(
            {
                "data_card": [artifact(StepReport, tmp_path / "card")],
                "transformed_examples": [examples],
                "transform_graph": [artifact(standard_artifacts.TransformGraph, transform_graph)],
            },
            {"report": [artifact(StepReport, tmp_path / "report")]},
            {"max_length": 5, "max_unknown_share": max_unknown_share, "code_version": ""},
        )
        return read_report(tmp_path)

    return run


def read_report(folder: Path) -> TokenCheck:
    return TokenCheck.model_validate_json((folder / "report" / "report.json").read_text())


@pytest.mark.integration
def test_good_tokens(gate: Callable[..., TokenCheck]) -> None:
    report = gate(train=[[CLS, NEWS, SEP]] * 9000 + [[CLS, NEWS, NEWS, UNK, SEP]], test=[[CLS, SEP]] * 3)
    assert report.passed
    assert report.splits["train"].rows == 9001
    assert report.splits["train"].unknown_pieces == 1
    assert report.splits["train"].longest == 5
    assert report.splits["test"].empty_rows == 3


@pytest.mark.integration
def test_pieces_that_go_on_with_a_word_tell_how_well_the_vocabulary_fits(gate: Callable[..., TokenCheck]) -> None:
    continued = NEWS + 1
    report = gate(train=[[CLS, NEWS, continued, continued, SEP], [CLS, NEWS, SEP]], test=[[CLS, SEP]])
    assert (report.splits["train"].pieces, report.splits["train"].words) == (4, 2)
    assert report.splits["train"].pieces_per_word == 2.0
    assert report.splits["test"].pieces_per_word == 0.0


@pytest.mark.integration
def test_a_split_with_other_rows_than_were_written(gate: Callable[..., TokenCheck], tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match=r"train: 2 rows, and NewsExampleGen has written 5"):
        gate(train=[[CLS, NEWS, SEP]] * 2, lost=3)
    assert read_report(tmp_path).rows_differ


@pytest.mark.integration
def test_tokens_that_no_encoder_expects(gate: Callable[..., TokenCheck], tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="train: 2 of 3 rows"):
        gate(train=[[CLS, NEWS, SEP], [2, NEWS, 3], [CLS, NEWS, NEWS, NEWS, NEWS, SEP]])
    assert read_report(tmp_path).splits["train"].broken_rows == 2


@pytest.mark.integration
def test_a_vocabulary_that_does_not_know_the_words(gate: Callable[..., TokenCheck], tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match=r"eval: 50.00% of 4 word pieces are \[UNK\], allowed: 10.00%"):
        gate(train=[[CLS, NEWS, SEP]], eval=[[CLS, UNK, NEWS, SEP]] * 2)
    assert not read_report(tmp_path).passed
