"""What is known about a pushed model: written beside each version, and as the pointer to the one in production."""

from __future__ import annotations

from datetime import datetime

from agnews.schemas.document import Part


class LearntFrom(Part):
    """The data behind a version."""

    digest: str
    """sha256 over all files."""
    test_digest: str
    """sha256 of the test file, whose rows the model has not learnt from."""
    spans: dict[str, str]
    """sha256 of the training file by span, oldest first; empty where the data was no folder of dated spans."""


class ModelRecord(Part):
    """One pushed version."""

    version: str
    """Decimal digits, growing with time: the folder's name, which TF Serving takes as the version."""
    name: str
    """Name of the served model."""
    run_id: str
    pushed_at: datetime
    """UTC."""
    model_digest: str
    """sha256 over the files of the version folder."""
    fingerprint: str
    """Digest of data, configuration and code that led to the model: the same fingerprint gives the same model."""
    judged_against: str
    """Version of the baseline at its evaluation, or the empty string where there was none."""
    accuracy: float
    overruled: tuple[str, ...] = ()
    """Rules for a push that failed and that somebody overruled; empty where the version was promoted by its merits."""
    classes: tuple[str, ...]
    learnt_from: LearntFrom | None = None
    """None where the version was pushed without saying so."""
