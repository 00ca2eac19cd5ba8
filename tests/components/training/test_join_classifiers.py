from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from scipy import special
from sklearn.metrics import accuracy_score

from agnews.components.modeling.classifier import Classifier
from agnews.components.optimization.adamw import create_adamw
from agnews.components.training.devices import one_device
from agnews.components.training.find_temperature import find_temperature
from agnews.components.training.fit import FitResult
from agnews.components.training.join_classifiers import join_classifiers
from agnews.components.training.token_rows import TokenRows
from agnews.components.training.trained_classifier import TrainedClassifier
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS


class Table(keras.Model):
    """Says of each row what stands in a table under its only word piece."""

    def __init__(self, logits: np.ndarray) -> None:
        super().__init__()
        self.table = tf.constant(logits)

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        return tf.gather(self.table, inputs[TOKEN_IDS][:, 0])

    def embed(self, token_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return (token_ids,)


def member(logits: np.ndarray) -> TrainedClassifier:
    classifier = Classifier(Table(logits), create_adamw)
    return TrainedClassifier(
        classifier, FitResult(curve=(), best_epoch=1), None, 0, one_device(), 1, None, None, temperature=1.0
    )


@pytest.fixture
def timid() -> tuple[list[np.ndarray], TokenRows]:
    """What two members say, a third as sure as they could be together, and rows in the order of a table."""
    random = np.random.default_rng(0)
    logits = [random.normal(size=(4000, 3)).astype(np.float32) for _ in range(2)]
    labels = (3.0 * (0.7 * logits[0] + 0.3 * logits[1]) + random.gumbel(size=(4000, 3))).argmax(axis=1)
    rows = TokenRows(np.arange(4000, dtype=np.int32), np.arange(4001, dtype=np.int64), labels.astype(np.int64))
    return logits, rows


@pytest.mark.parametrize("calibrate", [True, False])
def test_members_share_what_is_said_and_a_temperature_makes_it_as_sure_as_it_is_right(
    timid: tuple[list[np.ndarray], TokenRows], calibrate: bool
) -> None:
    logits, rows = timid
    joint = join_classifiers(*map(member, logits), rows, calibrate=calibrate)
    network = joint.classifier.network
    assert network.shares.numpy() == pytest.approx([0.7, 0.3], abs=0.03)
    assert joint.temperature == pytest.approx(1 / 3 if calibrate else 1.0, rel=0.05 if calibrate else 0)
    features = {TOKEN_IDS: rows.token_ids[:, None], PADDING_MASK: np.ones((4000, 1), bool)}
    said = network(features).numpy()
    np.testing.assert_allclose(said, np.tensordot(network.shares.numpy(), np.stack(logits), axes=1), atol=1e-5)
    left = find_temperature(said / joint.temperature, rows.labels)
    assert left == pytest.approx(1.0 if calibrate else 1 / 3, rel=0.05)


def test_what_each_member_gets_alone_is_handed_on_and_logged(
    timid: tuple[list[np.ndarray], TokenRows], caplog: pytest.LogCaptureFixture
) -> None:
    logits, rows = timid
    with caplog.at_level(logging.INFO):
        joint = join_classifiers(*map(member, logits), rows, calibrate=True)
    assert [each.share for each in joint.members] == pytest.approx([0.7, 0.3], abs=0.03)
    for each, alone in zip(joint.members, logits, strict=True):
        right = accuracy_score(rows.labels, alone.argmax(axis=1))
        assert each.eval_accuracy == pytest.approx(right)
        assert f"{right:.4f} of {each.name} (share {each.share:.3f})" in caplog.text


def test_members_that_both_know_nothing_are_joined_too() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(500, 3)).astype(np.float32)
    rows = TokenRows(np.arange(500, dtype=np.int32), np.arange(501, dtype=np.int64), (-logits).argmax(axis=1))
    joint = join_classifiers(member(logits), member(2 * logits), rows, calibrate=True)
    said = joint.classifier.network({TOKEN_IDS: rows.token_ids[:, None], PADDING_MASK: np.ones((500, 1), bool)})
    assert joint.temperature == 1.0
    np.testing.assert_allclose(special.softmax(said.numpy(), axis=1), 1 / 3, atol=1e-6)
