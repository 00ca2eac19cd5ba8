"""From the model's part of the configuration to a model: the one place that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from agnews.components.encoders.resolve_encoder import Encoder
from agnews.components.modeling.bert_classifier import BertClassifier, ClassifierHead
from agnews.components.modeling.classifier import Classifier
from agnews.components.modeling.pooled_encoder import PooledEncoder
from agnews.components.modeling.transformer_classifier import TransformerClassifier
from agnews.components.optimization.adamw import create_adamw, create_model_garden_adamw
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS
from agnews.schemas.learning_config import (
    BertFinetuneConfig,
    BertFrozenConfig,
    EnsembleConfig,
    LinearConfig,
    ModelConfig,
    TransformerConfig,
)

# Decay pulls a weight to zero, which means something for matrices; for offsets, gains and places it does not. A
# table of pairs starts at zero, and dropout keeps it small.
_WITHOUT_DECAY = ("bias", "gamma", "beta", "position_embedding", "pair_table")
_CREATE_ADAMW = partial(create_adamw, weight_decays=dict.fromkeys(_WITHOUT_DECAY, 0.0))


def build_model(
    config: ModelConfig,
    *,
    token_counts: npt.NDArray[np.int64],
    unknown_id: int,
    special_ids: Sequence[int],
    max_length: int,
    num_classes: int,
    encoder: Encoder | None = None,
    seed: int = 0,
) -> Classifier:
    """Builds the model that a configuration asks for, with fresh weights.

    Weights are drawn with TensorFlow's global seed: set it before for the same weights again.

    Args:
        config: The section `model` of a run's configuration.
        token_counts: How often each word piece of the vocabulary occurs in the training rows, (vocabulary_size,).
        unknown_id: Id of [UNK].
        special_ids: Ids of [PAD], [CLS] and [SEP].
        max_length: Longest sequence in word pieces.
        num_classes: Classes to tell apart.
        encoder: The encoder that the section names, for a model that has one.
        seed: Of what is dropped in training.

    Returns:
        The model.
    """
    if isinstance(config, TransformerConfig):
        classifier = _transformer(
            config,
            token_counts=token_counts,
            unknown_id=unknown_id,
            special_ids=special_ids,
            max_length=max_length,
            num_classes=num_classes,
            seed=seed,
        )
    elif isinstance(config, LinearConfig):
        raise TypeError("a linear model is solved for, by fit_linear, and not built")
    elif isinstance(config, EnsembleConfig):
        raise TypeError("an ensemble is joined from trained members, by join_classifiers, and not built")
    elif encoder is None:
        raise ValueError(f"the model {config.kind} needs its encoder")
    elif isinstance(config, BertFrozenConfig):
        classifier = _bert_frozen(config, encoder, num_classes, seed)
    else:
        classifier = _bert_finetune(config, encoder, num_classes, seed)
    example = tf.fill((1, 2), unknown_id)
    inputs = {TOKEN_IDS: example, PADDING_MASK: tf.ones_like(example, tf.bool)}
    # As a replica: what a SavedModel brings along runs in no other place where there are several.
    tf.distribute.get_strategy().run(classifier.network, (inputs,))
    return classifier


def _transformer(
    config: TransformerConfig,
    *,
    token_counts: npt.NDArray[np.int64],
    unknown_id: int,
    special_ids: Sequence[int],
    max_length: int,
    num_classes: int,
    seed: int,
) -> Classifier:
    config.require_room(num_classes)
    network = TransformerClassifier(
        token_table=_number_frequent(token_counts, config.min_token_count, unknown_id, special_ids),
        max_length=max_length,
        num_classes=num_classes,
        unknown_id=unknown_id,
        special_ids=special_ids,
        hidden_dim=config.hidden_dim,
        num_heads=config.num_heads,
        key_dim=config.key_dim or max(1, config.hidden_dim // config.num_heads),
        num_layers=config.num_layers,
        intermediate_dim=config.intermediate_dim,
        head_dim=config.head_dim,
        dropout=config.dropout,
        word_dropout=config.word_dropout,
        bigram_buckets=config.bigram_buckets,
        bigram_dropout=config.bigram_dropout,
        seed=seed,
        name="transformer",
    )
    return Classifier(network, _CREATE_ADAMW)


def _bert_frozen(config: BertFrozenConfig, encoder: Encoder, num_classes: int, seed: int) -> Classifier:
    backbone = PooledEncoder(str(encoder.folder), pooling=config.pooling, trainable=False, name="backbone")
    head = ClassifierHead(
        num_classes=num_classes, head_dim=config.head_dim, dropout=config.dropout, seed=seed, name="head"
    )
    network = BertClassifier(backbone, head, seed=seed, name=config.kind)
    return Classifier(network, _CREATE_ADAMW, head=head, backbone=backbone)


def _bert_finetune(config: BertFinetuneConfig, encoder: Encoder, num_classes: int, seed: int) -> Classifier:
    backbone = PooledEncoder(
        str(encoder.folder),
        pooling=config.pooling,
        trainable=True,
        frozen_layers=config.frozen_layers,
        takes_dropout_seed=getattr(encoder, "takes_dropout_seed", False),
        name="backbone",
    )
    head = ClassifierHead(num_classes=num_classes, dropout=config.dropout, name="head")
    return Classifier(BertClassifier(backbone, head, seed=seed, name=config.kind), create_model_garden_adamw)


def _number_frequent(
    counts: npt.NDArray[np.int64], least: int, unknown_id: int, special_ids: Sequence[int]
) -> list[int]:
    frequent = counts >= least
    frequent[[unknown_id, *special_ids]] = True
    numbers = np.cumsum(frequent) - 1
    table: list[int] = np.where(frequent, numbers, numbers[unknown_id]).tolist()
    return table
