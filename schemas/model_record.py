"""What is known about a pushed model: written beside each version, and as the pointer to the one in production."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from agnews.schemas.numbered_form import NumberedForm

FORMAT = 2
"""The format that is written. 0.1.0 wrote 1, without saying so; both are read."""


class LearntFrom(BaseModel):
    """The data behind a version."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    digest: str
    """sha256 over all files."""
    test_digest: str
    """sha256 of the test file, whose rows the model has not learnt from."""
    spans: dict[str, str]
    """sha256 of the training file by span, oldest first; empty where the data was no folder of dated spans."""
    is_sample: bool = False
    """Whether it is the generated sample: no model of real rows is compared with one of it."""


class ModelRecord(NumberedForm):
    """One pushed version.

    Keys that are not known are ignored: what changes the meaning of a record raises its format, and a record of a
    format that is too new is refused with words.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True, protected_namespaces=())

    KNOWN_FORMAT: ClassVar = FORMAT
    WRITTEN: ClassVar = "into the model store"

    format: int = 1
    """Number of the format; see `FORMAT`."""
    version: str = Field(pattern=r"^[0-9]{1,18}$")
    """Decimal digits, growing with time: the folder's name, which TF Serving takes as the version."""
    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$")
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
