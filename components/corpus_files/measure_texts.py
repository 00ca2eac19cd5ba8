"""What is asked of every text of a corpus, found in one look at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agnews.components.corpus_files.text_key import digest_normal, without_markup


class TextMeasures(NamedTuple):
    """Of n texts.

    Attributes:
        keys: As `text_key` digests them, uint64 (n,).
        words: Words between white space, int32 (n,).
        characters: Characters, int32 (n,).
        markup: Whether a text holds remnants of markup, as `has_markup` tells, bool (n,).
    """

    keys: npt.NDArray[np.uint64]
    words: npt.NDArray[np.int32]
    characters: npt.NDArray[np.int32]
    markup: npt.NDArray[np.bool_]


def measure_texts(texts: Sequence[str]) -> TextMeasures:
    """Measures texts.

    Args:
        texts: As they stand in the file.
    """
    digests: list[bytes] = []
    words: list[int] = []
    markup: list[bool] = []
    for text in texts:
        bare = without_markup(text)
        has_markup = bare != text
        normal = bare.casefold().split()
        digests.append(digest_normal(" ".join(normal)))
        # Folding case makes no white space and takes none away.
        words.append(len(text.split()) if has_markup else len(normal))
        markup.append(has_markup)
    n = len(texts)
    return TextMeasures(
        np.frombuffer(b"".join(digests), "<u8").astype(np.uint64),
        np.array(words, np.int32),
        np.fromiter(map(len, texts), np.int32, n),
        np.array(markup, np.bool_),
    )
