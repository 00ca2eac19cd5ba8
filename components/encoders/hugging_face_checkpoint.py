"""A checkpoint as Hugging Face's libraries write it, checked before anything is made of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agnews.components.encoders.bert_config import BertConfig, read_bert_config
from agnews.components.encoders.bert_tensors import BertTensor, Weights, bert_tensors
from agnews.components.encoders.safetensors_file import SafetensorsFile
from agnews.components.encoders.tokenizer_description import read_tokenizer
from agnews.components.text.vocabulary import Vocabulary
from agnews.schemas.errors import AgnewsError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
PICKLES = ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack")
"""Names of weights that only unsafe or other formats hold; they are known so that their refusal can say why."""
POOLER = ("pooler.dense.weight", "pooler.dense.bias")
"""The tensors that a checkpoint may come without."""

_COUNTERS = re.compile(r"embeddings\.(position|token_type)_ids$")
"""Old versions leave tables of 0, 1, 2, ... behind, which are no weights."""
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
        left_out: Tensors in the file that are not the encoder's: heads of tasks.
    """

    folder: Path
    config: BertConfig
    vocabulary: Vocabulary
    do_lower_case: bool
    weights: SafetensorsFile
    stored_names: Mapping[str, str]
    left_out: tuple[str, ...] = ()

    @property
    def has_pooler(self) -> bool:
        """Whether the layer behind the pooled output is there."""
        return POOLER[0] in self.stored_names

    @cached_property
    def digest(self) -> str:
        """sha256 of all that its outputs depend on, lower-case hexadecimal."""
        with self.weights.path.open("rb") as file:
            weights = hashlib.file_digest(file, "sha256").hexdigest()
        facts = [
            json.dumps(self.config.facts(), separators=(",", ":")),
            self.do_lower_case,
            self.vocabulary.digest,
            weights,
        ]
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
    text = read_tokenizer(folder, vocab_size=config.vocab_size)
    if len(text.vocabulary) != config.vocab_size:
        raise AgnewsError(
            f"The vocabulary in {folder} does not belong to its weights.",
            found=f"{len(text.vocabulary)} tokens in {text.vocabulary.source}, "
            f"vocab_size {config.vocab_size} in {CONFIG}",
            fix="Use the vocab.txt that the checkpoint was published with. If its table is padded on purpose, append "
            "as many unused tokens: [unused_a], [unused_b], ...",
        )
    stored, left_out = _sort(weights, config)
    names: Mapping[str, str] = _match(weights, config, stored, left_out)
    if num_layers is not None:
        config, names = _cut(folder, config, names, num_layers)
    return HuggingFaceCheckpoint(folder, config, text.vocabulary, text.do_lower_case, weights, names, left_out)


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


def _sort(weights: SafetensorsFile, config: BertConfig) -> tuple[dict[str, str], tuple[str, ...]]:
    """Tells the encoder's tensors, by their plain names, from those of heads, which stand outside of its parts."""
    parts = {tensor.name.partition(".")[0] for tensor in bert_tensors(config)}
    stored: dict[str, str] = {}
    left_out = []
    for name in weights.shapes:
        plain = _plain(name, config)
        if plain.partition(".")[0] not in parts:
            left_out.append(name)
        elif plain in stored:
            raise AgnewsError(
                f"A weight stands twice in {weights.path}, so nobody can say which one counts.",
                found=f"{stored[plain]} and {name}",
                fix="Save the checkpoint anew with Hugging Face's `save_pretrained`, or remove one of the two.",
            )
        elif not _COUNTERS.match(plain):
            stored[plain] = name
    return stored, tuple(left_out)


def _match(
    weights: SafetensorsFile, config: BertConfig, stored: dict[str, str], left_out: tuple[str, ...]
) -> dict[str, str]:
    """Finds a tensor for each weight of the encoder, and a place for each tensor."""
    wanted = {tensor.name: tensor for tensor in bert_tensors(config)}
    missing = [name for name in wanted if name not in stored]
    if missing == list(POOLER):
        missing = []
    unknown = [stored[name] for name in stored if name not in wanted]
    if missing or unknown:
        found = [f"missing: {_some(missing)}"] * bool(missing) + [f"without a place: {_some(unknown)}"] * bool(unknown)
        found += [f"left out as heads: {_some(left_out)}"] * bool(missing and left_out)
        raise AgnewsError(
            f"The weights in {weights.path} are not those of the encoder that {CONFIG} describes.",
            found="; ".join(found),
            fix=f"Use the {CONFIG} and the {WEIGHTS} of the same checkpoint, unchanged, of a model of the family "
            f"{config.model_type} itself: adapters have to be merged into it before.",
        )
    for plain, name in stored.items():
        if weights.shapes[name] != wanted[plain].shape:
            raise AgnewsError(
                f"A tensor in {weights.path} has another shape than {CONFIG} says.",
                found=f"{name} {list(weights.shapes[name])}, expected {list(wanted[plain].shape)}",
                fix=f"Use the {CONFIG} and the {WEIGHTS} of the same checkpoint, unchanged.",
            )
    return stored


def _plain(name: str, config: BertConfig) -> str:
    """The name without what depends on the class and on the age of the checkpoint."""
    name = name.removeprefix(config.family.prefix)
    # Checkpoints converted from the first TensorFlow release keep its names of these two.
    return re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", name))


def _some(names: Sequence[str]) -> str:
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
    cut = config.model_copy(update={"num_hidden_layers": num_layers})
    kept = {tensor.name for tensor in bert_tensors(cut)}
    return cut, {name: stored for name, stored in names.items() if name in kept}
