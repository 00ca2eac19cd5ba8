"""A network with what its training has to know about it."""

from __future__ import annotations

from dataclasses import dataclass

import tf_keras as keras


@dataclass(frozen=True)
class Classifier:
    """A model as the factory hands it out, whatever its kind.

    Attributes:
        network: Takes `{token_ids: int32 (batch, length), padding_mask: bool (batch, length)}` and returns logits
            float32 (batch, num_classes). Its weights exist.
        without_decay: Regular expressions; weights whose names one of them is found in are not decayed.
    """

    network: keras.Model
    without_decay: tuple[str, ...]
