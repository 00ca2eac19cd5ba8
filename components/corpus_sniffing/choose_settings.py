"""Settings that follow from the texts, each with its reason: chosen once, written down, changed by people only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agnews.schemas.learning_config import (
    LEARN,
    MODEL_CONFIGS,
    TextConfig,
    TrainingConfig,
    TransformerConfig,
    fitting_buckets,
)

_ROWS = 2000
_SHORTEST, _LONGEST, _STEP = 32, 512, 16
_MOST_CUT = 0.05
_STEPS = 3000
"""Steps in which a small transformer learns what a few thousand rows have to say."""
_FEW_ROWS, _LARGER_SHARE = 3000, 0.1
_UNEVEN = 20
"""From that many times the rows of the smallest class in the largest, rows count by their class."""
_MOST_LINEAR = 2000
"""Classes: each is a problem of its own to a linear model, with a weight for every n-gram."""
_WIDEST_HEAD = 512
_SHORT, _DROPPED_OF_SHORT = 24, 0.2
"""Word pieces of a text, and what share of them is left out in training where classes are many."""
_MOST_EPOCHS, _EPOCHS = 60, TrainingConfig().epochs
_BATCHES = ((20_000, 128), (5_000, 64), (1_000, 32), (0, 16))
"""Batch sizes by the least rows to learn from: small corpora need the steps, large ones the speed."""


@dataclass(frozen=True)
class ChosenSettings:
    """Settings for a corpus.

    Attributes:
        settings: Sections of the configuration.
        kinds: The same by kind of model.
        reasons: Why, by dotted key.
        unsure: What a person has to look at.
    """

    settings: dict[str, dict[str, Any]]
    kinds: dict[str, dict[str, dict[str, Any]]]
    reasons: dict[str, str]
    unsure: list[str] = field(default_factory=list)


def choose_settings(
    texts: Sequence[str], *, rows: int, language: str, class_rows: Sequence[int] = (), one_class: bool = True
) -> ChosenSettings:
    """Chooses kind of model, length and training.

    Args:
        texts: Texts to learn from, or some of them.
        rows: How many there are to learn from.
        language: Of the texts, a BCP 47 tag.
        class_rows: How many there are of each class; none where nobody knows.
        one_class: Whether a text has one class.

    Returns:
        The settings. The encoder that comes along knows English; texts in another language get a linear model.
    """
    lengths, unknown = _pieces(texts[:_ROWS])
    settings: dict[str, dict[str, Any]] = {"model": {}, "text": {}}
    reasons, unsure = {}, []
    english = language.split("-")[0] == "en"
    kind, reasons["model.kind"] = _kind(english=english, num_classes=len(class_rows))
    settings["model"]["kind"] = kind
    p95 = int(np.quantile(lengths, 0.95, method="inverted_cdf"))
    length = min(max(_STEP * math.ceil(p95 / _STEP), _SHORTEST), _LONGEST)
    settings["text"]["max_length"] = length
    reasons["text.max_length"] = f"95 % of the texts have at most {p95} word pieces, [CLS] and [SEP] included"
    cut = float((lengths > length).mean())
    if cut > _MOST_CUT:
        unsure.append(f"text.max_length: {cut:.0%} of the texts are longer than {length} word pieces and are cut there")
    allowed = TextConfig().max_unknown_share
    kinds: dict[str, dict[str, dict[str, Any]]] = {}
    if unknown > allowed or not english:
        # N-grams need pieces that can be spelled, and no more; a transformer learns from whole words.
        for kind in ("transformer", "linear") if unknown > allowed else ("transformer",):
            kinds[kind] = {"text": {"vocabulary": LEARN}}
        reasons["text.vocabulary"] = (
            f"{unknown:.0%} of the word pieces are unknown to the vocabulary that comes along"
            if unknown > allowed
            else "the vocabulary that comes along knows English words"
        )
    if rows < _FEW_ROWS:
        settings["data"] = {"eval_share": _LARGER_SHARE}
        reasons["data.eval_share"] = (
            f"{rows:,} rows to learn from; of them, a twentieth would tell too little of an epoch"
        )
    elif not one_class:
        settings["data"] = {"eval_share": _LARGER_SHARE}
        reasons["data.eval_share"] = "each class has a threshold, which is fitted on the rows of eval"
    batch = next(size for least, size in _BATCHES if rows >= least)
    steps = math.ceil(rows / batch)
    epochs = min(max(math.ceil(_STEPS / steps), _EPOCHS), _MOST_EPOCHS)
    training = {"batch_size": batch, "epochs": epochs, "patience": max(epochs // 3, 4)}
    reasons["training.batch_size"] = f"{rows:,} rows to learn from"
    reasons["training.epochs"] = f"{epochs * steps:,} steps of {batch} rows; at least {_STEPS:,} are wanted"
    reasons["training.patience"] = "a third of the epochs"
    kinds["transformer"] = {**kinds.get("transformer", {}), "training": training}
    if model := _fit_to_classes(len(class_rows), int(np.median(lengths)), reasons):
        kinds["transformer"]["model"] = model
    most, least = max(class_rows, default=1), max(min(class_rows, default=1), 1)
    if one_class and most >= _UNEVEN * least:
        for kind in MODEL_CONFIGS:
            sections = kinds.setdefault(kind, {})
            sections["training"] = {**sections.get("training", {}), "class_weights": "sqrt"}
        reasons["training.class_weights"] = (
            f"the largest class has {most:,} rows to learn from, the smallest {least:,}; with none the accuracy "
            "over all rows is highest, with balanced rare classes are found most often"
        )
    return ChosenSettings(settings, kinds, reasons, unsure)


def _kind(*, english: bool, num_classes: int) -> tuple[str, str]:
    """Which kind of model, and why."""
    if english:
        return "bert_frozen", "the encoder that comes along knows English"
    only = "the encoder that comes along knows English only"
    if num_classes > _MOST_LINEAR:
        return "transformer", f"{only}, and a linear model of {num_classes:,} classes would learn for hours"
    return "linear", f"{only}, and n-grams of words and characters fit any language"


def _fit_to_classes(num_classes: int, length: int, reasons: dict[str, str]) -> dict[str, Any]:
    """What of a transformer's settings follows from the number of classes, and the word pieces of a usual text."""
    model: dict[str, Any] = {}
    usual = TransformerConfig()
    # Where many classes share few values, those of a class with a handful of rows are never found.
    if num_classes > usual.head_dim:
        model["head_dim"] = min(1 << (2 * num_classes - 1).bit_length(), _WIDEST_HEAD)
        reasons["model.head_dim"] = f"{num_classes:,} classes, which {usual.head_dim} values would not tell apart"
        if length <= _SHORT:
            model["word_dropout"] = _DROPPED_OF_SHORT
            reasons["model.word_dropout"] = (
                f"half of the texts have at most {length} word pieces, and {num_classes:,} classes need most of them"
            )
    if (buckets := fitting_buckets(num_classes or 2)) < usual.bigram_buckets:
        model["bigram_buckets"] = buckets
        reasons["model.bigram_buckets"] = f"a weight for each of {num_classes:,} classes"
    return model


def _pieces(texts: Sequence[str]) -> tuple[np.ndarray[Any, np.dtype[np.int64]], float]:
    """Word pieces of each text, the frame included, and the share of them that is unknown."""
    import tensorflow as tf

    from agnews.components.text.clean import clean
    from agnews.components.text.tokenizer import Tokenizer
    from agnews.components.text.vocabulary import EMBEDDED, UNKNOWN, load_vocabulary

    vocabulary = load_vocabulary(EMBEDDED)
    tokens = Tokenizer(vocabulary, lowercase=True, max_length=1 << 20)(clean(tf.constant(list(texts))))
    pieces = tokens.flat_values.numpy()
    share = float((pieces == vocabulary.tokens.index(UNKNOWN)).mean())
    return tokens.row_lengths().numpy(), share
