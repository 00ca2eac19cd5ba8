"""Puts the texts of many requests together into batches, on threads of their own."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from agnews.components.model_server.json_response import HttpError, Limits
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_server.served_version import Outputs, ServedVersion

_SMOOTHING = 0.1


@dataclass(eq=False)
class _Request:
    version: ServedVersion
    signature: str
    values: Sequence[bytes]
    answer: asyncio.Future[Outputs]
    arrived: float
    missing: int
    outputs: dict[str, NDArray[Any]] = field(default_factory=dict)
    problem: Exception | None = None

    @property
    def kind(self) -> tuple[int, str]:
        return id(self.version), self.signature


@dataclass(eq=False)
class _Row:
    request: _Request
    position: int
    length: int


class Batcher:
    """Lets a few threads run the model, and answers what waits in batches of texts of similar length.

    Nobody waits for a batch to fill: a thread takes what is there as soon as it is free, so a lonely request goes
    through at once, and while batches are being worked on the next one gathers. Each batch begins with the text that
    has waited longest, and takes such others along as make it cheaper (see `BatchCost`); so no text is passed over for
    long, and none pays for a much longer one beside it.

    Several batches at a time, each on one core, get more done than one on all cores: nothing is lost on waiting for
    the slower half of each operation.

    Args:
        limits: Size of the queue and of a batch, and how long a request may wait.
        metrics: Where batches are counted.
        workers: Batches at a time.
    """

    def __init__(self, limits: Limits, metrics: Metrics, *, workers: int) -> None:
        self._limits = limits
        self._metrics = metrics
        self._changed = threading.Condition()
        self._rows: list[_Row] = []
        self._seconds_per_row = 0.0
        self._is_closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = [threading.Thread(target=self._work, name="batcher", daemon=True) for _ in range(workers)]

    @property
    def waiting(self) -> int:
        """Texts in the queue."""
        return len(self._rows)

    def start(self) -> None:
        """Starts the threads; to be called in the event loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    async def stop(self) -> None:
        """Ends the threads once all that waits is answered."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def run(self, version: ServedVersion, signature: str, values: Sequence[bytes]) -> Outputs:
        """Lets the model work on texts.

        Args:
            version: The model; it must stay open until this is done.
            signature: Name of a signature that the version has.
            values: One string a row.

        Returns:
            The outputs, in the order of the rows.

        Raises:
            HttpError: The queue is full or too slow, or the model cannot work on these values.
        """
        assert self._loop is not None  # noqa: S101 - start() was called
        self._admit(len(values))
        answer: asyncio.Future[Outputs] = self._loop.create_future()
        request = _Request(version, signature, values, answer, time.monotonic(), len(values))
        # An answer that depends on what is beside a row is given for the request as a whole.
        whole = not values or not version.signatures[signature].is_row_wise
        rows = [_Row(request, number, len(value)) for number, value in enumerate(values)]
        if whole:
            request.missing = 1
            rows = [_Row(request, -1, sum(map(len, values)))]
        with self._changed:
            self._rows += rows
            self._changed.notify()
        return await answer

    def _admit(self, count: int) -> None:
        waiting = self.waiting
        wait = waiting * self._seconds_per_row / len(self._threads)
        if waiting and (waiting + count > self._limits.queue_rows or wait > self._limits.deadline_seconds):
            self._metrics.refused.labels("queue").inc()
            raise HttpError(
                429,
                f"Too many requests: {waiting} texts are waiting, for about {wait:.1f} seconds.",
                {"Retry-After": str(max(1, math.ceil(wait)))},
            )

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._rows and not self._is_closing:
                    self._changed.wait()
                if not self._rows:
                    return
                batch, late = self._take()
            self._metrics.queue.set(len(self._rows))
            done = late + (self._answer(batch) if batch else [])
            if done and self._loop is not None:
                self._loop.call_soon_threadsafe(_settle, done)

    def _take(self) -> tuple[list[_Row], list[_Request]]:
        """Removes from the queue: a batch, and the requests that have waited for too long."""
        oldest = time.monotonic() - self._limits.deadline_seconds
        late = {row.request: None for row in self._rows if row.request.arrived < oldest and not row.request.outputs}
        for request in late:
            request.problem = HttpError(504, f"Gave up after {self._limits.deadline_seconds:g} seconds in the queue.")
        if late:
            self._rows = [row for row in self._rows if row.request not in late]
        if not self._rows:
            return [], list(late)
        head = self._rows[0]
        if head.position < 0:
            return [self._rows.pop(0)], list(late)
        alike = [row for row in self._rows if row.position >= 0 and row.request.kind == head.request.kind]
        alike.sort(key=lambda row: row.length)
        chosen = head.request.version.cost.choose(
            [row.length for row in alike], alike.index(head), self._limits.batch_rows
        )
        batch = alike[chosen.start : chosen.stop]
        taken = set(map(id, batch))
        self._rows = [row for row in self._rows if id(row) not in taken]
        return batch, list(late)

    def _answer(self, batch: list[_Row]) -> list[_Request]:
        """Runs the model; returns the requests that are complete now."""
        first = batch[0].request
        whole = batch[0].position < 0
        values = first.values if whole else [row.request.values[row.position] for row in batch]
        started = time.monotonic()
        try:
            outputs = first.version.run(first.signature, values)
        except Exception as error:  # noqa: BLE001 - the threads live on, whatever a model raises
            self._fail(batch, error)
        else:
            if whole:
                first.outputs = dict(outputs)
            else:
                _hand_out(batch, outputs)
        finally:
            seconds = time.monotonic() - started
        self._metrics.batch_rows.observe(len(values))
        self._metrics.batch_seconds.observe(seconds)
        per_row = seconds / max(len(values), 1)
        self._seconds_per_row += _SMOOTHING * (per_row - self._seconds_per_row)
        done = []
        for row in batch:
            row.request.missing -= 1
            if row.request.missing == 0:
                done.append(row.request)
                self._metrics.wait_seconds.observe(started - row.request.arrived)
        return done

    def _fail(self, batch: list[_Row], error: Exception) -> None:
        problem: Exception = error
        if isinstance(error, tf.errors.InvalidArgumentError):
            problem = HttpError(400, f"The model cannot work on this: {_reason(error.message)}")
        for row in batch:
            row.request.problem = problem


def _reason(message: str) -> str:
    """TensorFlow puts a heading over the reason, and the node under it."""
    lines = [line.strip() for line in message.splitlines()]
    return next((line for line in lines if line and line != "Graph execution error:"), "no reason given")


def _hand_out(batch: list[_Row], outputs: Outputs) -> None:
    for name, values in outputs.items():
        for number, row in enumerate(batch):
            request = row.request
            if len(request.values) == 1:
                request.outputs[name] = values[number : number + 1]
                continue
            if name not in request.outputs:
                request.outputs[name] = np.empty((len(request.values), *values.shape[1:]), values.dtype)
            request.outputs[name][row.position] = values[number]


def _settle(requests: Sequence[_Request]) -> None:
    for request in requests:
        if request.answer.done():
            continue  # Its client has gone.
        if request.problem is None:
            request.answer.set_result(request.outputs)
        else:
            request.answer.set_exception(request.problem)
