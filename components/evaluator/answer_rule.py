"""From probabilities to answers, one class a text or several."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.answer_columns import Answers
from agnews.components.evaluator.tally import answers
from agnews.components.serving_model.chosen_classes import Thresholds, choose_classes, read_thresholds
from agnews.schemas.predictions import NO_CLASS

AnswerRule = Callable[[NDArray[np.float32]], Answers]
"""From probabilities (rows, classes) to answers."""


def read_answer_rule(folder: str) -> AnswerRule:
    """Returns how a model answers.

    Args:
        folder: The SavedModel, local or remote.
    """
    return answer_rule(read_thresholds(folder))


def answer_rule(thresholds: Thresholds | None) -> AnswerRule:
    """Returns how a model with such thresholds answers; None is for one class a text."""
    return answers if thresholds is None else partial(set_answers, thresholds)


def set_answers(thresholds: Thresholds, probabilities: NDArray[np.float32]) -> NDArray[np.int8]:
    """Takes the classes of each row that are likely enough.

    Args:
        thresholds: Of the model, (classes,).
        probabilities: (rows, classes).

    Returns:
        (rows, classes), 1 where a class is given; `NO_CLASS` where the row holds NaN or what is no probability.
    """
    usable = answers(probabilities, one_class=False) != NO_CLASS
    with np.errstate(invalid="ignore"):
        chosen = choose_classes(probabilities, thresholds)
    return np.where(usable[:, np.newaxis], chosen, NO_CLASS).astype(np.int8)
