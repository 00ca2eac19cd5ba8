"""A pre-trained encoder that is ready to be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Encoder:
    """Where an encoder is, and what has to be known before it is loaded.

    `folder` holds a SavedModel for `hub.KerasLayer(folder, trainable=...)`. It takes the dict `input_word_ids`,
    `input_mask` (1 on tokens, 0 on padding) and `input_type_ids`, each int32 (batch, length), and returns the dict

    - `sequence_output`: float32 (batch, length, hidden_dim), the last layer;
    - `encoder_outputs`: a list of such tensors, one a layer;
    - `pooled_output` and `default`: float32 (batch, hidden_dim), made of the first token.

    Attributes:
        source: What it was asked for by.
        folder: Local folder of the SavedModel.
        vocabulary_file: Its vocab.txt.
        vocabulary_digest: `Vocabulary.digest` of that file: the tokeniser's must be the same.
        do_lower_case: Whether texts lose case and accents before they are cut into word pieces.
        hidden_dim: Width of the outputs.
        num_layers: Transformer blocks.
        max_length: Longest sequence in word pieces.
        parameters: Weights that can be trained, counted one by one.
        has_pooler: False where the checkpoint came without the layer behind `pooled_output`. That is then the
            hyperbolic tangent of the first token's vector, and knows nothing; pool by the mean instead.
        takes_dropout_seed: Whether, in training, the dict of inputs may hold `dropout_seed`, int64 (2,), opaque: the
            same one drops the same values. Encoders of TF Hub draw from a generator of their own.
        digest: Changes whenever an output may change: sha256, lower-case hexadecimal.
    """

    source: str
    folder: Path
    vocabulary_file: Path
    vocabulary_digest: str
    do_lower_case: bool
    hidden_dim: int
    num_layers: int
    max_length: int
    parameters: int
    has_pooler: bool
    takes_dropout_seed: bool
    digest: str
