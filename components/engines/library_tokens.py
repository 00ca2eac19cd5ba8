"""Word pieces from Hugging Face's library, where TensorFlow is not installed or not worth its seconds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.engines.optional_package import import_optional
from agnews.components.engines.text_tokens import Tokens
from agnews.components.text.clean_text import clean_text

TOKENIZER_FILE = "tokenizer.json"
"""In the folder of an export, in the form of Hugging Face's `tokenizers`; markup has to be cleaned before it."""
_CLS, _SEP, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
_LONGEST_WORD = 100


class LibraryTokens:
    """Makes the tokens of the graph without the graph.

    `agnews export` compares both on every text that it has before it writes the file.

    Args:
        folder: Of the export, on a local disk.

    Raises:
        AgnewsError: The package is not installed.
        ValueError: The file is damaged.
    """

    def __init__(self, folder: str) -> None:
        tokenizers = _import()
        try:
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(f"{folder}/{TOKENIZER_FILE}")
        except Exception as error:
            # The library raises nothing more precise.
            raise ValueError(f"{TOKENIZER_FILE}: {error}") from error

    def __call__(self, texts: Sequence[bytes] | NDArray[np.object_]) -> Tokens:
        """See `TextTokens`."""
        # Names of special tokens in a text are words: the file knows none that would be looked for.
        rows = [each.ids for each in self._tokenizer.encode_batch_fast([clean_text(text) for text in texts])]
        lengths = np.array([len(row) for row in rows], np.int64)
        mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        token_ids = np.zeros(mask.shape, np.int32)
        token_ids[mask] = [each for row in rows for each in row]
        return Tokens(token_ids, mask)

    def close(self) -> None:
        """See `TextTokens`."""
        self._tokenizer = None


def write_tokenizer(folder: str, tokens: Sequence[str], *, lowercase: bool, max_length: int) -> None:
    """Writes `tokenizer.json`, which programs for Hugging Face's tokenizers read too.

    Args:
        folder: Of the export, on a local disk.
        tokens: The word pieces in the order of their ids.
        lowercase: Drop case and accents, as uncased encoders do.
        max_length: Longest sequence, [CLS] and [SEP] included.

    Raises:
        AgnewsError: The package is not installed.
    """
    tokenizers = _import()
    ids = {token: number for number, token in enumerate(tokens)}
    model = tokenizers.models.WordPiece(ids, unk_token=_UNKNOWN, max_input_chars_per_word=_LONGEST_WORD)
    made = tokenizers.Tokenizer(model)
    made.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=lowercase, lowercase=lowercase
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{_CLS} $A {_SEP}", special_tokens=[(each, ids[each]) for each in (_CLS, _SEP)]
    )
    made.enable_truncation(max_length)
    made.save(f"{folder}/{TOKENIZER_FILE}", pretty=False)


def _import() -> Any:
    # Batches are computed one a core: threads of the library would be on the others' cores.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return import_optional("tokenizers", "What cuts texts into word pieces without TensorFlow")
