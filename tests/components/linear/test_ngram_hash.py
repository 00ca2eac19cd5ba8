"""N-grams against scikit-learn's, of the same spelling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from agnews.components.linear.count_ngrams import choose_columns, count_ngrams, weigh_ngrams
from agnews.components.linear.ngram_hash import NgramHash

Cut = Callable[[Sequence[str]], tuple[NDArray[np.int32], NDArray[np.int64]]]
HashOf = Callable[..., NgramHash]


def occurrences(ngrams: NgramHash, rows: list[list[int]]) -> list[list[list[int]]]:
    """Buckets by family and row."""
    ids = tf.ragged.constant(rows, tf.int32).to_tensor()
    return [
        [sorted(found.bucket.numpy()[found.row.numpy() == row].tolist()) for row in range(len(rows))]
        for found in ngrams.find(ngrams.spell(ids))
    ]


def spelled(texts: Sequence[str]) -> list[str]:
    return [f" {text} " if text else " " for text in texts]


@pytest.mark.parametrize(
    ("family", "settings", "reference"),
    [
        (0, {"words": 3}, CountVectorizer(ngram_range=(1, 3), token_pattern=r"\S+")),
        (1, {"characters": (1, 3)}, CountVectorizer(analyzer="char", ngram_range=(1, 3))),
        (1, {"characters": (2, 5)}, CountVectorizer(analyzer="char", ngram_range=(2, 5))),
    ],
    ids=["words", "characters", "long"],
)
def test_each_ngram_has_a_bucket_of_its_own_and_counts_as_scikit_learn_counts(
    family: int, settings: dict[str, object], reference: CountVectorizer, texts: list[str], cut: Cut, hash_of: HashOf
) -> None:
    counts = count_ngrams(hash_of(**settings), *cut(texts))[family]  # type: ignore[arg-type]
    expected = reference.fit_transform(spelled(texts)).tocsr()

    assert len(np.unique(counts.bucket)) == expected.shape[1]
    for row in range(len(texts)):
        ours = counts.count[counts.row_splits[row] : counts.row_splits[row + 1]]
        theirs = expected.data[expected.indptr[row] : expected.indptr[row + 1]]
        assert sorted(ours) == sorted(theirs)
    frequency = np.bincount(counts.bucket)
    assert sorted(frequency[frequency > 0]) == sorted(np.diff(expected.tocsc().indptr))


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_texts_weigh_what_scikit_learns_tf_idf_says(texts: list[str], cut: Cut, hash_of: HashOf, power: float) -> None:
    """Angles between texts: the columns have another order."""
    shared = {"sublinear_tf": True, "min_df": 2}
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", **shared).fit(spelled(texts))
    characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **shared).fit(spelled(texts))
    expected = np.zeros((len(texts), len(texts)))
    for vectorizer in (words, characters):
        vectorizer.idf_ = vectorizer.idf_**power
        weights = vectorizer.transform(spelled(texts))
        expected += (weights @ weights.T).toarray()
    counts = count_ngrams(hash_of(), *cut(texts))

    ours = weigh_ngrams(counts, choose_columns(counts, buckets=2**22, min_count=2, rarity_power=power))

    np.testing.assert_allclose((ours @ ours.T).toarray(), expected, atol=1e-5)


def test_how_a_word_is_cut_makes_no_difference(hash_of: HashOf, tokens: tuple[str, ...]) -> None:
    ngrams = hash_of()
    piece = {token: number for number, token in enumerate(tokens)}
    whole = [2, piece["cab"], piece["bad"], 3]
    cut = [2, piece["c"], piece["##ab"], piece["b"], piece["##a"], piece["##d"], 3]

    first, second = occurrences(ngrams, [whole, cut]), occurrences(ngrams, [cut])

    for of_both, of_one in zip(first, second, strict=True):
        assert of_both[0] == of_both[1] == of_one[0]


def test_neighbours_in_a_batch_do_not_touch(hash_of: HashOf) -> None:
    ngrams = hash_of(words=3, characters=(1, 5))
    rows = [[2, 4, 5, 3], [2, 3], [2, 6, 3], [2, 1, 3], [3], []]

    together = occurrences(ngrams, rows)

    for number, row in enumerate(rows[:-1]):
        for family, alone in zip(together, occurrences(ngrams, [row]), strict=True):
            assert family[number] == alone[0]
    assert all(family[-1] == [] for family in together)


def test_an_unknown_word_is_one_word_of_one_odd_character(hash_of: HashOf) -> None:
    words, characters = occurrences(hash_of(characters=(1, 1)), [[2, 1, 3], [2, 1, 1, 3]])

    assert (len(words[0]), len(words[1])) == (1, 3)
    assert (len(characters[0]), len(characters[1])) == (3, 5)
