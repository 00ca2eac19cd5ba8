from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers

from agnews.components.encoders.bert_config import BertConfig
from agnews.components.encoders.encoder_families import FAMILIES
from agnews.components.encoders.hugging_face_checkpoint import open_checkpoint
from agnews.schemas.errors import AgnewsError

Tensors = dict[str, np.ndarray]


def without(name: str):
    return lambda tensors: {each: values for each, values in tensors.items() if each != name}


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"model_type": "roberta"}, "model_type roberta"),
        ({"model_type": None, "architectures": ["RobertaModel"]}, "no model_type"),
        ({"hidden_size": "wide"}, "hidden_size: .*wide"),
        ({"num_attention_heads": 3}, "hidden_size 16 is not a multiple of num_attention_heads 3"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type: .*relative_key"),
        ({"hidden_act": "swish"}, "hidden_act: .*swish"),
        ({"is_decoder": True}, "is_decoder: .*True"),
    ],
)
def test_a_config_that_is_not_bert_is_refused(config: dict[str, object], found: str, make_checkpoint) -> None:
    with pytest.raises(AgnewsError, match=f"does not describe an encoder(?s:.*){found}"):
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
        (
            lambda tensors: tensors | {"encoder.layer.0.adapter.down": np.zeros((2, 2))},
            "without a place: encoder.layer.0.adapter.down",
        ),
        (
            lambda tensors: tensors | {"bert.pooler.dense.bias": tensors["pooler.dense.bias"]},
            "twice(?s:.*)bert.pooler.dense.bias and pooler.dense.bias",
        ),
        (
            lambda tensors: tensors | {"embeddings.LayerNorm.gamma": np.zeros(16)},
            "twice(?s:.*)embeddings.LayerNorm.gamma and embeddings.LayerNorm.weight",
        ),
        (
            lambda tensors: {f"model.{name}": values for name, values in tensors.items()},
            "missing: embeddings.word_embeddings.weight(?s:.*)left out as heads: model.",
        ),
        (
            lambda tensors: tensors | {"pooler.dense.weight": np.zeros((16, 8))},
            r"pooler.dense.weight \[16, 8\], expected \[16, 16\]",
        ),
    ],
)
def test_each_tensor_needs_its_place_and_each_place_its_tensor(weights, found: str, make_checkpoint) -> None:
    with pytest.raises(AgnewsError, match=found):
        open_checkpoint(make_checkpoint(weights=weights))


def test_a_head_of_whatever_name_is_left_out_and_named(make_checkpoint, recordings: Path) -> None:
    folder = make_checkpoint(weights=lambda tensors: tensors | {"linear.weight": np.zeros((2, 2))})
    found = open_checkpoint(folder)
    assert found.left_out == ("linear.weight",)
    assert open_checkpoint(recordings / "uncased").left_out == ("classifier.bias", "classifier.weight")
    assert open_checkpoint(recordings / "cased").left_out == ()


@pytest.mark.parametrize(
    ("config", "found", "fix"),
    [
        ({"model_type": None, "architectures": None}, "no model_type", '"model_type": "bert"'),
        ({"model_type": "roberta"}, "roberta", "another family: bert, distilbert, electra"),
        ({"hidden_act": "silu"}, "hidden_act", "gelu, gelu_new or relu"),
    ],
)
def test_each_refusal_of_a_config_says_what_helps(
    config: dict[str, object], found: str, fix: str, make_checkpoint
) -> None:
    with pytest.raises(AgnewsError, match=f"{found}(?s:.*)fix: .*{fix}"):
        open_checkpoint(make_checkpoint(**config))


def test_a_config_from_before_there_were_model_types_is_known_by_its_class(make_checkpoint, recordings: Path) -> None:
    for name in ("BertModel", "BertForMaskedLM"):
        found = open_checkpoint(make_checkpoint(model_type=None, architectures=[name]))
        assert found.digest == open_checkpoint(recordings / "cased").digest


@pytest.mark.parametrize(("name", "same"), [("gelu_python", "gelu"), ("gelu_fast", "gelu_new")])
def test_other_names_of_an_activation_are_known(name: str, same: str, make_checkpoint) -> None:
    assert open_checkpoint(make_checkpoint(hidden_act=name)).config.hidden_act == same


