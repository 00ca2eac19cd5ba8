"""The strongest linear models known for texts, and how two models compare on the same rows; benchmarks share both."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from agnews.components.evaluator.paired_test import paired_test
from agnews.schemas.evaluation import PairedTest


def fit_references(
    texts: Sequence[str], labels: np.ndarray, asked: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, float]]:
    """Trains scikit-learn's support vector machine and ridge on TF-IDF of words 1-2 and characters 3-5.

    Args:
        texts: To learn from.
        labels: Of them.
        asked: Texts to answer.

    Yields:
        Name, answers, and seconds of the processor, those for the features included.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_union
    from sklearn.svm import LinearSVC

    started = time.process_time()
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2),
        TfidfVectorizer(analyzer="char", ngram_range=(3, 5), sublinear_tf=True, min_df=2),
    )
    train, test = features.fit_transform(texts).astype(np.float32), features.transform(asked).astype(np.float32)
    made = time.process_time() - started
    for name, model in (("support vector machine", LinearSVC(C=0.5)), ("ridge", RidgeClassifier())):
        started = time.process_time()
        answers = model.fit(train, labels).predict(test)
        yield name, answers, made + time.process_time() - started


def pair_up(right: np.ndarray, baseline_right: np.ndarray, baseline: str) -> PairedTest:
    """Holds a model against another on the same rows.

    Args:
        right: Whether it is right, (rows,).
        baseline_right: Whether the other one is.
        baseline: What the other one is called.
    """
    return paired_test(
        baseline=baseline,
        rows=len(right),
        both_right=int((right & baseline_right).sum()),
        only_candidate_right=int((right & ~baseline_right).sum()),
        only_baseline_right=int((~right & baseline_right).sum()),
        alpha=0.05,
    )
