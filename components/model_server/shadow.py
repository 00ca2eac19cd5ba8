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
_PATIENCE_SECONDS = 0.005
_NICE = 19


Keep = Callable[[str, str, Sequence[bytes], Outputs, float], bool]
"""Takes id, version, texts, answers and seconds; says whether there was room."""


class _Answered(NamedTuple):
    request_id: str
    values: Sequence[bytes]
    labels: NDArray[Any]


class Shadow:
    """Works behind everybody else: with the lowest priority, and only while nothing waits for the model.

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
            while self._waiting() and not self._is_closing.is_set():
                time.sleep(_PATIENCE_SECONDS)
            try:
                self._compare(first)
            except Exception as error:  # noqa: BLE001 - one answer that is none must not end the trial unseen
                self._fail(len(first.values), error)

    def _fail(self, rows: int, error: Exception) -> None:
        self._metrics.shadow_rows.labels("", "failed").inc(rows)
        if not self._has_failed:
            self._log(f"the shadow, version {self.version.record.version}, fails: {error}")
        self._has_failed = True

    def _compare(self, answered: _Answered) -> None:
        started, kept = time.perf_counter(), []
        for start in range(0, len(answered.values), _MOST_ROWS):
            part = slice(start, start + _MOST_ROWS)
            try:
                outputs = self.version.run(SERVE_TEXT, answered.values[part])
            except Exception as error:  # noqa: BLE001 - a version that fails is what a shadow is to find
                self._fail(len(answered.values[part]), error)
                continue
            found = outputs[CLASS_LABEL]
            kept.append(outputs)
            for label, other in zip(answered.labels[part].tolist(), found.tolist(), strict=True):
                outcome = "same" if label == other else "different"
                self._metrics.shadow_rows.labels(label.decode(errors="replace"), outcome).inc()
        # A request of which a part failed would be in the log by halves.
        if self._keep is not None and sum(len(each[CLASS_LABEL]) for each in kept) == len(answered.values):
            together = {name: np.concatenate([each[name] for each in kept]) for name in (CLASS_LABEL, PROBABILITIES)}
            seconds = time.perf_counter() - started
            if not self._keep(answered.request_id, self.version.record.version, answered.values, together, seconds):
                self._metrics.shadow_rows.labels("", "not logged").inc(len(answered.values))
