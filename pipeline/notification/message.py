"""What is told of a run: one event, the same for all channels. No text of the data is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agnews.components.report.assemble_report import headline
from agnews.schemas.execution_config import Event
from agnews.schemas.run_report import RunReport

_LONGEST = 2_000
"""Characters of an error that are told; the log has the rest."""


class Message(BaseModel):
    """An event, as the webhook sends it."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    format: int = 1
    event: Event
    model: str
    """Name of the served model."""
    run_id: str
    title: str
    """One line."""
    detail: str = ""
    version: str = ""
    """The pushed version; empty for other events."""
    accuracy: float | None = None
    reasons: tuple[str, ...] = ()
    report: str = ""
    """Where the report is."""
    test: bool = False
    """Whether nothing happened: `agnews notify test`."""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @property
    def text(self) -> str:
        """The same for people, several lines."""
        lines = [self.title, self.detail, *(f"- {reason}" for reason in self.reasons)]
        lines += [f"run {self.run_id}" if self.run_id else "", f"report {self.report}" if self.report else ""]
        return "\n".join(line for line in lines if line)

    def payload(self) -> dict[str, Any]:
        """The content of the JSON."""
        return self.model_dump(mode="json")


def messages_about(report: RunReport, *, model: str, page: str = "") -> list[Message]:
    """Puts what became of a run into messages.

    Args:
        report: Of the run.
        model: Name of the served model.
        page: Where its report is.

    Returns:
        At most one event for the outcome, none for a part of a run that was asked for; and one for drift.
    """
    words = headline(report)
    known: dict[str, Any] = {"model": model, "run_id": report.run_id, "report": page}
    if report.metrics is not None:
        known["accuracy"] = report.metrics.accuracy
    found = []
    if event := _event(report):
        detail = (report.error or "")[:_LONGEST] if event == "failed" else words.detail
        reasons = report.reasons if event == "held_back" else ()
        push = report.documents.push
        version = push.version if push is not None and event == "pushed" else ""
        title = f"{model}: {words.words[0].lower()}{words.words[1:]}"
        found.append(Message(event=event, title=title, detail=detail, version=version, reasons=reasons, **known))
    if (check := report.documents.data_check) is not None:
        drifted = [each for each in check.findings if each.kind == "drift"]
        if drifted:
            reasons = tuple(f"{each.where} {each.feature}: {each.seen}, allowed {each.allowed}" for each in drifted)
            title = f"{model}: the data drifted since the last push"
            found.append(Message(event="drift", title=title, reasons=reasons, **known))
    return found


def _event(report: RunReport) -> Event | None:
    if report.error is not None:
        return "failed"
    if report.ended_early is not None:
        return "nothing_new"
    if report.blessed is None:
        return None
    push = report.documents.push
    if push is not None and push.pushed:
        return "pushed"
    return "held_back" if push is not None or not report.blessed else None
