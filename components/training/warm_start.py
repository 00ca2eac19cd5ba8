"""Starts a training from the weights of the model in production."""

from __future__ import annotations

import hashlib
import json
import logging
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from agnews.components.serving_model.facts_file import FACTS_FILE

_LOGGER = logging.getLogger(__name__)

WEIGHT_NAMES = "weight_names"
"""In `model.json`: the name of each weight, in the order in which the exported model keeps them."""

_TOKEN_TABLE = "frequent_tokens/table"  # noqa: S105 - no secret
_TOKEN_EMBEDDING = "token_embedding/embeddings"  # noqa: S105 - no secret

_Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class WarmStart:
    """Whether a training starts from earlier weights.

    Attributes:
        note: One sentence for the log and the report.
        source: Digest of the weights that it starts from; empty for a fresh start.
    """

    note: str
    source: str = ""


def warm_start(
    weights: Sequence[tf.Variable],
    base_model: str | None,
    *,
    must_equal: Mapping[str, object],
) -> WarmStart:
    """Gives a fresh network the weights of an exported one.

    All weights or none are taken over, by name and shape. Where the models differ the start is a fresh one and no
    error: new weights are a fine start too, and a retraining at night should not end because somebody has made the
    model wider. The note says what was found.

    One difference is bridged. Which word pieces a transformer knows depends on its training rows, so its table of
    vectors has other rows each time: the vector of each word piece that both models know is taken over.

    Args:
        weights: Those of the network.
        base_model: Folder or URI of the SavedModel, which need not exist; None where there is no model yet.
        must_equal: Facts of `model.json` without which equal names do not mean equal things.

    Returns:
        What was done.
    """
    found = _take_over(weights, base_model, must_equal)
    (_LOGGER.info if found.source else _LOGGER.warning)("Warm start: %s", found.note)
    return found


class _Differs(Exception):  # noqa: N818 - it is no error
    """Why weights cannot be taken over."""


def _take_over(weights: Sequence[tf.Variable], base_model: str | None, must_equal: Mapping[str, object]) -> WarmStart:
    if base_model is None or not tf.io.gfile.exists(posixpath.join(base_model, FACTS_FILE)):
        return WarmStart("fresh weights, since there is no model in production yet")
    try:
        stored = _read(base_model, must_equal)
        wanted = [weight for weight in weights if not weight.name.endswith(f"{_TOKEN_TABLE}:0")]
        values = [_value_for(weight, weights, stored) for weight in wanted]
    except _Differs as difference:
        return WarmStart(f"fresh weights, since {difference}")
    for weight, value in zip(wanted, values, strict=True):
        weight.assign(value)
    digest = hashlib.sha256()
    for value in values:
        digest.update(value.tobytes())
    return WarmStart(f"{len(values)} weights of the model in production", digest.hexdigest())


def _read(base_model: str, must_equal: Mapping[str, object]) -> Mapping[str, _Array]:
    with tf.io.gfile.GFile(posixpath.join(base_model, FACTS_FILE)) as file:
        facts = json.loads(file.read())
    for name, value in must_equal.items():
        if facts.get(name) != value:
            raise _Differs(f"{name} differs: {facts.get(name)} in production, {value} here")
    names = facts.get(WEIGHT_NAMES) or []
    if not names or len(set(names)) < len(names):
        raise _Differs("the model in production was exported without names that tell its weights apart")
    reader = tf.train.load_checkpoint(posixpath.join(base_model, "variables", "variables"))
    return {
        name: reader.get_tensor(f"_weights/{number}/.ATTRIBUTES/VARIABLE_VALUE") for number, name in enumerate(names)
    }


def _value_for(weight: tf.Variable, weights: Sequence[tf.Variable], stored: Mapping[str, _Array]) -> _Array:
    name, shape = weight.name, tuple(weight.shape)
    if name not in stored:
        raise _Differs(f"the model in production has no weight {name} {shape}")
    value = _translate(weights, weight, stored) if name.endswith(f"{_TOKEN_EMBEDDING}:0") else stored[name]
    if value.shape != shape:
        raise _Differs(f"{name} has the shape {stored[name].shape} in production, {shape} here")
    return value


def _translate(weights: Sequence[tf.Variable], embedding: tf.Variable, stored: Mapping[str, _Array]) -> _Array:
    """Moves each word piece's vector from the row that it had to the one that it has now."""
    prefix = embedding.name.removesuffix(f"{_TOKEN_EMBEDDING}:0")
    table_name = f"{prefix}{_TOKEN_TABLE}:0"
    tables = [weight for weight in weights if weight.name == table_name]
    if not tables or table_name not in stored:
        return stored[embedding.name]
    now, before, vectors = tables[0].numpy(), stored[table_name], stored[embedding.name]
    if now.shape != before.shape or vectors.shape[1] != embedding.shape[1]:
        return vectors
    translated: _Array = embedding.numpy()
    # Word pieces that share a vector share that of [UNK]: the most frequent entry of the table, if any is repeated.
    known = _known_alone(now) & _known_alone(before)
    translated[now[known]] = vectors[before[known]]
    for each in np.unique(now[~_known_alone(now)]):
        former = before[now == each]
        translated[each] = vectors[np.bincount(former).argmax()]
    return translated


def _known_alone(table: _Array) -> npt.NDArray[np.bool_]:
    """Whether a word piece has a vector to itself, bool (vocabulary,)."""
    alone: npt.NDArray[np.bool_] = np.bincount(table)[table] == 1
    return alone
