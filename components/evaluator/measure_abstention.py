"""A threshold fitted on the eval split, and what it does on the test split."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.fit_abstention import fit_threshold
from agnews.components.evaluator.predict_split import Predict
from agnews.components.evaluator.raw_rows import Rows
from agnews.components.evaluator.scored import Scored
from agnews.components.evaluator.tally import answers
from agnews.schemas.abstention import Abstention


def measure_abstention(
    eval_rows: Iterable[Rows], predict: Predict, *, test: Iterable[Scored], wanted: float
) -> Abstention:
    """Fits and measures.

    Args:
        eval_rows: What the threshold is fitted on; the model has not learnt from these rows.
        predict: The model.
        test: Its answers to the test rows.
        wanted: Share of right answers.

    Returns:
        The threshold, with the share of the test rows that are answered and the share of right answers among them.
    """
    confidence: list[NDArray[np.float64]] = []
    right: list[NDArray[np.bool_]] = []
    for rows in eval_rows:
        probabilities = predict(rows.text)
        right.append(answers(probabilities) == rows.label)
        confidence.append(np.nan_to_num(probabilities.max(axis=1)).astype(np.float64))
    threshold = fit_threshold(np.concatenate(confidence), np.concatenate(right), wanted) if confidence else None
    answered = hits = count = 0
    for chunk in test:
        count += len(chunk.label)
        if threshold is not None:
            given = chunk.probabilities.max(axis=1) >= threshold
            answered += int(given.sum())
            hits += int((given & (chunk.answer == chunk.label)).sum())
    return Abstention(
        wanted=wanted,
        threshold=threshold,
        eval_rows=sum(map(len, right)),
        coverage=answered / max(count, 1),
        precision=hits / answered if answered else None,
    )
