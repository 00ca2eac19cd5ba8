"""Reads the card of an encoder, or makes one out of what its SavedModel shows."""

from __future__ import annotations

from pathlib import Path

from agnews.components.encoders.bert_config import BertConfig, read_bert_config
from agnews.components.encoders.encoder_card import CARD_FOLDER, EncoderCard
from agnews.components.encoders.hugging_face_checkpoint import CONFIG, read_lower_case
from agnews.components.encoders.read_word_pieces import read_word_pieces
from agnews.components.encoders.saved_encoder import open_saved_encoder
from agnews.components.text.vocabulary import load_vocabulary


def read_encoder_card(saved_model: Path) -> EncoderCard:
    """Reads or makes the card of an encoder.

    Args:
        saved_model: Folder of an encoder, or of a model that carries the card of one.

    Returns:
        The card. Where a SavedModel of somebody else has none, sizes come from the shapes of its variables, while
        rates of dropout, which nothing shows, are those of BERT.

    Raises:
        AgnewsError: There is no card, and it is no encoder either.
    """
    folder = saved_model / CARD_FOLDER
    if (folder / CONFIG).is_file():
        vocabulary = read_word_pieces(folder)
        lower_case = read_lower_case(folder, vocabulary)
        return EncoderCard(read_bert_config(folder / CONFIG), vocabulary.tokens, lower_case)
    saved = open_saved_encoder(saved_model)
    config = BertConfig(
        vocab_size=saved.vocabulary_size,
        hidden_size=saved.hidden_dim,
        num_hidden_layers=saved.num_layers,
        num_attention_heads=saved.shapes["transformer/layer_0/self_attention/query/bias"][0],
        intermediate_size=saved.shapes["transformer/layer_0/intermediate/bias"][0],
        max_position_embeddings=saved.max_length,
        type_vocab_size=saved.shapes["type_embeddings/embeddings"][0],
        hidden_act="gelu" if saved.is_exact else "gelu_new",
    )
    return EncoderCard(config, load_vocabulary(str(saved.vocabulary_file)).tokens, saved.do_lower_case)
