"""Lines in the log of a step that programs read: why it refused, and what became of a model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from agnews.pipeline.local.explain_failure import exception_chain
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.json_text import read_json

REFUSED = "AGNEWS-REPORT "
"""Starts the line of a step that ended with an AgnewsError; JSON follows."""
VERDICT = "AGNEWS-VERDICT "
"""Starts the line of the Pusher; the JSON that follows is a `PushOutcome` with the name of the node."""
NODE = "AGNEWS-NODE "
"""Begins and ends the part of a node in the log of a step that runs several; JSON follows: node, state, seconds."""
NodeState = Literal["started", "cached", "done", "failed"]
_REPORT_FILE = "report.json"
_LONGEST = 32_768


@contextmanager
def report_refusal(node: str, outputs: Mapping[str, Path]) -> Iterator[None]:
    """Writes why a step refuses into its log, with what it has found.

    Kubeflow Pipelines hands on no output of a step that failed, so that the report of a gate that stops a run would be
    in no place where people look. `final` says that the same step would refuse again: data, settings or code are what
    it refuses.

    Args:
        node: Name of the node.
        outputs: Folders of its outputs by name; a `report.json` in one of them is written too.

    Raises:
        Exception: What was raised inside, as it was.
    """
    try:
        yield
    except Exception as error:
        refusal = next((reason for reason in exception_chain(error) if isinstance(reason, AgnewsError)), None)
        if refusal is not None:
            write_line(REFUSED, _describe(node, refusal, outputs))
        raise


def _describe(node: str, refusal: AgnewsError, outputs: Mapping[str, Path]) -> dict[str, Any]:
    reports: dict[str, Any] = {}
    for name, folder in outputs.items():
        file = folder / _REPORT_FILE
        # A longer line is cut where logs are kept, and half of a document is none.
        if file.is_file() and file.stat().st_size <= _LONGEST:
            reports[name] = read_json(file.read_text(encoding="utf-8"))
    judged = any(isinstance(report, dict) and report.get("passed") is False for report in reports.values())
    return {
        "node": node,
        "problem": refusal.problem,
        "found": None if refusal.found is None else str(refusal.found),
        "fix": refusal.fix,
        "exit_code": int(refusal.exit_code),
        "final": judged or refusal.exit_code is ExitCode.USAGE,
        **reports,
    }


def write_verdict(node: str, outcome: Path) -> None:
    """Writes what became of the model of a run.

    Args:
        node: Name of the node.
        outcome: Its `pushed.json`.
    """
    write_line(VERDICT, {"node": node, **read_json(outcome.read_text(encoding="utf-8"))})


def write_node(node: str, state: NodeState, seconds: float) -> None:
    """Writes that a node of a fused step begins, or what became of it.

    Args:
        node: Name of the node.
        state: `started`, or how it ended.
        seconds: Since it began.
    """
    write_line(NODE, {"node": node, "state": state, "seconds": round(seconds, 3)})


def node_part(log: str, node: str) -> str:
    """Returns what a node has written into the log of a step that runs several.

    Args:
        log: Log of the step, perhaps with time stamps before each line.
        node: Name of the node.

    Returns:
        Its lines, from its beginning to its end or to that of the log; the whole log where no node says that it begins,
        as in the step of a single one; nothing where others do.
    """
    part: list[str] = []
    inside, fused = False, False
    for line in log.splitlines(keepends=True):
        for mark in find_lines(line, NODE):
            fused = True
            if mark.get("node") == node:
                inside = True
            if mark.get("state") != "started" and mark.get("node") == node:
                part.append(line)
                inside = False
        if inside:
            part.append(line)
    return "".join(part) if fused else log


def cut_node(log: str) -> str:
    """Returns the node in which the log of a step that runs several ends; empty where it ends behind its last node."""
    marks = find_lines(log, NODE)
    return str(marks[-1].get("node", "")) if marks and marks[-1].get("state") in ("started", "failed") else ""


def write_line(prefix: str, content: Mapping[str, Any]) -> None:
    """Writes a line that programs read.

    Args:
        prefix: REFUSED, VERDICT or NODE.
        content: What is written as JSON.
    """
    sys.stderr.write(f"{prefix}{json.dumps(content, ensure_ascii=False)}\n")
    sys.stderr.flush()


def find_lines(log: str, prefix: str) -> list[dict[str, Any]]:
    """Reads such lines out of a log.

    Args:
        log: Log of a step, perhaps with time stamps before each line.
        prefix: REFUSED, VERDICT or NODE.

    Returns:
        Their contents in order; lines that were cut are left out.
    """
    found = []
    for line in log.splitlines():
        _, there, text = line.partition(prefix)
        if not there:
            continue
        try:
            content = read_json(text)
        except ValueError:
            continue
        if isinstance(content, dict):
            found.append(content)
    return found