def test_a_config_of_another_size_is_refused(make_checkpoint) -> None:
    with pytest.raises(AgnewsError, match=r"missing: encoder.layer.2\..* and 11 more"):
        open_checkpoint(make_checkpoint(num_hidden_layers=3))
    with pytest.raises(AgnewsError, match=r"without a place: encoder.layer.1\..* and 11 more"):
        open_checkpoint(make_checkpoint(num_hidden_layers=1))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("num_hidden_layers", 50_000), ("vocab_size", 10**12), ("hidden_size", 2**40), ("type_vocab_size", 10**9)],
)
def test_a_config_that_asks_for_more_than_there_is_is_refused_in_words(
    setting: str, value: int, make_checkpoint
) -> None:
    with pytest.raises(AgnewsError, match=rf"does not describe an encoder(?s:.*){setting}"):
        open_checkpoint(make_checkpoint(**{setting: value}))


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "tokenizer.json"])
def test_a_document_that_is_too_deep_is_refused_in_words(name: str, make_checkpoint) -> None:
    folder = make_checkpoint()
    (folder / name).write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    with pytest.raises(AgnewsError, match="too deep"):
        open_checkpoint(folder)


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
    with pytest.raises(AgnewsError, match=r"has capital letters(?s:.*)not set in .*, which means true"):
        open_checkpoint(folder)


@pytest.mark.parametrize("setting", [{"strip_accents": True}, {"tokenize_chinese_chars": False}])
def test_a_tokenizer_that_is_not_berts_is_refused(setting: dict[str, bool], make_checkpoint) -> None:
    folder = make_checkpoint()
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False} | setting))
    with pytest.raises(AgnewsError, match="not BERT's"):
        open_checkpoint(folder)


BERT_NORMALIZER = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "lowercase": False}


def described(folder: Path, settings: dict[str, object] | None = None, **parts: object) -> Path:
    """Adds a tokenizer.json as BERT's is, with changed parts, beside vocab.txt; `settings` go to tokenizer_config."""
    tokens = (folder / "vocab.txt").read_text().split()
    content = {
        "normalizer": {**BERT_NORMALIZER, "strip_accents": None},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "[CLS]"}},
                {"Sequence": {"id": "A"}},
                {"SpecialToken": {"id": "[SEP]"}},
            ],
        },
        "model": {"type": "WordPiece", "vocab": {token: number for number, token in enumerate(tokens)}},
        "added_tokens": [{"content": "[MASK]", "id": 4, "special": True}],
    }
    (folder / "tokenizer.json").write_text(json.dumps(content | parts))
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_a_whole_description_of_berts_tokenizer_is_taken(make_checkpoint, recordings: Path) -> None:
    settings = {
        "tokenizer_class": "BertTokenizerFast",
        "never_split": None,
        "do_basic_tokenize": True,
        "unk_token": {"content": "[UNK]"},
        "added_tokens_decoder": {"4": {"content": "[MASK]", "special": True}},
        "auto_map": {"AutoModel": "modeling_own.OwnModel"},
    }
    found = open_checkpoint(described(make_checkpoint(), settings))
    assert not found.do_lower_case  # tokenizer.json alone says so
    assert found.digest == open_checkpoint(recordings / "cased").digest


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ({"normalizer": {"type": "NFKC"}}, "normalizer NFKC"),
        ({"normalizer": None}, "normalizer none"),
        ({"normalizer": {**BERT_NORMALIZER, "handle_chinese_chars": False}}, "handle_chinese_chars false"),
        ({"normalizer": {**BERT_NORMALIZER, "clean_text": False}}, "clean_text false"),
        ({"normalizer": {**BERT_NORMALIZER, "strip_accents": True}}, "strip_accents in tokenizer.json true"),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, BERT_NORMALIZER]}}, "NFC, BertNorm"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "pre_tokenizer Whitespace"),
        ({"post_processor": None}, "post_processor none"),
        ({"post_processor": {"type": "RobertaProcessing"}}, "post_processor RobertaProcessing"),
        ({"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": "A"}]}}, "post_processor A"),
        ({"post_processor": {"type": "TemplateProcessing", "single": 1}}, "post_processor"),
        ({"post_processor": {"type": "BertProcessing", "cls": 1, "sep": []}}, "post_processor .*'cls': 1"),
        ({"added_tokens": [{"content": "covid", "id": 96, "special": False}]}, "added_tokens covid"),
    ],
)
def test_each_part_of_a_description_that_is_not_berts_is_named(parts, found: str, make_checkpoint) -> None:
    with pytest.raises(AgnewsError, match=rf"not BERT's(?s:.*){found}"):
        open_checkpoint(described(make_checkpoint(), **parts))


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"word_tokenizer_type": "mecab"}, "word_tokenizer_type mecab"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize False"),
        ({"tokenizer_class": "BertJapaneseTokenizer"}, "tokenizer_class BertJapaneseTokenizer"),
        ({"tokenizer_class": {"content": "BertTokenizer"}}, "tokenizer_class {.content"),
        ({"never_split": ["covid"]}, "never_split"),
        ({"unk_token": "<unk>"}, "unk_token <unk>"),
        ({"added_tokens_decoder": {"9": {"content": "covid", "special": False}}}, "added_tokens_decoder covid"),
        ({"auto_map": {"AutoTokenizer": ["tokenization_own.OwnTokenizer", None]}}, "auto_map .*OwnTokenizer"),
    ],
)
def test_each_setting_that_is_not_berts_is_named(settings, found: str, make_checkpoint) -> None:
    folder = make_checkpoint()
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False} | settings))
    with pytest.raises(AgnewsError, match=rf"not BERT's(?s:.*){found}"):
        open_checkpoint(folder)


