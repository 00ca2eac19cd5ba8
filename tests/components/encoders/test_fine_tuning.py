"""An encoder in `hub.KerasLayer`: what the Trainer does with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras as keras

from agnews.components.encoders.resolve_encoder import resolve_encoder
from agnews.components.modeling.pooled_encoder import PooledEncoder

Inputs = dict[str, tf.Tensor]


@pytest.fixture(scope="module")
def inputs(recordings: Path) -> Inputs:
    recorded = np.load(recordings / "cased" / "outputs.npz")
    return {name: tf.constant(recorded[name]) for name in ("input_word_ids", "input_mask", "input_type_ids")}


@pytest.fixture
def folder(recordings: Path, cache: Path) -> str:
    return str(resolve_encoder(str(recordings / "cased"), cache_dir=cache).folder)


class Classifier(tf.Module):
    """An encoder with classes on top, as it is served."""

    def __init__(self, encoder: hub.KerasLayer) -> None:
        super().__init__()
        self.encoder = encoder
        self.kernel = tf.Variable(tf.ones((16, 4)), name="kernel")

    @tf.function
    def __call__(self, inputs: Inputs, training: bool = False) -> tf.Tensor:
        return tf.matmul(self.encoder(inputs, training=training)["pooled_output"], self.kernel)


def test_gradients_reach_every_weight(folder: str, inputs: Inputs) -> None:
    layer = hub.KerasLayer(folder, trainable=True)
    assert len(layer.trainable_weights) == 39
    with tf.GradientTape() as tape:
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(outputs["pooled_output"] ** 2) + tf.reduce_sum(outputs["sequence_output"][..., 0] ** 2)
    for weight, gradient in zip(layer.trainable_weights, tape.gradient(loss, layer.trainable_weights), strict=True):
        assert gradient is not None, weight.name
        dense = tf.convert_to_tensor(gradient)
        # Attention does not change when one number is added to all its scores, so nothing depends on keys' biases.
        assert weight.name.endswith("key/bias:0") or float(tf.reduce_max(tf.abs(dense))) > 0.0, weight.name


@pytest.mark.parametrize(("name", "weights"), [("distilbert", 38), ("electra_small", 41)])
def test_encoders_of_other_families_learn_and_explain(
    name: str, weights: int, recordings: Path, cache: Path, inputs: Inputs
) -> None:
    encoder = resolve_encoder(str(recordings / name), cache_dir=cache)
    assert encoder.takes_dropout_seed
    learning = PooledEncoder(str(encoder.folder), pooling="mean", trainable=True, takes_dropout_seed=True)
    rows = {"token_ids": inputs["input_word_ids"], "padding_mask": inputs["input_mask"] > 0}
    with tf.GradientTape() as tape:
        features = learning(rows, training=True, seed=tf.constant([3, 5], tf.int64))
        loss = tf.reduce_sum(features[:, 0] ** 2)
    # All but the two of a pooler, which the mean has no use for.
    assert len(learning.trainable_weights) == weights - 2
    for weight, gradient in zip(
        learning.trainable_weights, tape.gradient(loss, learning.trainable_weights), strict=True
    ):
        assert gradient is not None, weight.name
    again = learning(rows, training=True, seed=tf.constant([3, 5], tf.int64))
    np.testing.assert_allclose(features, again, atol=1e-5)
    assert float(tf.reduce_max(tf.abs(features - learning(rows)))) > 1e-2
    # What explanations enter behind the lookup of word pieces.
    entered = learning.encode(learning.embed(rows["token_ids"]), rows["padding_mask"])
    np.testing.assert_allclose(entered, learning(rows), atol=1e-5)


def test_frozen_is_frozen(folder: str, inputs: Inputs) -> None:
    layer = hub.KerasLayer(folder, trainable=False)
    head = keras.layers.Dense(4)
    words = {name: keras.Input((None,), dtype=tf.int32, name=name) for name in inputs}
    model = keras.Model(words, head(layer(words)["pooled_output"]))
    before = [weight.numpy() for weight in layer.weights]
    model.compile(keras.optimizers.SGD(1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    first = head.kernel.numpy()
    model.fit(inputs, np.array([0, 1, 2]), verbose=0)
    assert len(model.trainable_weights) == 2
    assert not np.array_equal(head.kernel, first)
    for weight, kept in zip(layer.weights, before, strict=True):
        assert np.array_equal(weight, kept)
    # A frozen encoder drops nothing either, so its outputs can be kept.
    assert np.array_equal(layer(inputs, training=True)["pooled_output"], layer(inputs)["pooled_output"])


def test_dropout_drops_the_share_that_the_config_says(make_checkpoint, cache: Path) -> None:
    def see_through(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Embeddings of 1 everywhere, and a layer that adds nothing: what is below the mean was dropped."""
        zeros = {name: np.zeros_like(values) for name, values in tensors.items()}
        ones = {name: values + 1.0 for name, values in zeros.items() if name.endswith("output.LayerNorm.weight")}
        return zeros | ones | {"embeddings.LayerNorm.bias": np.ones(16, np.float32)}

    checkpoint = make_checkpoint(weights=see_through, hidden_dropout_prob=0.2)
    encoder = resolve_encoder(str(checkpoint), cache_dir=cache, num_layers=1)
    layer = hub.KerasLayer(str(encoder.folder), trainable=True)
    ids = tf.ones((100, 32), tf.int32)
    rows = {"input_word_ids": ids, "input_mask": ids, "input_type_ids": tf.zeros_like(ids)}
    dropped = tf.cast(layer(rows, training=True)["sequence_output"] < 0.0, tf.float32)
    assert float(tf.reduce_mean(dropped)) == pytest.approx(0.2, abs=0.01)


