"""What an encoder's weights alone do not tell, kept beside them."""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from agnews.components.encoders.bert_config import BertConfig, read_bert_config
from agnews.components.encoders.hugging_face_checkpoint import CONFIG
from agnews.components.encoders.saved_encoder import open_saved_encoder
from agnews.components.encoders.tokenizer_description import TOKENIZER, VOCABULARY, read_tokenizer
from agnews.components.text.vocabulary import load_vocabulary

CARD_FOLDER = posixpath.join("assets.extra", "encoder")


@dataclass(frozen=True)
class EncoderCard:
    """Configuration and word pieces of an encoder, in the files of a Hugging Face checkpoint.

    It lies in `assets.extra/encoder` of a SavedModel: of a converted encoder, and of any model that an encoder went
    into, so that the encoder can be taken out again (`agnews encoder export`).

    Attributes:
        config: Sizes and rates.
        tokens: The word pieces in the order of their ids.
        do_lower_case: Whether texts lose case and accents.
    """

    config: BertConfig
    tokens: tuple[str, ...]
    do_lower_case: bool

    def write(self, saved_model: str) -> None:
        """Adds the card to a SavedModel.

        Args:
            saved_model: Its folder, local or remote.
        """
        folder = posixpath.join(saved_model, CARD_FOLDER)
        tf.io.gfile.makedirs(folder)
        for name, content in self.files().items():
            with tf.io.gfile.GFile(posixpath.join(folder, name), "wb") as file:
                file.write(content)

    def files(self) -> dict[str, bytes]:
        """Returns the content of the files by name, as Hugging Face's libraries read them."""
        family = self.config.family
        settings = family.write_settings(self.config.facts())
        config = {"architectures": [f"{family.class_stem}Model"], "pad_token_id": 0, **settings}
        tokenizer = {
            "tokenizer_class": f"{family.class_stem}Tokenizer",
            "do_lower_case": self.do_lower_case,
            "model_max_length": self.config.max_position_embeddings,
        }
        return {
            CONFIG: _to_json(config),
            VOCABULARY: "".join(f"{token}\n" for token in self.tokens).encode(),
            TOKENIZER: _to_json(tokenizer),
        }


def _to_json(content: object) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"


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
        config = read_bert_config(folder / CONFIG)
        text = read_tokenizer(folder, vocab_size=config.vocab_size)
        return EncoderCard(config, text.vocabulary.tokens, text.do_lower_case)
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
