"""ELECTRA: BERT whose small sizes have narrower vectors of word pieces, projected to the width of the layers."""

from __future__ import annotations

from agnews.components.encoders.encoder_family import EncoderFamily

ELECTRA = EncoderFamily(
    model_type="electra",
    class_stem="Electra",
    defaults={"embedding_size": 128},
    renamed=(("embeddings.projection", "embeddings_project"),),
)
"""Clark, Luong, Le, Manning (2020), "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators",
https://arxiv.org/abs/2003.10555. The encoder is that of a discriminator or of a generator."""
