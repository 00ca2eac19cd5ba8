"""What became of a run, in a few words."""

from __future__ import annotations

from typing import Literal, NamedTuple

from agnews.schemas.run_report import RunReport


class Headline(NamedTuple):
    """The first thing that anybody wants to know.

    Attributes:
        words: The decision.
        detail: One sentence more, or the empty string.
        tone: Whether it is good news.
    """

    words: str
    detail: str
    tone: Literal["good", "bad", "plain"]


def headline(report: RunReport) -> Headline:
    """Puts the outcome of a run into words.

    Args:
        report: Of any run.

    Returns:
        The words.
    """
    push = report.documents.push
    if report.error == "interrupted":
        return Headline("Interrupted", "The same command goes on at the step that was cut.", "bad")
    if report.error is not None:
        failed = next((name for name, node in report.nodes.items() if node.state == "failed"), None)
        return Headline(f"Failed in {failed}" if failed else "Failed", "", "bad")
    if report.ended_early is not None:
        return Headline("Nothing new", report.ended_early, "plain")
    if report.blessed is None:
        last = [name for name, node in report.nodes.items() if node.state in {"done", "cached"}]
        detail = f"It ended with {last[-1]}, as it was asked to." if last else ""
        return Headline("Not judged: a part of a run", detail, "plain")
    if not report.blessed:
        return Headline("Not blessed", "The model was not pushed.", "bad")
    words = "Promotion forced" if report.forced else "Blessed"
    if push is None:
        return Headline(words, "The run ended before the push.", "plain")
    pushed = f"{words} and pushed" if push.pushed and not report.forced else words
    return Headline(pushed, f"{push.reason[0].upper()}{push.reason[1:]}.", "good" if push.pushed else "bad")
