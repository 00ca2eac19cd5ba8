"""The preprocessing that TFX's Transform runs over all rows and that the served model carries.

TFX reloads this module by name: it holds no class and no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.components.text.clean import clean
from agnews.components.text.tokenizer import Tokenizer
from agnews.schemas.features import LABEL, TEXT, TOKEN_IDS


def preprocessing_fn(
    inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]
) -> dict[str, tf.Tensor | tf.SparseTensor]:
    """Turns raw features into what a model learns from.

    Nothing here is learnt from the rows, so Transform needs no pass over them before this one, and a served model
    needs no feature but the text.

    Args:
        inputs: Raw features by name: TEXT string (batch,), LABEL int64 (batch,), or (batch, classes).
        custom_config: `vocabulary`, `lowercase`, `max_length`, as TextConfig describes them, none of them null.

    Returns:
        TOKEN_IDS sparse int64 (batch, max_length at most), LABEL as it was.

    Raises:
        AgnewsError: The vocabulary is missing or damaged.
    """
    tokenizer = Tokenizer(
        find_vocabulary(custom_config["vocabulary"]).vocabulary,
        lowercase=bool(custom_config["lowercase"]),
        max_length=int(custom_config["max_length"]),
    )
    return {TOKEN_IDS: tokenizer(clean(inputs[TEXT])).to_sparse(), LABEL: inputs[LABEL]}
