from __future__ import annotations

import math

import pytest

from agnews.components.encoders.bert_config import BertConfig
from agnews.components.encoders.bert_tensors import bert_tensors


def sizes(layers: int, width: int, heads: int) -> BertConfig:
    return BertConfig(
        vocab_size=30_522,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=512,
    )


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        # TF Hub's small_bert/bert_en_uncased_L-4_H-128_A-2; Keras counts the flag `do_lower_case` too: 4,782,465.
        (sizes(4, 128, 2), 4_782_464),
        # bert-base-uncased; with 4 classes on top 109,485,316.
        (sizes(12, 768, 12), 109_485_316 - (4 * 768 + 4)),
    ],
)
def test_published_encoders_have_the_published_parameter_counts(config: BertConfig, parameters: int) -> None:
    assert sum(math.prod(tensor.shape) for tensor in bert_tensors(config)) == parameters
    assert sum(math.prod(tensor.variable_shape) for tensor in bert_tensors(config)) == parameters
