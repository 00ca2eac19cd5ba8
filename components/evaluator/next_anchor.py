"""Which model is the anchor once a candidate is pushed."""

from __future__ import annotations

from dataclasses import replace

from agnews.components.evaluator.compare import Rival


def next_anchor(candidate: Rival, *, baseline: Rival | None, anchor: Rival | None) -> Rival:
    """Chooses the best on these rows among the candidate, the model that it replaces, and the anchor so far.

    Args:
        candidate: What is pushed.
        baseline: The model in production until now.
        anchor: The anchor until now, measured on these rows; None where there is none.

    Returns:
        The best, of two equally good ones the newer, with how many it was chosen from.
    """
    known = anchor.best_of if anchor is not None else int(baseline is not None)
    rivals = [candidate, *(each for each in (baseline, anchor) if each is not None)]
    best = max(rivals, key=lambda rival: rival.value)  # max takes the first of equals
    return replace(best, best_of=known + 1)
