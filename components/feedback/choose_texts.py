"""Which texts are worth a label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, cycle, islice

from agnews.components.corpus_files.text_key import text_key
from agnews.components.feedback.random_share import is_in_random_share
from agnews.components.feedback.resolve_labels import LabelledText
from agnews.components.feedback.training_rows import training_row
from agnews.schemas.linear_check import DoubtfulLabel

CONFLICT, RANDOM, UNCERTAIN, DISAGREEMENT, TRAINING = "conflict", "random", "uncertain", "disagreement", "training"


@dataclass(frozen=True)
class QueuedText:
    """A text to label.

    Attributes:
        row: Id of its row in the log; of a training row, see `training_row`.
        text: The text.
        answer: The class that the model answered; of a training row, that which a linear model gives it that has learnt
            from others.
        probability: What it gave that class.
        why: `conflict` (people disagree), `random` (to measure), `uncertain`, `disagreement` (of the model and a linear
            model) or `training` (a training row whose label is in doubt).
        label: The label that a training row has; empty for all others.
    """

    row: str
    text: str
    answer: str
    probability: float
    why: str
    label: str = ""


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
    logged: Sequence[LoggedText],
    labelled: Sequence[LabelledText],
    *,
    by: str = "",
    number: int = 100,
    disagreements: Mapping[str, float] | None = None,
    training: Sequence[DoubtfulLabel] = (),
) -> list[QueuedText]:
    """Chooses the texts that a label would help most.

    First those that people disagree about. Then in turns: one of the random share, on which accuracy is measured
    without bias; one between whose two best classes the model is most torn; one on which the model and a linear model
    are furthest apart; and, where somebody has sent any, one of the training rows whose labels are most in doubt.

    Args:
        logged: Texts that were answered, oldest first.
        labelled: What was said already.
        by: Who asks: nobody is asked twice. Empty for whoever it may be, who may have labelled nothing yet.
        number: The most to choose.
        disagreements: How far the model and a linear model are apart, by row, where they answer differently.
        training: Training rows to look at, the most doubtful first.

    Returns:
        The texts, each once, the most useful first.
    """
    known: Mapping[int, LabelledText] = {each.key: each for each in labelled}
    newest = {text_key(each.text): each for each in logged if each.text.strip()}
    doubtful = {text_key(each.text): _doubted(each) for each in training}
    conflicts: list[QueuedText] = []
    sources: dict[str, list[QueuedText]] = {RANDOM: [], UNCERTAIN: [], TRAINING: []}
    for key, each in newest.items():
        if key in doubtful and not is_in_random_share(each.row):
            continue
        doubtful.pop(key, None)
        if not _is_settled(known.get(key), by):
            found = sources[RANDOM] if is_in_random_share(each.row) else sources[UNCERTAIN]
            (conflicts if key in known else found).append(_queued(each))
    for key, row in doubtful.items():
        if not _is_settled(known.get(key), by):
            (conflicts if key in known else sources[TRAINING]).append(row)
    apart = disagreements or {}
    sources[DISAGREEMENT] = sorted(
        (each for each in sources[UNCERTAIN] if each.row in apart), key=lambda each: apart[each.row], reverse=True
    )
    margins = {each.row: each.margin for each in newest.values()}
    sources[UNCERTAIN].sort(key=lambda each: margins[each.row])
    mixed = chain((replace(each, why=CONFLICT) for each in conflicts), _in_turns(sources))
    return list(islice(mixed, number))


def _is_settled(said: LabelledText | None, by: str) -> bool:
    """Whether there is nothing to ask about: all agree, or who asks has said what there is to say."""
    return said is not None and (said.label is not None or any(label.by == by for label in said.said))


def _in_turns(sources: Mapping[str, Sequence[QueuedText]]) -> Iterator[QueuedText]:
    """Takes one of each; whose turn it is and who has none gives it away."""
    waiting = {why: iter(texts) for why, texts in sources.items()}
    turns = [RANDOM, UNCERTAIN, DISAGREEMENT, *([TRAINING] if sources[TRAINING] else [])]
    taken: set[str] = set()
    for turn in cycle(turns):
        for why in dict.fromkeys((turn, UNCERTAIN, DISAGREEMENT, TRAINING, RANDOM)):
            each = next((each for each in waiting[why] if each.row not in taken), None)
            if each is not None:
                taken.add(each.row)
                yield replace(each, why=why)
                break
        else:
            return


def _queued(each: LoggedText) -> QueuedText:
    return QueuedText(each.row, each.text, each.answer, max(each.probabilities, default=0.0), "")


def _doubted(row: DoubtfulLabel) -> QueuedText:
    return QueuedText(training_row(row.text), row.text, row.answer, row.answer_probability, "", row.label)
