"""A BERT checkpoint as Hugging Face's libraries write it, checked before anything is made of it."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agnews.components.encoders.bert_config import BertConfig, read_bert_config
from agnews.components.encoders.bert_tensors import BertTensor, Weights, bert_tensors
from agnews.components.encoders.safetensors_file import SafetensorsFile
from agnews.components.text.vocabulary import Vocabulary, load_vocabulary
from agnews.schemas.errors import AgnewsError

VOCABULARY = "vocab.txt"
FAST_TOKENIZER = "tokenizer.json"
"""All that transformers writes of a tokeniser since its version 5."""


def read_word_pieces(folder: Path) -> Vocabulary:
    """Reads and checks the vocabulary of a checkpoint.

    Args:
        folder: Holds vocab.txt, or else tokenizer.json.

    Returns:
        The vocabulary.

    Raises:
        AgnewsError: There is neither file, it is not one of BERT's word pieces, or it is damaged.
    """
    if (folder / VOCABULARY).is_file():
        return load_vocabulary(str(folder / VOCABULARY))
    path = folder / FAST_TOKENIZER
    if not path.is_file():
        raise AgnewsError(
            f"{folder} is not a whole Hugging Face checkpoint.",
            found=f"no {VOCABULARY} and no {FAST_TOKENIZER}",
            fix="Copy one of them there, or fetch the checkpoint again: `agnews encoder fetch ID`.",
        )
    try:
        tokens = _tokens(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgnewsError(
            f"{path} holds no word pieces of BERT.", found=repr(error), fix=f"Copy the checkpoint's {VOCABULARY} there."
        ) from error
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, VOCABULARY)
        copy.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8", newline="")
        return Vocabulary(str(path), load_vocabulary(str(copy)).tokens)


def _tokens(content: dict[str, dict[str, object]]) -> list[str]:
    model = content["model"]
    ids = model["vocab"]
    if (
        model["type"] != "WordPiece"
        or model.get("continuing_subword_prefix", "##") != "##"
        or not isinstance(ids, dict)
    ):
        raise ValueError(f"model {model['type']}, prefix {model.get('continuing_subword_prefix')}")
    tokens = sorted(ids, key=ids.__getitem__)
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError("ids that are not 0, 1, 2, ...")
    return tokens


CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer_config.json", "model.safetensors"
PICKLES = ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack")
"""Names of weights that only unsafe or other formats hold; they are known so that their refusal can say why."""
POOLER = ("pooler.dense.weight", "pooler.dense.bias")
"""The tensors that a checkpoint may come without."""

# The task that a checkpoint was trained on leaves its head behind, and old versions a table of positions 0, 1, 2, ...
_NOT_OF_THE_ENCODER = re.compile(r"(cls|classifier|qa_outputs|dropout)\.|embeddings\.(position|token_type)_ids$")
_LAYER = re.compile(r"encoder\.layer\.(\d+)\.")
_SHOWN = 5


@dataclass(frozen=True)
class HuggingFaceCheckpoint:
    """A checkpoint in which every tensor has found its place.

    Attributes:
        folder: Where it is.
        config: Its configuration, with as many layers as are kept.
        vocabulary: Its word pieces.
        do_lower_case: Whether texts lose case and accents.
        weights: Its weights.
        stored_names: Name in the file of each tensor that is kept, by the name of `bert_tensors`.
    """

    folder: Path
    config: BertConfig
    vocabulary: Vocabulary
    do_lower_case: bool
    weights: SafetensorsFile
    stored_names: Mapping[str, str]

    @property
    def has_pooler(self) -> bool:
        """Whether the layer behind the pooled output is there."""
        return POOLER[0] in self.stored_names

    @cached_property
    def digest(self) -> str:
        """sha256 of all that its outputs depend on, lower-case hexadecimal."""
        with self.weights.path.open("rb") as file:
            weights = hashlib.file_digest(file, "sha256").hexdigest()
        facts = [self.config.model_dump_json(), self.do_lower_case, self.vocabulary.digest, weights]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def read(self, tensor: BertTensor) -> Weights:
        """Reads the values of a tensor that is there."""
        return self.weights.read(self.stored_names[tensor.name])


def open_checkpoint(folder: Path, *, num_layers: int | None = None) -> HuggingFaceCheckpoint:
    """Reads the small files of a checkpoint and the header of the large one, and checks that they fit together.

    Args:
        folder: Holds config.json, model.safetensors, vocab.txt or tokenizer.json, perhaps tokenizer_config.json.
        num_layers: Keep the first that many layers; None keeps all.

    Returns:
        The checkpoint.

    Raises:
        AgnewsError: A file is missing or damaged, it is no BERT, its files do not belong together, tensors are
            missing, unknown or misshapen, or it has fewer layers than are to be kept.
    """
    config = read_bert_config(_require(folder, CONFIG))
    weights = SafetensorsFile(_require_weights(folder))
    vocabulary = read_word_pieces(folder)
    if len(vocabulary) != config.vocab_size:
        raise AgnewsError(
            f"The vocabulary in {folder} does not belong to its weights.",
            found=f"{len(vocabulary)} tokens in {vocabulary.source}, vocab_size {config.vocab_size} in {CONFIG}",
            fix="Use the vocab.txt that the checkpoint was published with. If its table is padded on purpose, append "
            "as many unused tokens: [unused_a], [unused_b], ...",
        )
    names: Mapping[str, str] = _match(weights, config)
    if num_layers is not None:
        config, names = _cut(folder, config, names, num_layers)
    return HuggingFaceCheckpoint(folder, config, vocabulary, read_lower_case(folder, vocabulary), weights, names)


def _require(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise AgnewsError(
            f"{folder} is not a whole Hugging Face checkpoint.",
            found=f"no {name}; it has {_names(folder)}",
            fix=f"Copy {name} there, or fetch the checkpoint again: `agnews encoder fetch ID`.",
        )
    return path


def _require_weights(folder: Path) -> Path:
    path = folder / WEIGHTS
    pickles = [name for name in PICKLES if (folder / name).is_file()]
    if not path.is_file() and pickles:
        raise refused_weights(str(folder), pickles[0])
    if not path.is_file() and (folder / f"{WEIGHTS}.index.json").is_file():
        raise AgnewsError(
            f"The weights in {folder} are split over several files.",
            found=f"{WEIGHTS}.index.json",
            fix='Save them as one file: `model.save_pretrained(FOLDER, max_shard_size="20GB")`.',
        )
    return _require(folder, WEIGHTS)


def refused_weights(place: str, name: str) -> AgnewsError:
    """Explains why weights are not read.

    Args:
        place: Folder or hub id that holds them.
        name: Name of the file.

    Returns:
        The error to raise.
    """
    if name.endswith(".bin"):
        reason = "It is a Python pickle, which can run any program when it is read."
    else:
        reason = "It is not of the one format that is read."
    return AgnewsError(
        f"{place} has no {WEIGHTS}, and its {name} is not opened. {reason}",
        found=name,
        fix=f'Where you trust it, save it as {WEIGHTS}: `AutoModel.from_pretrained("{place}").save_pretrained(FOLDER)` '
        "with Hugging Face's transformers, then copy the files of the tokeniser there.",
    )


def _names(folder: Path) -> str:
    try:
        return ", ".join(sorted(path.name for path in folder.iterdir())) or "no file"
    except OSError as error:
        return error.strerror or str(error)


def _match(weights: SafetensorsFile, config: BertConfig) -> dict[str, str]:
    """Finds a tensor for each weight of the encoder, and a place for each tensor."""
    stored = {plain: name for name in weights.shapes if not _NOT_OF_THE_ENCODER.match(plain := _plain(name))}
    wanted = {tensor.name: tensor for tensor in bert_tensors(config)}
    missing = [name for name in wanted if name not in stored]
    if missing == list(POOLER):
        missing = []
    unknown = [stored[name] for name in stored if name not in wanted]
    if missing or unknown:
        found = [f"missing: {_some(missing)}"] * bool(missing) + [f"without a place: {_some(unknown)}"] * bool(unknown)
        raise AgnewsError(
            f"The weights in {weights.path} are not those of the encoder that {CONFIG} describes.",
            found="; ".join(found),
            fix=f"Use the {CONFIG} and the {WEIGHTS} of the same checkpoint, unchanged.",
        )
    for plain, name in stored.items():
        if weights.shapes[name] != wanted[plain].shape:
            raise AgnewsError(
                f"A tensor in {weights.path} has another shape than {CONFIG} says.",
                found=f"{name} {list(weights.shapes[name])}, expected {list(wanted[plain].shape)}",
                fix=f"Use the {CONFIG} and the {WEIGHTS} of the same checkpoint, unchanged.",
            )
    return stored


def _plain(name: str) -> str:
    """The name without what depends on the class and on the age of the checkpoint."""
    name = name.removeprefix("bert.")
    # Checkpoints converted from the first TensorFlow release keep its names of these two.
    return re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _cut(
    folder: Path, config: BertConfig, names: Mapping[str, str], num_layers: int
) -> tuple[BertConfig, Mapping[str, str]]:
    if not 1 <= num_layers <= config.num_hidden_layers:
        raise AgnewsError(
            f"{folder} cannot be cut to {num_layers} layers.",
            found=f"num_layers {num_layers}, the checkpoint has {config.num_hidden_layers}",
            fix=f"Set num_layers to 1 up to {config.num_hidden_layers}, or leave it out.",
        )
    kept = {
        name: stored
        for name, stored in names.items()
        if (layer := _LAYER.match(name)) is None or int(layer[1]) < num_layers
    }
    return config.model_copy(update={"num_hidden_layers": num_layers}), kept


def read_lower_case(folder: Path, vocabulary: Vocabulary) -> bool:
    """Reads whether texts lose case and accents.

    Args:
        folder: Folder of the checkpoint.
        vocabulary: Its word pieces.

    Returns:
        The setting of tokenizer_config.json; True, as Hugging Face has it, where that does not say.

    Raises:
        AgnewsError: It contradicts the vocabulary, or texts are to be tokenised in another way than BERT's.
    """
    path = folder / TOKENIZER
    settings = _read_settings(path) if path.is_file() else {}
    lower_case = settings.get("do_lower_case", True)  # Hugging Face's default
    if lower_case and vocabulary.is_cased:
        raise AgnewsError(
            f"{folder} says that texts lose their case, but its vocabulary has capital letters.",
            found=f"do_lower_case {settings.get('do_lower_case', 'not set, which means true')} in {TOKENIZER}",
            fix=f'Write {{"do_lower_case": false}} into {path} if this is a cased encoder.',
        )
    # Our tokeniser ties accents to case and always splits Chinese characters, as BERT does.
    if settings.get("strip_accents") not in (None, lower_case) or settings.get("tokenize_chinese_chars") is False:
        raise AgnewsError(
            f"{folder} wants texts to be tokenised in a way that is not BERT's.",
            found=f"{TOKENIZER} with do_lower_case {lower_case}, strip_accents {settings.get('strip_accents')}, "
            f"tokenize_chinese_chars {settings.get('tokenize_chinese_chars', True)}",
            fix="Use an encoder that strips accents if and only if it drops case, and splits Chinese characters.",
        )
    return bool(lower_case)


def _read_settings(path: Path) -> dict[str, object]:
    try:
        settings = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise AgnewsError(f"{path} cannot be read.", found=error, fix="Copy or fetch the checkpoint again.") from error
    if not isinstance(settings, dict):
        raise AgnewsError(f"{path} holds no settings.", found=settings, fix="Copy or fetch the checkpoint again.")
    return settings
