"""Which weight of a Hugging Face checkpoint is which variable of TensorFlow's BertEncoder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from agnews.components.encoders.bert_config import BertConfig

Weights = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BertTensor:
    """One weight under its two names.

    Attributes:
        name: In a Hugging Face checkpoint of the encoder's family, without the prefix `bert.`.
        variable: In `official.nlp.modeling.networks.BertEncoder`, and in every SavedModel made of one.
        shape: In the checkpoint.
        variable_shape: In the encoder, where heads have an axis of their own.
    """

    name: str
    variable: str
    shape: tuple[int, ...]
    variable_shape: tuple[int, ...]

    @property
    def _is_kernel(self) -> bool:
        # PyTorch multiplies by the transposed kernel; embedding tables are the same on both sides.
        return self.variable.endswith("/kernel")

    def to_variable(self, weights: Weights) -> Weights:
        """Turns the checkpoint's values into the encoder's."""
        return (weights.T if self._is_kernel else weights).reshape(self.variable_shape)

    def from_variable(self, values: Weights) -> Weights:
        """Turns the encoder's values into the checkpoint's."""
        return values.reshape(self.shape[::-1]).T if self._is_kernel else values.reshape(self.shape)


def bert_tensors(config: BertConfig) -> tuple[BertTensor, ...]:
    """Lists every weight of an encoder.

    Args:
        config: Its sizes.

    Returns:
        The weights in the order of the checkpoint's layers, embeddings first, the pooler last.
    """
    width, embedded = config.hidden_size, config.embedding_width
    tables = {
        "word_embeddings": ("word_embeddings", config.vocab_size),
        "position_embeddings": ("position_embedding", config.max_position_embeddings),
        "token_type_embeddings": ("type_embeddings", config.type_vocab_size),
    }
    tensors = [
        BertTensor(f"embeddings.{name}.weight", f"{variable}/embeddings", (rows, embedded), (rows, embedded))
        for name, (variable, rows) in tables.items()
        if rows
    ]
    tensors += _normalisation("embeddings.LayerNorm", "embeddings/layer_norm", embedded)
    if config.projects_embeddings:
        tensors += _dense("embeddings.projection", "embedding_projection", (embedded, width))
    for number in range(config.num_hidden_layers):
        tensors += _layer(config, f"encoder.layer.{number}", f"transformer/layer_{number}")
    tensors += _dense("pooler.dense", "pooler_transform", (width, width))
    return tuple(replace(tensor, name=config.family.stored_name(tensor.name)) for tensor in tensors)


def _layer(config: BertConfig, name: str, variable: str) -> list[BertTensor]:
    width, inner, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    split = (heads, width // heads)
    tensors: list[BertTensor] = []
    for part in ("query", "key", "value"):
        tensors += _dense(
            f"{name}.attention.self.{part}",
            f"{variable}/self_attention/{part}",
            (width, width),
            kernel=(width, *split),
            bias=split,
        )
    merge = f"{variable}/self_attention/attention_output"
    tensors += _dense(f"{name}.attention.output.dense", merge, (width, width), kernel=(*split, width))
    tensors += _normalisation(f"{name}.attention.output.LayerNorm", f"{variable}/self_attention_layer_norm", width)
    tensors += _dense(f"{name}.intermediate.dense", f"{variable}/intermediate", (width, inner))
    tensors += _dense(f"{name}.output.dense", f"{variable}/output", (inner, width))
    return tensors + _normalisation(f"{name}.output.LayerNorm", f"{variable}/output_layer_norm", width)


def _dense(
    name: str,
    variable: str,
    sizes: tuple[int, int],
    *,
    kernel: tuple[int, ...] | None = None,
    bias: tuple[int, ...] | None = None,
) -> list[BertTensor]:
    """`sizes` are input and output of the layer; `kernel` and `bias` the encoder's shapes where they differ."""
    return [
        BertTensor(f"{name}.weight", f"{variable}/kernel", sizes[::-1], kernel or sizes),
        BertTensor(f"{name}.bias", f"{variable}/bias", sizes[1:], bias or sizes[1:]),
    ]


def _normalisation(name: str, variable: str, width: int) -> list[BertTensor]:
    return [
        BertTensor(f"{name}.weight", f"{variable}/gamma", (width,), (width,)),
        BertTensor(f"{name}.bias", f"{variable}/beta", (width,), (width,)),
    ]
