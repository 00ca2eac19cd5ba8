"""The end of a trial that says something about its settings, and nothing about those of others."""

from __future__ import annotations


class TrialFailed(Exception):  # noqa: N818 - as Optuna's TrialPruned
    """Raised while a trial trains: the trial is recorded as failed, and the study goes on.

    Args:
        reason: Why, one sentence.
    """
