from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.ensemble_classifier import EnsembleClassifier
from agnews.components.modeling.factory import build_model
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS
from agnews.schemas.learning_config import parse_model_config

IDS = tf.constant([[2, 7, 8, 3], [2, 9, 3, 0]])
INPUTS = {TOKEN_IDS: IDS, PADDING_MASK: IDS != 0}


def member(seed: int, bigram_buckets: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    settings = {"hidden_dim": 8, "num_heads": 2, "min_token_count": 0, "bigram_buckets": bigram_buckets}
    return build_model(
        parse_model_config(settings),
        token_counts=np.ones(30, np.int64),
        unknown_id=1,
        special_ids=(0, 2, 3),
        max_length=8,
        num_classes=3,
    ).network


@pytest.fixture
def members() -> list[keras.Model]:
    # One says two things of each word piece to an explanation, the other one.
    return [member(1, 64), member(2, 0)]


def test_logits_are_the_weighted_sum_of_those_of_the_members(members: list[keras.Model]) -> None:
    ensemble = EnsembleClassifier(members, [0.5, 2.0])
    wanted = 0.5 * members[0](INPUTS) + 2.0 * members[1](INPUTS)
    np.testing.assert_allclose(ensemble(INPUTS), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ensemble(INPUTS, training=True), wanted, rtol=1e-5, atol=1e-6)


def test_the_two_halves_of_an_explanation_give_the_same_logits(members: list[keras.Model]) -> None:
    ensemble = EnsembleClassifier(members, [0.5, 2.0])
    embedded = ensemble.embed(IDS)
    assert len(embedded) == 3
    np.testing.assert_allclose(
        ensemble.classify(embedded, INPUTS[PADDING_MASK]), ensemble(INPUTS), rtol=1e-5, atol=1e-6
    )


def test_weights_and_shares_survive_a_file(members: list[keras.Model], tmp_path: object) -> None:
    ensemble = EnsembleClassifier(members, [0.5, 2.0])
    answer = tf.function(lambda ids: ensemble({TOKEN_IDS: ids, PADDING_MASK: ids != 0}))
    module = tf.Module()
    module.weights, module.answer = ensemble.weights, answer
    signature = answer.get_concrete_function(tf.TensorSpec([None, None], tf.int32))
    tf.saved_model.save(module, f"{tmp_path}/model", signatures=signature)
    (found,) = tf.saved_model.load(f"{tmp_path}/model").signatures["serving_default"](IDS).values()
    np.testing.assert_allclose(found, ensemble(INPUTS), rtol=1e-5, atol=1e-6)
