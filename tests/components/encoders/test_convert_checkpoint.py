from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub

from agnews.components.encoders.convert_checkpoint import export_checkpoint
from agnews.components.encoders.encoder_card import read_encoder_card
from agnews.components.encoders.hugging_face_checkpoint import open_checkpoint
from agnews.components.encoders.resolve_encoder import resolve_encoder
from agnews.components.encoders.safetensors_file import SafetensorsFile
from agnews.schemas.errors import AgnewsError


def tensors_in(folder: Path) -> dict[str, np.ndarray]:
    file = SafetensorsFile(folder / "model.safetensors")
    return {re.sub("^(bert|distilbert|electra)[.]", "", name): file.read(name) for name in file.shapes}


HEADS = {
    "uncased": {"classifier"},
    "distilbert": {"classifier", "pre_classifier"},
    "electra_small": {"discriminator_predictions"},
}


@pytest.mark.parametrize("name", ["cased", "uncased", "distilbert", "electra_small", "electra_base"])
def test_what_was_converted_is_written_back_tensor_by_tensor(
    name: str, recordings: Path, cache: Path, tmp_path: Path
) -> None:
    encoder = resolve_encoder(str(recordings / name), cache_dir=cache)
    export_checkpoint(encoder.folder, tmp_path / "out")
    original, written = tensors_in(recordings / name), tensors_in(tmp_path / "out")
    assert {each.partition(".")[0] for each in set(original) - set(written)} == HEADS.get(name, set())
    for each, values in written.items():
        np.testing.assert_array_equal(values, original[each])
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == (recordings / name / "vocab.txt").read_bytes()
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    before = json.loads((recordings / name / "config.json").read_text())
    assert all(config[key] == before[key] for key in config.keys() & before.keys() - {"architectures"})
    assert open_checkpoint(tmp_path / "out").do_lower_case is (name != "cased")


def test_what_was_written_is_converted_to_the_same_outputs(recordings: Path, cache: Path, tmp_path: Path) -> None:
    encoder = resolve_encoder(str(recordings / "cased"), cache_dir=cache, num_layers=1)
    export_checkpoint(encoder.folder, tmp_path / "out")
    again = resolve_encoder(str(tmp_path / "out"), cache_dir=tmp_path)
    ids = tf.constant([[2, 9, 30, 3]])
    rows = {"input_word_ids": ids, "input_mask": tf.ones_like(ids), "input_type_ids": tf.zeros_like(ids)}
    first, second = (hub.KerasLayer(str(each.folder))(rows)["pooled_output"] for each in (encoder, again))
    np.testing.assert_array_equal(first, second)


def test_a_pooler_that_was_never_there_is_not_written(make_checkpoint, cache: Path, tmp_path: Path) -> None:
    folder = make_checkpoint(
        weights=lambda tensors: {name: each for name, each in tensors.items() if not name.startswith("pooler")}
    )
    export_checkpoint(resolve_encoder(str(folder), cache_dir=cache).folder, tmp_path / "out")
    assert not open_checkpoint(tmp_path / "out").has_pooler


def test_an_encoder_of_tf_hub_is_written_with_the_sizes_that_it_has(tf_hub_encoder: Path, tmp_path: Path) -> None:
    export_checkpoint(tf_hub_encoder, tmp_path / "out")
    checkpoint = open_checkpoint(tmp_path / "out")
    config = checkpoint.config
    assert (config.num_attention_heads, config.intermediate_size, config.type_vocab_size) == (4, 24, 16)
    assert config.hidden_act == "gelu_new"  # Model Garden's activation is the approximation
    assert checkpoint.do_lower_case
    layer = hub.KerasLayer(str(tf_hub_encoder))
    values = {weight.name.removesuffix(":0"): weight.numpy() for weight in layer.weights}
    written = tensors_in(tmp_path / "out")
    np.testing.assert_array_equal(written["pooler.dense.weight"], values["pooler_transform/kernel"].T)
    np.testing.assert_array_equal(written["embeddings.word_embeddings.weight"], values["word_embeddings/embeddings"])


def test_the_encoder_is_taken_out_of_a_fine_tuned_model(recordings: Path, cache: Path, tmp_path: Path) -> None:
    encoder = resolve_encoder(str(recordings / "cased"), cache_dir=cache)
    model = tf.Module()
    layer = hub.KerasLayer(str(encoder.folder), trainable=True)
    layer.weights[0].assign_add(tf.ones_like(layer.weights[0]))
    # What is served holds the weights in a list, beside those of the classes.
    model.parts = [tf.Variable(tf.zeros((16, 4)), name="logits/kernel"), *layer.weights]
    tf.saved_model.save(model, str(tmp_path / "model"))
    read_encoder_card(encoder.folder).write(str(tmp_path / "model"))
    export_checkpoint(tmp_path / "model", tmp_path / "out")
    original, written = tensors_in(recordings / "cased"), tensors_in(tmp_path / "out")
    assert written.keys() == original.keys()
    changed = [name for name in written if not np.array_equal(written[name], original[name])]
    assert changed == ["embeddings.word_embeddings.weight"]


def test_a_model_without_encoder_is_an_error(tmp_path: Path) -> None:
    model = tf.Module()
    model.kernel = tf.Variable(1.0)
    tf.saved_model.save(model, str(tmp_path / "model"))
    with pytest.raises(AgnewsError, match="No encoder can be taken out"):
        export_checkpoint(tmp_path / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_card_of_another_encoder_is_an_error(recordings: Path, cache: Path, tmp_path: Path) -> None:
    encoder = resolve_encoder(str(recordings / "cased"), cache_dir=cache)
    model = tf.Module()
    model.kernel = tf.Variable(1.0)
    tf.saved_model.save(model, str(tmp_path / "model"))
    read_encoder_card(encoder.folder).write(str(tmp_path / "model"))
    with pytest.raises(AgnewsError, match=r"39 of 39 weights, the first: word_embeddings/embeddings missing"):
        export_checkpoint(tmp_path / "model", tmp_path / "out")


def test_nothing_is_written_over(recordings: Path, cache: Path, tmp_path: Path) -> None:
    encoder = resolve_encoder(str(recordings / "cased"), cache_dir=cache)
    (tmp_path / "mine").write_text("")
    with pytest.raises(AgnewsError, match="something in this place already"):
        export_checkpoint(encoder.folder, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
