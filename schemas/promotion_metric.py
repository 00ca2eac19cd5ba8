"""By which figure models are compared before one takes the place of another."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agnews.schemas.errors import AgnewsError

_RECALL = "recall:"
PATTERN = re.compile(rf"accuracy|macro_f1|micro_f1|{_RECALL}.+", re.DOTALL)


@dataclass(frozen=True)
class PromotionMetric:
    """A figure on the test split.

    Attributes:
        name: What it is.
        class_id: Position of the class whose recall it is; None for the others.
        title: What people read.
    """

    name: Literal["accuracy", "macro_f1", "micro_f1", "recall"]
    class_id: int | None
    title: str

    @property
    def is_share(self) -> bool:
        """Whether it is a share of rows, so that McNemar's test applies."""
        return self.name in ("accuracy", "recall")

    @property
    def average(self) -> Literal["macro", "micro"]:
        """Of F1: over the classes, or over their rows."""
        return "micro" if self.name == "micro_f1" else "macro"


def promotion_metric(setting: str, class_names: Sequence[str]) -> PromotionMetric:
    """Reads `evaluation.metric`.

    Args:
        setting: `accuracy`, `macro_f1`, `micro_f1`, or `recall:` and the name of a class.
        class_names: Names of the classes.

    Returns:
        The figure.

    Raises:
        AgnewsError: There is no such class.
    """
    if setting == "accuracy":
        return PromotionMetric("accuracy", None, "accuracy")
    if setting == "macro_f1":
        return PromotionMetric("macro_f1", None, "macro F1")
    if setting == "micro_f1":
        return PromotionMetric("micro_f1", None, "micro F1")
    name = setting.removeprefix(_RECALL).strip()
    if name not in class_names:
        close = difflib.get_close_matches(name, class_names, n=1)
        shown = [*class_names[:20], *(["..."] if len(class_names) > 20 else [])]
        raise AgnewsError(
            "evaluation.metric names a class that the corpus does not have.",
            found=setting,
            fix=(f"Did you mean {_RECALL}{close[0]}? " if close else "") + f"Classes are {', '.join(shown)}.",
        )
    return PromotionMetric("recall", class_names.index(name), f"recall of {name}")
