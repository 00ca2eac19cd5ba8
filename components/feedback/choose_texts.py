"""Which texts are worth a label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from agnews.components.corpus_files.text_key import text_key
from agnews.components.feedback.random_share import is_in_random_share
from agnews.components.feedback.resolve_labels import LabelledText

_RANDOM_EVERY = 3


@dataclass(frozen=True)
class QueuedText:
    """A text to label.

    Attributes:
        row: Id of its row in the log.
        text: The text.
        answer: The class that the model answered.
        probability: What it gave that class.
        why: `conflict` (people disagree), `random` (to measure) or `uncertain`.
    """

    row: str
    text: str
    answer: str
    probability: float
    why: str


@dataclass(frozen=True)
class LoggedText:
    """A row of the log, as far as it matters here.

    Attributes:
        row: Its id.
        text: The text.
        answer: The class that was answered.
        probabilities: Of all classes.
    """

    row: str
    text: str
    answer: str
    probabilities: Sequence[float]

    @property
    def margin(self) -> float:
        """Distance between the two highest probabilities: small where the model is torn."""
        first, second = (*sorted(self.probabilities, reverse=True)[:2], 0.0)[:2]
        return first - second


def choose_texts(
    logged: Sequence[LoggedText], labelled: Sequence[LabelledText], *, by: str = "", number: int = 100
) -> list[QueuedText]:
    """Chooses the texts that a label would help most.

    First those that people disagree about. Then every third is of the random share, on which accuracy is measured
    without bias, and the others are those between whose two best classes the model is most torn.

    Args:
        logged: Texts that were answered, oldest first.
        labelled: What was said already.
        by: Who asks: nobody is asked twice; empty passes over all that anybody has labelled.
        number: The most to choose.

    Returns:
        The texts, each once, the most useful first.
    """
    known: Mapping[int, LabelledText] = {each.key: each for each in labelled}
    newest = {text_key(each.text): each for each in logged if each.text.strip()}
    conflicts, random, uncertain = [], [], []
    for key, each in newest.items():
        said = known.get(key)
        if said is not None and (not by or any(label.by == by for label in said.said) or said.label is not None):
            continue
        if said is not None:
            conflicts.append(each)
        elif is_in_random_share(each.row):
            random.append(each)
        else:
            uncertain.append(each)
    uncertain.sort(key=lambda each: each.margin)
    mixed = chain((_queued(each, "conflict") for each in conflicts), _interleave(random, uncertain))
    return list(islice(mixed, number))


def _interleave(random: Sequence[LoggedText], uncertain: Sequence[LoggedText]) -> Iterator[QueuedText]:
    first, second = iter(random), iter(uncertain)
    for place in range(len(random) + len(uncertain)):
        order = (
            ((first, "random"), (second, "uncertain"))
            if place % _RANDOM_EVERY == 0
            else (
                (second, "uncertain"),
                (first, "random"),
            )
        )
        for source, why in order:
            each = next(source, None)
            if each is not None:
                yield _queued(each, why)
                break


def _queued(each: LoggedText, why: str) -> QueuedText:
    return QueuedText(each.row, each.text, each.answer, max(each.probabilities, default=0.0), why)
