"""What a linear model of hashed words says about texts: neither TensorFlow nor a vocabulary is needed for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special

from agnews.components.drift.measure_texts import NUM_BUCKETS, Alphabet, measure_texts
from agnews.components.storage.files_at import files_at
from agnews.schemas.linear_reference import LINEAR_FILE, LinearReference

_AT_ONCE = 1024


class HashedWords:
    """A linear model of words and pairs of words.

    Args:
        reference: What it has learnt.

    Attributes:
        classes: Names of its classes, in their order.
    """

    def __init__(self, reference: LinearReference) -> None:
        self.classes = reference.classes
        self._weights = reference.weights() * np.float32(reference.sharpness)
        self._bias = np.array(reference.bias, np.float32) * np.float32(reference.sharpness)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Answers texts.

        Args:
            texts: Any number.

        Returns:
            float32 (texts, classes).
        """
        found = [np.zeros((0, len(self.classes)), np.float32)]
        for first in range(0, len(texts), _AT_ONCE):
            block = [text.encode(errors="replace") for text in texts[first : first + _AT_ONCE]]
            measured = measure_texts(block, Alphabet(""))
            scores = weigh_grams(measured.grams, measured.gram_ends) @ self._weights + self._bias
            found.append(special.softmax(scores, axis=1))
        return np.concatenate(found)


def weigh_grams(grams: NDArray[np.uint16], ends: NDArray[np.int64]) -> sparse.csr_matrix:
    """Weighs words and pairs of words: 1 + ln of how often they stand in a text, a text scaled to length 1.

    Args:
        grams: Buckets of all texts, one text behind the other.
        ends: Where in `grams` each text ends, (texts,).

    Returns:
        float32 (texts, buckets).
    """
    splits = np.concatenate([np.zeros(1, np.int64), ends])
    ones = np.ones(len(grams), np.float32)
    matrix = sparse.csr_matrix((ones, grams.astype(np.int32), splits), shape=(len(ends), NUM_BUCKETS))
    matrix.sum_duplicates()
    matrix.data = 1 + np.log(matrix.data)
    owners = np.repeat(np.arange(len(ends)), np.diff(matrix.indptr))
    squares = np.bincount(owners, matrix.data * matrix.data, minlength=len(ends))
    matrix.data /= np.sqrt(np.maximum(squares, 1e-12)).astype(np.float32)[owners]
    return matrix


def read_hashed_words(folder: str) -> HashedWords | None:
    """Reads the linear model that was pushed with a version.

    Args:
        folder: Of the version.

    Returns:
        The model; None where the version was pushed without one.

    Raises:
        AgnewsError: It is of a later form.
    """
    path = f"{folder}/{LINEAR_FILE}"
    files = files_at(path)
    if not files.exists(path):
        return None
    return HashedWords(LinearReference.model_validate_json(files.read_bytes(path)))