def test_files_that_contradict_each_other_are_named(make_checkpoint) -> None:
    with pytest.raises(AgnewsError, match=r"contradict(?s:.*)do_lower_case in tokenizer_config.json: true.*false"):
        open_checkpoint(described(make_checkpoint(), {"do_lower_case": True}))
    tokens = {"[PAD]": 0, "[UNK]": 1, "[SEP]": 2, "[CLS]": 3}
    with pytest.raises(AgnewsError, match="different word pieces"):
        open_checkpoint(described(make_checkpoint(), model={"type": "WordPiece", "vocab": tokens}))


def test_an_encoder_family_is_one_entry_of_the_register() -> None:
    """All that differs from BERT stands in the family: names there and back give the same settings."""
    assert list(FAMILIES) == ["bert", "distilbert", "electra"]
    for family in FAMILIES.values():
        config = BertConfig(
            model_type=family.model_type,
            **family.always,
            vocab_size=96,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=24,
            max_position_embeddings=32,
            hidden_dropout_prob=0.3,
        )
        written = family.write_settings(config.facts())
        assert BertConfig.model_validate(family.read_settings(written)).hidden_dropout_prob == 0.3
        assert ("dim" in written) == (family.model_type == "distilbert")


def test_a_tokenizer_that_does_not_name_its_kind_is_known_by_its_parts(make_checkpoint, recordings: Path) -> None:
    folder = with_fast_tokenizer(make_checkpoint(), max_input_chars_per_word=100)
    content = json.loads((folder / "tokenizer.json").read_text())
    del content["model"]["type"]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    assert open_checkpoint(folder).digest == open_checkpoint(recordings / "cased").digest


def test_a_vocabulary_without_last_line_end_is_whole_if_it_has_as_many_tokens(
    make_checkpoint, recordings: Path
) -> None:
    folder = make_checkpoint()
    file = folder / "vocab.txt"
    file.write_text(file.read_text().removesuffix("\n"))
    assert open_checkpoint(folder).digest == open_checkpoint(recordings / "cased").digest
    whole = file.read_text()
    file.write_text(f"{whole}\n\n\n")
    assert open_checkpoint(folder).digest == open_checkpoint(recordings / "cased").digest
    file.write_text("\n".join(whole.split("\n")[:-1]))
    with pytest.raises(AgnewsError, match="may be cut off"):
        open_checkpoint(folder)


def with_fast_tokenizer(folder: Path, **model: object) -> Path:
    """Replaces vocab.txt by what transformers 5 saves."""
    tokens = (folder / "vocab.txt").read_text().split()
    shuffled = {token: number for number, token in reversed(list(enumerate(tokens)))}
    words = {"type": "WordPiece", "continuing_subword_prefix": "##", "vocab": shuffled}
    described(folder, model=words | model, added_tokens=[])
    (folder / "vocab.txt").unlink()
    return folder


@pytest.mark.parametrize("part", ["normalizer", "pre_tokenizer", "post_processor"])
def test_a_part_that_a_description_leaves_out_is_none(part: str, make_checkpoint) -> None:
    folder = described(make_checkpoint())
    content = json.loads((folder / "tokenizer.json").read_text())
    del content[part]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    words = {"unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    as_read = tokenizers.Tokenizer.from_str(
        json.dumps({"version": "1.0", "added_tokens": [], "model": content["model"] | words})
    )
    assert getattr(as_read, part) is None, "as Hugging Face's library has it"
    with pytest.raises(AgnewsError, match=rf"not BERT's(?s:.*){part} none"):
        open_checkpoint(folder)


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
