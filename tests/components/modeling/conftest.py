"""Fixtures of the model's tests: a toy batch and a toy model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.modeling.transformer_classifier import TransformerClassifier

PAD, UNKNOWN, CLS, SEP = 0, 1, 2, 3


@pytest.fixture
def mask() -> tf.Tensor:
    """(3, 5) bool: one whole row, two with padding."""
    return tf.sequence_mask([5, 3, 2], 5)


@pytest.fixture
def hidden() -> tf.Tensor:
    """(3, 5, 8) float32."""
    return tf.constant(np.random.default_rng(0).normal(size=(3, 5, 8)), tf.float32)


@pytest.fixture
def make_classifier() -> Callable[..., TransformerClassifier]:
    """Makes a toy model; keyword arguments replace its settings."""

    def make(**settings: object) -> TransformerClassifier:
        toy = {
            "token_table": range(30),
            "max_length": 12,
            "num_classes": 4,
            "unknown_id": UNKNOWN,
            "special_ids": (PAD, CLS, SEP),
            "hidden_dim": 8,
            "num_heads": 2,
            "key_dim": 4,
            "num_layers": 2,
            "intermediate_dim": 16,
            "head_dim": 6,
            "dropout": 0.0,
            "word_dropout": 0.0,
            "bigram_buckets": 100,
            "bigram_dropout": 0.0,
        }
        tf.random.set_seed(1)
        return TransformerClassifier(**{**toy, **settings})

    return make
