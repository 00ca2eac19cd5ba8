"""A pushed toy model for commands that use one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CLASSES = ("World", "Sports", "Business", "Sci/Tech")
KEYWORDS = ("minister|troops", "coach|league", "stocks|profit", "software|scientists")


@pytest.fixture(scope="session")
def pushed_root(push_answers: Callable[[str, Callable[..., Any]], Path]) -> Path:
    """A root with one pushed version, which looks for keywords and is the surer the longer a text is."""
    import tensorflow as tf

    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        lower = tf.strings.lower(text)
        found = [tf.strings.regex_full_match(lower, f"(?s).*({words}).*") for words in KEYWORDS]
        surety = 1.0 + tf.math.log1p(tf.cast(tf.strings.length(text), tf.float32))
        probabilities = tf.nn.softmax(surety[:, None] * tf.cast(tf.stack(found, axis=1), tf.float32))
        class_id = tf.argmax(probabilities, axis=1)
        return {
            "class_id": class_id,
            "label": tf.gather(tf.constant(CLASSES), class_id),
            "probabilities": probabilities,
        }

    return push_answers("pushed", answer)
