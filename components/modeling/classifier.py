"""A network with what its training has to know about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import tf_keras as keras


@dataclass(frozen=True)
class Classifier:
    """A model as the factory hands it out, whatever its kind.

    Attributes:
        network: Takes `{token_ids: int32 (batch, length), padding_mask: bool (batch, length)}` and returns logits
            float32 (batch, num_classes); while training it may return those of several branches, each to be trained
            by a loss of its own, (batch, branches, num_classes). Its weights exist.
        weight_decays: Regular expressions and the weight decay of the weights whose names they are found in, the
            first one that fits; all other weights take the decay of the training.
    """

    network: keras.Model
    weight_decays: Mapping[str, float]
