from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from agnews.components.encoders.hugging_face_checkpoint import open_checkpoint
from agnews.schemas.errors import AgnewsError

Tensors = dict[str, np.ndarray]


def without(name: str):
    return lambda tensors: {each: values for each, values in tensors.items() if each != name}


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"model_type": "roberta"}, "model_type roberta"),
        ({"model_type": None}, "no model_type"),
        ({"hidden_size": "wide"}, "hidden_size: .*wide"),
        ({"num_attention_heads": 3}, "hidden_size 16 is not a multiple of num_attention_heads 3"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type: .*relative_key"),
        ({"hidden_act": "swish"}, "hidden_act: .*swish"),
        ({"is_decoder": True}, "is_decoder: .*True"),
    ],
)
def test_a_config_that_is_not_bert_is_refused(config: dict[str, object], found: str, make_checkpoint) -> None:
    with pytest.raises(AgnewsError, match=f"does not describe a BERT encoder(?s:.*){found}"):
        open_checkpoint(make_checkpoint(**config))


def test_a_config_that_is_no_json_is_refused(make_checkpoint) -> None:
    folder = make_checkpoint()
    (folder / "config.json").write_text('{"model_type": "bert", ')
    with pytest.raises(AgnewsError, match=r"config.json does not(?s:.*)no JSON"):
        open_checkpoint(folder)


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        (without("encoder.layer.1.output.dense.bias"), "missing: encoder.layer.1.output.dense.bias"),
        (without("pooler.dense.bias"), "missing: pooler.dense.bias"),
        (lambda tensors: tensors | {"adapter.down": np.zeros((2, 2))}, "without a place: adapter.down"),
        (
            lambda tensors: tensors | {"pooler.dense.weight": np.zeros((16, 8))},
            r"pooler.dense.weight \[16, 8\], expected \[16, 16\]",
        ),
    ],
)
def test_each_tensor_needs_its_place_and_each_place_its_tensor(weights, found: str, make_checkpoint) -> None:
    with pytest.raises(AgnewsError, match=found):
        open_checkpoint(make_checkpoint(weights=weights))


def test_a_config_of_another_size_is_refused(make_checkpoint) -> None:
    with pytest.raises(AgnewsError, match=r"missing: encoder.layer.2\..* and 11 more"):
        open_checkpoint(make_checkpoint(num_hidden_layers=3))
    with pytest.raises(AgnewsError, match=r"without a place: encoder.layer.1\..* and 11 more"):
        open_checkpoint(make_checkpoint(num_hidden_layers=1))


def test_a_vocabulary_of_another_size_is_refused(make_checkpoint) -> None:
    folder = make_checkpoint()
    with (folder / "vocab.txt").open("a") as file:
        file.write("more\n")
    with pytest.raises(AgnewsError, match=r"does not belong(?s:.*)97 tokens in .*vocab.txt, vocab_size 96"):
        open_checkpoint(folder)


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "model.safetensors"])
def test_a_missing_file_is_named(name: str, make_checkpoint) -> None:
    folder = make_checkpoint()
    (folder / name).unlink()
    with pytest.raises(AgnewsError, match=name) as raised:
        open_checkpoint(folder)
    assert str(folder) in str(raised.value)


def test_a_pickle_is_not_opened(make_checkpoint) -> None:
    folder = make_checkpoint()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(AgnewsError, match=r"pickle, which can run any program(?s:.*)save_pretrained"):
        open_checkpoint(folder)


def test_weights_in_several_files_are_refused_with_the_way_to_one(make_checkpoint) -> None:
    folder = make_checkpoint()
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(AgnewsError, match=r"several files(?s:.*)max_shard_size"):
        open_checkpoint(folder)


@pytest.mark.parametrize("num_layers", [0, 3, -1])
def test_only_layers_that_are_there_can_be_kept(num_layers: int, recordings: Path) -> None:
    with pytest.raises(AgnewsError, match=f"num_layers {num_layers}, the checkpoint has 2"):
        open_checkpoint(recordings / "cased", num_layers=num_layers)


def test_case_is_dropped_unless_the_tokenizer_says_otherwise(recordings: Path, make_checkpoint) -> None:
    assert open_checkpoint(recordings / "uncased").do_lower_case
    assert not open_checkpoint(recordings / "cased").do_lower_case
    folder = make_checkpoint()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(AgnewsError, match=r"has capital letters(?s:.*)not set, which means true"):
        open_checkpoint(folder)


@pytest.mark.parametrize("setting", [{"strip_accents": True}, {"tokenize_chinese_chars": False}])
def test_a_tokenizer_that_is_not_berts_is_refused(setting: dict[str, bool], make_checkpoint) -> None:
    folder = make_checkpoint()
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False} | setting))
    with pytest.raises(AgnewsError, match="not BERT's"):
        open_checkpoint(folder)


def with_fast_tokenizer(folder: Path, **model: object) -> Path:
    """Replaces vocab.txt by what transformers 5 saves."""
    tokens = (folder / "vocab.txt").read_text().split()
    shuffled = {token: number for number, token in reversed(list(enumerate(tokens)))}
    (folder / "vocab.txt").unlink()
    content = {"model": {"type": "WordPiece", "continuing_subword_prefix": "##", "vocab": shuffled} | model}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return folder


def test_a_vocabulary_in_the_new_file_is_read(recordings: Path, make_checkpoint) -> None:
    new, old = open_checkpoint(with_fast_tokenizer(make_checkpoint())), open_checkpoint(recordings / "cased")
    assert new.vocabulary.tokens == old.vocabulary.tokens
    assert new.digest == old.digest


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ({"type": "BPE"}, "model BPE"),
        ({"continuing_subword_prefix": "@@"}, "prefix @@"),
        ({"vocab": {"[PAD]": 0, "[UNK]": 2}}, "ids that are not"),
        ({"vocab": {"[PAD]": 0, "[UNK]": 1}}, r"without \[CLS\], \[SEP\]"),
    ],
)
def test_a_tokenizer_of_another_kind_is_refused(model: dict[str, object], found: str, make_checkpoint) -> None:
    with pytest.raises(AgnewsError, match=found):
        open_checkpoint(with_fast_tokenizer(make_checkpoint(), **model))
