"""Texts on which a model and a linear model answer differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from agnews.components.feedback.choose_texts import LoggedText
from agnews.components.second_opinion.hashed_words import HashedWords, read_hashed_words


def find_disagreements(logged: Sequence[LoggedText], words: HashedWords) -> dict[str, float]:
    """Asks a linear model about texts that were answered.

    Args:
        logged: The texts. Those that a model with other classes has answered are left out.
        words: The linear model.

    Returns:
        By row, where the answers differ: half the sum of the differences of the probabilities, 0 to 1. It is near 1
        where both are sure.
    """
    classes = np.array(words.classes)
    comparable = [each for each in logged if len(each.probabilities) == len(classes) and each.answer in words.classes]
    if not comparable:
        return {}
    given = np.array([each.probabilities for each in comparable], np.float32)
    answers = np.array([each.answer for each in comparable])
    said = words.probabilities([each.text for each in comparable])
    # A class of the same name in another place is of a version with other classes.
    differ = (classes[given.argmax(axis=1)] == answers) & (said.argmax(axis=1) != given.argmax(axis=1))
    distances = np.abs(given - said).sum(axis=1) / 2
    return {comparable[row].row: float(distances[row]) for row in np.flatnonzero(differ).tolist()}


class SecondOpinion:
    """Asks the linear model of a version, and about each text once."""

    def __init__(self) -> None:
        self._folder = ""
        self._words: HashedWords | None = None
        self._asked: dict[str, float | None] = {}

    def disagreements(self, folder: str, logged: Sequence[LoggedText]) -> Mapping[str, float]:
        """Finds the texts on which it answers differently.

        Args:
            folder: Of the version.
            logged: The texts.

        Returns:
            See `find_disagreements`; empty where the version was pushed without a linear model.
        """
        if folder != self._folder:
            self._words, self._folder, self._asked = read_hashed_words(folder), folder, {}
        if self._words is None:
            return {}
        new = [each for each in logged if each.row not in self._asked]
        found = find_disagreements(new, self._words)
        kept = {each.row: self._asked[each.row] for each in logged if each.row in self._asked}
        self._asked = kept | {each.row: found.get(each.row) for each in new}
        return {row: distance for row, distance in self._asked.items() if distance is not None}