def test_dropout_of_attention_is_in_force(make_checkpoint, inputs: Inputs, cache: Path) -> None:
    def outputs(**config: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        encoder = resolve_encoder(str(make_checkpoint(**config)), cache_dir=cache)
        layer = hub.KerasLayer(str(encoder.folder), trainable=True)
        return tuple(layer(inputs, training=training)["sequence_output"].numpy() for training in (True, True, False))

    one, two, served = outputs(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.3)
    assert np.abs(one - two).max() > 1e-3
    without, _, served_without = outputs(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    np.testing.assert_allclose(without, served_without, atol=1e-5)
    np.testing.assert_array_equal(served, served_without)


def test_dropout_follows_the_seed_that_is_handed_in(folder: str, inputs: Inputs) -> None:
    layer, other = hub.KerasLayer(folder, trainable=True), hub.KerasLayer(folder, trainable=True)

    def drop(layer: hub.KerasLayer, *seed: int, training: bool = True) -> np.ndarray:
        rows = inputs | {"dropout_seed": tf.constant(seed, tf.int64)}
        return layer(rows, training=training)["sequence_output"].numpy()

    first = drop(layer, 7, 1)
    np.testing.assert_array_equal(drop(layer, 7, 1), first)
    np.testing.assert_array_equal(drop(other, 7, 1), first)
    for another in (drop(layer, 7, 2), drop(layer, 6, 1)):
        assert np.abs(another - first).max() > 1e-3
    assert layer.non_trainable_weights == []
    # Without a seed each pass is another one; without training none matters.
    without = [layer(inputs, training=True)["sequence_output"].numpy() for _ in range(2)]
    assert np.abs(without[0] - without[1]).max() > 1e-3
    np.testing.assert_array_equal(drop(layer, 7, 1, training=False), layer(inputs)["sequence_output"])


def test_layers_and_steps_drop_independently(make_checkpoint, cache: Path) -> None:
    def two_masks(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Embeddings of 1 that are dropped, then a layer whose output, 1 too, is dropped and added."""
        zeros = {name: np.zeros_like(values) for name, values in tensors.items()}
        shown = {name: values + 1.0 for name, values in zeros.items() if name.endswith("output.LayerNorm.weight")}
        # Smaller than the gap that normalisation makes of the first mask, so all four cases can be told apart.
        bias = {"encoder.layer.0.output.dense.bias": np.full(16, 0.5, np.float32)}
        return zeros | shown | bias | {"embeddings.LayerNorm.bias": np.ones(16, np.float32)}

    checkpoint = make_checkpoint(weights=two_masks, hidden_dropout_prob=0.5)
    layer = hub.KerasLayer(str(resolve_encoder(str(checkpoint), cache_dir=cache, num_layers=1).folder), trainable=True)
    ids = tf.ones((100, 32), tf.int32)
    rows = {"input_word_ids": ids, "input_mask": ids, "input_type_ids": tf.zeros_like(ids)}
    masks = []
    for step in (1, 2):
        seed = tf.constant([7, step], tf.int64)
        outputs = layer({**rows, "dropout_seed": seed}, training=True)["sequence_output"].numpy().reshape(-1, 16)
        highest, lowest = outputs.max(-1, keepdims=True), outputs.min(-1, keepdims=True)
        whole = highest[:, 0] - lowest[:, 0] > 0.0
        levels = np.round(3 * (outputs - lowest) / np.where(highest > lowest, highest - lowest, 1.0))[whole]
        counts = np.bincount(levels.astype(int).ravel(), minlength=4) / levels.size
        np.testing.assert_allclose(counts, 0.25, atol=0.02)
        masks.append(outputs > outputs.mean(-1, keepdims=True))
    assert np.mean(masks[0] == masks[1]) == pytest.approx(0.5, abs=0.02)


def test_the_same_weights_give_the_outputs_and_gradients_of_model_garden(
    folder: str, inputs: Inputs, recordings: Path
) -> None:
    from official.nlp.modeling.networks.bert_encoder import BertEncoder

    layer = hub.KerasLayer(folder, trainable=True)
    reference = BertEncoder(
        vocab_size=96,
        hidden_size=16,
        num_layers=2,
        num_attention_heads=4,
        max_sequence_length=32,
        type_vocab_size=2,
        inner_dim=24,
        inner_activation=lambda values: tf.nn.gelu(values, approximate=True),
        output_dropout=0.0,
        attention_dropout=0.0,
        dict_outputs=True,
    )
    for each in reference.submodules:
        if isinstance(each, keras.layers.LayerNormalization):
            each.epsilon = 1e-3
    named = {weight.name: weight for weight in layer.weights}
    for weight in reference.weights:
        weight.assign(named[weight.name])
    real = tf.cast(inputs["input_mask"], tf.float32)[..., tf.newaxis]

    def derive(encode, weights) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        with tf.GradientTape() as tape:
            outputs = encode(inputs)
            loss = tf.reduce_sum(tf.sin(outputs["sequence_output"]) * real) + tf.reduce_sum(outputs["pooled_output"])
        gradients = zip(weights, tape.gradient(loss, weights), strict=True)
        return outputs["pooled_output"].numpy(), {each.name: tf.convert_to_tensor(value) for each, value in gradients}

    pooled, gradients = derive(layer, layer.trainable_weights)
    wanted_pooled, wanted = derive(reference, reference.trainable_weights)
    np.testing.assert_allclose(pooled, wanted_pooled, atol=1e-5)
    assert gradients.keys() == wanted.keys()
    for name, gradient in wanted.items():
        np.testing.assert_allclose(gradients[name], gradient, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("hidden_act", ["gelu", "relu"])
def test_training_without_dropout_computes_what_is_served(
    hidden_act: str, make_checkpoint, inputs: Inputs, cache: Path
) -> None:
    checkpoint = make_checkpoint(hidden_act=hidden_act, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    layer = hub.KerasLayer(str(resolve_encoder(str(checkpoint), cache_dir=cache).folder), trainable=True)
    trained, served = (layer(inputs, training=training)["sequence_output"] for training in (True, False))
    np.testing.assert_allclose(trained, served, atol=1e-5)


def test_padding_changes_nothing(folder: str, inputs: Inputs) -> None:
    layer = hub.KerasLayer(folder)
    short = {name: rows[1:2, :4] for name, rows in inputs.items()}
    assert np.array_equal(inputs["input_mask"][1], [1] * 4 + [0] * 5)
    np.testing.assert_allclose(layer(inputs)["pooled_output"][1], layer(short)["pooled_output"][0], atol=1e-5)
    np.testing.assert_allclose(layer(inputs)["sequence_output"][1, :4], layer(short)["sequence_output"][0], atol=1e-5)


def test_a_fine_tuned_model_is_served_as_it_was_trained(folder: str, inputs: Inputs, tmp_path: Path) -> None:
    model = Classifier(hub.KerasLayer(folder, trainable=True))
    before = model(inputs).numpy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs, training=True) ** 2)
    weights = model.trainable_variables
    keras.optimizers.Adam(1e-2).apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
    after = model(inputs).numpy()
    assert np.abs(after - before).max() > 1e-3
    specs = {name: tf.TensorSpec([None, None], tf.int32, name) for name in inputs}
    serve = tf.function(lambda inputs: {"logits": model(inputs)}).get_concrete_function(specs)
    tf.saved_model.save(model, str(tmp_path), signatures=serve)
    served = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](**inputs)["logits"]
    np.testing.assert_allclose(served, after, atol=1e-5)


def test_xla_computes_the_same(folder: str, inputs: Inputs) -> None:
    layer = hub.KerasLayer(folder)
    compiled = tf.function(lambda inputs: layer(inputs)["sequence_output"], jit_compile=True)
    np.testing.assert_allclose(compiled(inputs), layer(inputs)["sequence_output"], atol=1e-4)
    trained = hub.KerasLayer(folder, trainable=True)
    compiled = tf.function(lambda inputs: trained(inputs, training=True)["sequence_output"], jit_compile=True)
    assert np.abs(compiled(inputs) - compiled(inputs)).max() > 1e-3
