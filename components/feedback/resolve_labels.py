"""What people agree on.

The rules: of one person, the newest label of a text counts. What more than half of all who labelled a text say is its
label; where two say different things, nobody knows, and the text goes back to the queue, for a third to decide. Copies
of a text are one text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agnews.components.corpus_files.text_key import text_key
from agnews.components.feedback.random_share import is_in_random_share
from agnews.schemas.feedback import Label


@dataclass(frozen=True)
class LabelledText:
    """A text with what was said about it.

    Attributes:
        key: See `text_key`.
        text: The text, of the newest label.
        said: The newest label of each person, oldest first.
        is_random: Whether it belongs to the random share.
    """

    key: int
    text: str
    said: tuple[Label, ...]
    is_random: bool

    @property
    def names(self) -> frozenset[str]:
        """What different people say it is."""
        return frozenset(each.label for each in self.said)

    @property
    def label(self) -> str | None:
        """What more than half of them say; None where nothing is."""
        ((name, count),) = Counter(each.label for each in self.said).most_common(1)
        return name if 2 * count > len(self.said) else None


def resolve_labels(labels: Sequence[Label], texts: Mapping[str, str]) -> tuple[list[LabelledText], list[Label]]:
    """Puts labels together by their texts.

    Args:
        labels: In the order of their times.
        texts: Texts of the log by id of the row.

    Returns:
        The texts, in the order of their first labels; and labels whose text is nowhere.
    """
    by_text: dict[int, dict[str, Label]] = {}
    newest: dict[int, str] = {}
    random: set[int] = set()
    unknown = []
    for label in labels:
        text = label.text or texts.get(label.row, "")
        if not text.strip():
            unknown.append(label)
            continue
        key = text_key(text)
        said = by_text.setdefault(key, {})
        said.pop(label.by, None)
        said[label.by] = label
        newest[key] = text
        if is_in_random_share(label.row):
            random.add(key)
    found = [LabelledText(key, newest[key], tuple(said.values()), key in random) for key, said in by_text.items()]
    return found, unknown
