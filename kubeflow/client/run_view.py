"""What people want to know of a run: its steps, their last words, whether a model was pushed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord
from agnews.kubeflow.client.run_tasks import SpecTask, TaskRecord, TaskState, read_spec_tasks, tasks_of
from agnews.kubeflow.client.server_error import ServerError
from agnews.kubeflow.client.step_log import last_line, read_step_log, read_tail
from agnews.kubeflow.log_lines import REFUSED, VERDICT, cut_node, find_lines
from agnews.schemas.errors import AgnewsError, ExitCode

PUSHER = "Pusher"


@dataclass(frozen=True)
class LastWords:
    """How a failed step ended.

    Attributes:
        text: One line; empty where there is no log.
        final: Whether the same step would end so again: it refuses data, settings or code.
        report: What a gate has found; empty for other steps.
        node: The node that ended so; empty where nothing says which.
    """

    text: str = ""
    final: bool = False
    report: dict[str, Any] | None = None
    node: str = ""


class RunView:
    """Puts together what the server has in several places, and asks for each once.

    Args:
        api: The server.
    """

    def __init__(self, api: KfpApi) -> None:
        self._api = api
        self._submitted: dict[str, tuple[SpecTask, ...]] = {}
        self._words: dict[tuple[str, str, int], LastWords] = {}

    def tasks(self, run: RunRecord) -> tuple[TaskRecord, ...]:
        """Returns the tasks that were submitted, in their order, with what has become of them."""
        if run.version_id not in self._submitted:
            self._submitted[run.version_id] = self._read_tasks(run)
        return tasks_of(run, self._submitted[run.version_id])

    def _read_tasks(self, run: RunRecord) -> tuple[SpecTask, ...]:
        if not run.pipeline_id or not run.version_id:
            return ()
        try:
            return read_spec_tasks(self._api.get_version(run.pipeline_id, run.version_id).spec or {})
        except (TypeError, ValueError, LookupError, AttributeError):
            return ()  # Of a form that no compiler writes: the rows alone tell.
        except ServerError as error:
            # Runs outlive the versions that they were made from.
            if error.status != 404:
                raise
            return ()

    def last_words(self, run: RunRecord, task: TaskRecord) -> LastWords:
        """Returns how a step ended, from its log; nothing for one that did not fail, or where there is no log."""
        if task.state is not TaskState.FAILED:
            return LastWords()
        key = (run.run_id, task.name, len(task.pods))
        if key not in self._words:
            self._words[key] = self._read_words(run, task)
        return self._words[key]

    def _read_words(self, run: RunRecord, task: TaskRecord) -> LastWords:
        try:
            log = read_tail(read_step_log(self._api, run, task))
        except AgnewsError:
            return LastWords()
        refusals = find_lines(log, REFUSED)
        if not refusals:
            node, words = cut_node(log), last_line(log)
            return LastWords(f"{node}: {words}" if node else words, node=node)
        line = refusals[-1]
        found = f" ({line['found']})" if line.get("found") else ""
        node = f"{line['node']}: " if len(task.nodes) > 1 and line.get("node") else ""
        known = ("node", "problem", "found", "fix", "exit_code", "final")
        report = {key: value for key, value in line.items() if key not in known}
        text = f"{node}{line.get('problem', '')}{found}"
        return LastWords(text, bool(line.get("final")), report or None, str(line.get("node") or ""))

    def verdict(self, run: RunRecord) -> dict[str, Any] | None:
        """Returns what the Pusher wrote: `pushed`, `reason`, `version`; None where it did not run.

        Raises:
            AgnewsError: It ran, and its log cannot be read.
        """
        pusher = next((task for task in self.tasks(run) if PUSHER in task.nodes or task.name == "pusher"), None)
        if pusher is None or pusher.state is not TaskState.DONE:
            return None
        verdicts = find_lines(read_tail(read_step_log(self._api, run, pusher)), VERDICT)
        return verdicts[-1] if verdicts else None

    def is_final(self, run: RunRecord) -> bool:
        """Whether a failed run would fail again at once: a step refuses what it was given."""
        return any(self.last_words(run, task).final for task in self.tasks(run))

    def exit_code(self, run: RunRecord) -> ExitCode:
        """Returns what a command that waited for this run ends with: as `agnews run` on this machine.

        Raises:
            AgnewsError: It cannot be told whether the model was pushed.
        """
        if run.exit_code is not ExitCode.OK:
            return run.exit_code
        verdict = self.verdict(run)
        return ExitCode.NOT_BLESSED if verdict is not None and not verdict.get("pushed") else ExitCode.OK
