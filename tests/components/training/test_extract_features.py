from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.modeling.pooled_encoder import PooledEncoder
from agnews.components.training import extract_features as module
from agnews.components.training.extract_features import extract_features
from agnews.components.training.token_rows import TokenRows
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS

MakeRows = Callable[..., TokenRows]


class Counting:
    """Answers with the sum and the number of tokens of a row, and counts the rows that it was asked for."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        def count(ids: np.ndarray) -> np.ndarray:
            self.rows += len(ids)
            return ids

        ids = tf.numpy_function(count, [inputs[TOKEN_IDS]], tf.int32)
        values = tf.stack([tf.reduce_sum(ids, 1), tf.reduce_sum(tf.cast(inputs[PADDING_MASK], tf.int32), 1)], 1)
        return tf.cast(values, tf.float32)


def expected(rows: TokenRows) -> np.ndarray:
    parts = np.split(rows.token_ids, rows.row_splits[1:-1])
    return np.array([[part.sum(), len(part)] for part in parts], np.float32)


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_IN_A_FILE", 40)
    monkeypatch.setattr(module, "_BATCH_SIZE", 16)


@pytest.mark.usefixtures("small_files")
def test_each_row_is_encoded_once_and_then_never_again(make_rows: MakeRows, tmp_path: Path) -> None:
    rows, backbone = make_rows(100), Counting()

    first = extract_features(backbone, rows, backbone_digest="a", cache_uri=str(tmp_path))
    second = extract_features(backbone, rows, backbone_digest="a", cache_uri=str(tmp_path))

    np.testing.assert_array_equal(first.features, expected(rows))
    np.testing.assert_array_equal(second.features, first.features)
    np.testing.assert_array_equal(first.labels, rows.labels)
    assert backbone.rows == 100


@pytest.mark.usefixtures("small_files")
def test_another_encoder_or_other_rows_are_not_answered_from_the_cache(make_rows: MakeRows, tmp_path: Path) -> None:
    backbone = Counting()
    for seed, digest in ((0, "a"), (0, "b"), (1, "a")):
        rows = make_rows(50, seed=seed)
        found = extract_features(backbone, rows, backbone_digest=digest, cache_uri=str(tmp_path))
        np.testing.assert_array_equal(found.features, expected(rows))
    assert backbone.rows == 150


@pytest.mark.usefixtures("small_files")
def test_what_a_killed_run_has_computed_is_taken_over_and_a_damaged_file_is_not(
    make_rows: MakeRows, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows, backbone = make_rows(100), Counting()
    extract_features(backbone, rows, backbone_digest="a", cache_uri=str(tmp_path))
    (folder,) = tmp_path.iterdir()
    (folder / "000000000.npy").unlink()
    cut = folder / "000000040.npy"
    cut.write_bytes(cut.read_bytes()[:-4])

    with caplog.at_level(logging.WARNING):
        found = extract_features(backbone, rows, backbone_digest="a", cache_uri=str(tmp_path))

    np.testing.assert_array_equal(found.features, expected(rows))
    assert backbone.rows == 100 + 80
    assert "computed again" in caplog.text
    assert "000000040.npy" in caplog.text


@pytest.mark.usefixtures("small_files")
def test_folders_that_were_not_used_for_long_are_removed(
    make_rows: MakeRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FOLDERS_KEPT", 2)
    rows, backbone = make_rows(20), Counting()
    for digest in "abac":
        extract_features(backbone, rows, backbone_digest=digest, cache_uri=str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2

    backbone.rows = 0
    extract_features(backbone, rows, backbone_digest="a", cache_uri=str(tmp_path))
    assert backbone.rows == 0


def test_features_do_not_depend_on_the_rows_beside(tiny_encoder, make_rows: MakeRows, tmp_path: Path) -> None:
    backbone = PooledEncoder(str(tiny_encoder.folder), pooling="mean", trainable=False)
    rows = make_rows(40)

    found = extract_features(backbone, rows, backbone_digest="a", cache_uri=str(tmp_path))

    assert found.features.shape == (40, 16)
    for number, ids in enumerate(np.split(rows.token_ids, rows.row_splits[1:-1])):
        alone = backbone({TOKEN_IDS: tf.constant([ids]), PADDING_MASK: tf.ones((1, len(ids)), tf.bool)})
        np.testing.assert_allclose(found.features[number], alone[0], atol=1e-5)
