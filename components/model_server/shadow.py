"""Lets another version answer what the one in production has answered, and counts where they differ."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agnews.components.model_server.metrics import Metrics
from agnews.components.model_server.served_version import Outputs, ServedVersion
from agnews.schemas.features import CLASS_LABEL, PROBABILITIES, SERVE_TEXT

_MOST_REQUESTS = 512
_MOST_ROWS = 16
_GATHERED_ROWS = 4 * _MOST_ROWS
_GATHER_SECONDS = 0.05
_PATIENCE_SECONDS = 0.005
_NICE = 19


Keep = Callable[[str, str, Sequence[bytes], Outputs, float], bool]
"""Takes id, version, texts, answers and seconds; says whether there was room."""


class _Answered(NamedTuple):
    request_id: str
    values: Sequence[bytes]
    labels: NDArray[Any]


class _Row(NamedTuple):
    label: NDArray[Any]
    """bytes (1,)."""
    probabilities: NDArray[np.float32]
    """(1, classes)."""
    seconds: float
    """That its batch took."""


class Shadow:
    """Works behind everybody else: with the lowest priority, and only while nothing waits for the model.

    Nobody waits for its answers, so it lets requests gather and takes texts of similar length together, which costs
    less than one by one.

    What it cannot take is dropped and counted; no request waits for it, and none fails with it.

    Args:
        version: The version that is tried.
        metrics: Where it is counted: `agnews_shadow_rows_total` by the class that was answered, and what became of it.
        waiting: Tells how many texts wait for the model in production.
        log: Receives a line when the shadow fails for the first time.
        keep: Gets its answers, for the log of requests; None where nothing is kept.
    """

    def __init__(
        self,
        version: ServedVersion,
        metrics: Metrics,
        *,
        waiting: Callable[[], int],
        log: Callable[[str], None] = lambda line: None,
        keep: Keep | None = None,
    ) -> None:
        self.version = version
        self._metrics = metrics
        self._waiting = waiting
        self._log = log
        self._keep = keep
        self._has_failed = False
        self._is_closing = threading.Event()
        self._answered: queue.Queue[_Answered] = queue.Queue(_MOST_REQUESTS)
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)

    def start(self) -> None:
        """Starts to work."""
        self._thread.start()

    def offer(self, request_id: str, values: Sequence[bytes], outputs: Outputs) -> None:
        """Takes what was answered; never waits.

        Args:
            request_id: Of the request.
            values: The texts.
            outputs: The answers of the version in production.
        """
        try:
            self._answered.put_nowait(_Answered(request_id, values, outputs[CLASS_LABEL]))
        except queue.Full:
            self._metrics.shadow_rows.labels("", "dropped").inc(len(values))

    def close(self, seconds: float = 5.0) -> None:
        """Ends the thread; what waits for it is dropped.

        Args:
            seconds: The most to wait for it.
        """
        self._is_closing.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        with suppress(OSError):
            # On Linux a thread has a priority of its own; where it has none, the shadow only waits its turn.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._is_closing.is_set():
            try:
                first = self._answered.get(timeout=0.2)
            except queue.Empty:
                continue
            self._let_others_pass()
            if self._answered.qsize() < _GATHERED_ROWS:
                self._is_closing.wait(_GATHER_SECONDS)
            gathered = self._gather(first)
            try:
                self._compare(gathered)
            except Exception as error:  # noqa: BLE001 - one answer that is none must not end the trial unseen
                self._fail(sum(len(each.values) for each in gathered), error)

    def _let_others_pass(self) -> None:
        while self._waiting() and not self._is_closing.is_set():
            time.sleep(_PATIENCE_SECONDS)

    def _gather(self, first: _Answered) -> list[_Answered]:
        gathered, rows = [first], len(first.values)
        with suppress(queue.Empty):
            while rows < _GATHERED_ROWS:
                gathered.append(self._answered.get_nowait())
                rows += len(gathered[-1].values)
        return gathered

    def _fail(self, rows: int, error: Exception) -> None:
        self._metrics.shadow_rows.labels("", "failed").inc(rows)
        if not self._has_failed:
            self._log(f"the shadow, version {self.version.record.version}, fails: {error}")
        self._has_failed = True

    def _compare(self, gathered: Sequence[_Answered]) -> None:
        values = [value for each in gathered for value in each.values]
        rows: list[_Row | None] = [None] * len(values)
        by_length = sorted(range(len(values)), key=lambda number: len(values[number]))
        for start in range(0, len(values), _MOST_ROWS):
            chosen = by_length[start : start + _MOST_ROWS]
            self._let_others_pass()
            for number, row in zip(chosen, self._ask([values[number] for number in chosen]), strict=True):
                rows[number] = row
        first = 0
        for each in gathered:
            self._count(each, rows[first : first + len(each.values)])
            first += len(each.values)

    def _ask(self, values: Sequence[bytes]) -> list[_Row | None]:
        """Returns what the shadow says of each text; None where it fails, and that fails no other."""
        started = time.perf_counter()
        try:
            outputs = self.version.run(SERVE_TEXT, values)
            labels, probabilities = outputs[CLASS_LABEL], outputs[PROBABILITIES]
            if not len(labels) == len(probabilities) == len(values):
                raise ValueError(f"{len(labels)} answers to {len(values)} texts")
        except Exception as error:  # noqa: BLE001 - a version that fails is what a shadow is to find
            if len(values) > 1:
                return [row for value in values for row in self._ask([value])]
            self._fail(len(values), error)
            return [None]
        seconds = time.perf_counter() - started
        return [
            _Row(labels[number : number + 1], probabilities[number : number + 1], seconds)
            for number in range(len(values))
        ]

    def _count(self, answered: _Answered, rows: Sequence[_Row | None]) -> None:
        found = [row for row in rows if row is not None]
        for label, row in zip(answered.labels.tolist(), rows, strict=True):
            if row is not None:
                outcome = "same" if label == row.label[0] else "different"
                self._metrics.shadow_rows.labels(label.decode(errors="replace"), outcome).inc()
        # A request of which a part failed would be in the log by halves.
        if self._keep is not None and found and len(found) == len(rows):
            together = {
                CLASS_LABEL: np.concatenate([row.label for row in found]),
                PROBABILITIES: np.concatenate([row.probabilities for row in found]),
            }
            seconds = max(row.seconds for row in found)
            version = self.version.record.version
            if not self._keep(answered.request_id, version, answered.values, together, seconds):
                self._metrics.shadow_rows.labels("", "not logged").inc(len(answered.values))
