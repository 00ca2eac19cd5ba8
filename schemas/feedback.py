"""A label that somebody gave to a text that was answered."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from agnews.schemas.numbered_form import NumberedForm

FEEDBACK_FORMAT = 1
"""Number of this form."""


class Source(StrEnum):
    """By which way a label came."""

    API = "api"
    """Somebody sent it without having been asked, often because an answer was wrong."""
    IMPORT = "import"
    """From a file."""
    QUEUE = "queue"
    """Somebody was asked, on the labelling page or by a file that `agnews feedback queue` wrote."""


class GivenLabel(BaseModel):
    """A label, as people and programs send it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    request: str = Field("", max_length=140)
    """Id of the request, and behind a slash the number of the text in it, from 0; without one it is the first."""
    text: str = ""
    """The text; may be left out where its request was logged with its text."""
    label: str = Field(min_length=1, max_length=200)
    """Name of the class."""
    by: str = Field(min_length=1, max_length=100)
    """Who says so."""
    at: AwareDatetime | None = None
    """When; None for now."""

    @model_validator(mode="after")
    def _names_a_text(self) -> GivenLabel:
        if not self.request and not self.text.strip():
            raise ValueError("say which text: request, text, or both")
        return self

    @property
    def row(self) -> str:
        """Id of the row in the log; empty where only the text is known."""
        return self.request if "/" in self.request or not self.request else f"{self.request}/0"


class Label(NumberedForm):
    """A label that was kept."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    KNOWN_FORMAT: ClassVar = FEEDBACK_FORMAT
    WRITTEN: ClassVar = "among the labels"

    format: int = FEEDBACK_FORMAT
    id: str
    """Of the label."""
    row: str = ""
    """Id of the row in the log of requests."""
    text: str = ""
    label: str
    by: str
    at: datetime
    source: Source
