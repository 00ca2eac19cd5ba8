"""The word pieces of a Hugging Face checkpoint, in the old file or in the new one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from agnews.components.text.vocabulary import Vocabulary, load_vocabulary
from agnews.schemas.errors import AgnewsError

VOCABULARY = "vocab.txt"
FAST_TOKENIZER = "tokenizer.json"
"""All that transformers writes of a tokeniser since its version 5."""


def read_word_pieces(folder: Path) -> Vocabulary:
    """Reads and checks the vocabulary of a checkpoint.

    Args:
        folder: Holds vocab.txt, or else tokenizer.json.

    Returns:
        The vocabulary.

    Raises:
        AgnewsError: There is neither file, it is not one of BERT's word pieces, or it is damaged.
    """
    if (folder / VOCABULARY).is_file():
        return load_vocabulary(str(folder / VOCABULARY))
    path = folder / FAST_TOKENIZER
    if not path.is_file():
        raise AgnewsError(
            f"{folder} is not a whole Hugging Face checkpoint.",
            found=f"no {VOCABULARY} and no {FAST_TOKENIZER}",
            fix="Copy one of them there, or fetch the checkpoint again: `agnews encoder fetch ID`.",
        )
    try:
        tokens = _tokens(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AgnewsError(
            f"{path} holds no word pieces of BERT.", found=repr(error), fix=f"Copy the checkpoint's {VOCABULARY} there."
        ) from error
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, VOCABULARY)
        copy.write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8", newline="")
        return Vocabulary(str(path), load_vocabulary(str(copy)).tokens)


def _tokens(content: dict[str, dict[str, object]]) -> list[str]:
    model = content["model"]
    ids = model["vocab"]
    if (
        model["type"] != "WordPiece"
        or model.get("continuing_subword_prefix", "##") != "##"
        or not isinstance(ids, dict)
    ):
        raise ValueError(f"model {model['type']}, prefix {model.get('continuing_subword_prefix')}")
    tokens = sorted(ids, key=ids.__getitem__)
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError("ids that are not 0, 1, 2, ...")
    return tokens
