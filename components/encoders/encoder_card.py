"""What an encoder's weights alone do not tell, kept beside them."""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass

import tensorflow as tf

from agnews.components.encoders.bert_config import BertConfig
from agnews.components.encoders.hugging_face_checkpoint import CONFIG, TOKENIZER
from agnews.components.encoders.read_word_pieces import VOCABULARY

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
        config = {"architectures": ["BertModel"], "pad_token_id": 0, **self.config.model_dump()}
        tokenizer = {
            "tokenizer_class": "BertTokenizer",
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
