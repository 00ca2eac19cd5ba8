"""Puts the texts of many requests together into batches, on threads of their own."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from agnews.components.model_server.json_response import HttpError, Limits
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_server.served_version import Outputs, ServedVersion, UnusableTextsError

_SMOOTHING = 0.1
_LOOK_SECONDS = 0.25


@dataclass(eq=False)
class _Request:
    version: ServedVersion
    signature: str
    values: Sequence[bytes]
    answer: asyncio.Future[Outputs]
    arrived: float
    missing: int
    begun: float = 0.0
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


class _Worker(threading.Thread):
    """A thread of the batcher.

    Attributes:
        busy_since: When its batch began; infinite while it has none.
    """

    def __init__(self, work: Callable[[_Worker], None]) -> None:
        super().__init__(name="batcher", daemon=True)
        self.busy_since = math.inf
        self._work = work

    @override
    def run(self) -> None:
        self._work(self)


class Batcher:
    """Lets a few threads run the model, and answers what waits in batches of texts of similar length.

    Nobody waits for a batch to fill: a thread takes what is there as soon as it is free, so a lonely request goes
    through at once, and while batches are being worked on the next one gathers. Each batch begins with the text that
    has waited longest, and takes such others along as make it cheaper (see `BatchCost`); so no text is passed over for
    long, and none pays for a much longer one beside it.

    Several batches at a time, each on one core, get more done than one on all cores: nothing is lost on waiting for
    the slower half of each operation. A request wakes one thread, and a thread that leaves something in the queue
    wakes the next, so that as many work as there are batches.

    Deadlines are kept by the event loop: a request is answered in time also where no thread comes back from the model.

    Args:
        limits: Size of the queue and of a batch, and how long a request may wait and be worked on.
        metrics: Where batches are counted.
        workers: Batches at a time.
        log: Receives a line when a thread had to be replaced.
    """

    def __init__(
        self, limits: Limits, metrics: Metrics, *, workers: int, log: Callable[[str], None] = lambda line: None
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._log = log
        self._changed = threading.Condition()
        self._answering = threading.Lock()
        self._rows: list[_Row] = []
        self._pending: dict[_Request, None] = {}
        self._seconds_per_row = 0.0
        self._is_closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._threads = [_Worker(self._work) for _ in range(workers)]

    @property
    def waiting(self) -> int:
        """Texts in the queue."""
        return len(self._rows)

    @property
    def is_working(self) -> bool:
        """Whether at least one thread can be hoped to take the next batch."""
        oldest = time.monotonic() - self._limits.work_seconds
        return any(thread.is_alive() and thread.busy_since > oldest for thread in self._threads)

    def start(self) -> None:
        """Starts the threads; to be called in the event loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()
        self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)

    async def stop(self) -> None:
        """Ends the threads once all that waits is answered; does not wait for one that the model keeps."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        end = time.monotonic() + self._limits.deadline_seconds
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, end - time.monotonic()))
        if self._timer is not None:
            self._timer.cancel()

    async def run(self, version: ServedVersion, signature: str, values: Sequence[bytes]) -> Outputs:
        """Lets the model work on texts.

        Args:
            version: The model; it must stay open until this is done.
            signature: Name of a signature that the version has.
            values: One string a row.

        Returns:
            The outputs, in the order of the rows.

        Raises:
            HttpError: The queue is full or too slow, the model cannot work on these values, or does not come back.
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
        self._pending[request] = None
        try:
            with self._changed:
                self._rows += rows
                self._changed.notify()
            return await answer
        finally:
            del self._pending[request]

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

    def _look(self) -> None:
        """Gives up, in the event loop, what no thread answered in time, and replaces threads that ended."""
        assert self._loop is not None  # noqa: S101 - started by start()
        self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)
        now = time.monotonic()
        stuck = []
        # In the order in which they came: whoever came after the first young one is younger still.
        for request in self._pending:
            if request.arrived > now - self._limits.deadline_seconds:
                break
            if request.begun and request.begun < now - self._limits.work_seconds:
                request.problem = HttpError(
                    504, f"The model did not answer within {self._limits.work_seconds:g} seconds."
                )
                stuck.append(request)
        with self._changed:
            late = self._drop_late()
            if stuck:
                self._rows = [row for row in self._rows if row.request not in stuck]
        _settle([*late, *stuck])
        for number, thread in enumerate(self._threads):
            if not thread.is_alive() and not self._is_closing:
                self._log("a thread that runs the model ended; another one takes its place")
                self._threads[number] = _Worker(self._work)
                self._threads[number].start()

    def _work(self, me: _Worker) -> None:
        while True:
            batch: list[_Row] = []
            with self._changed:
                while not self._rows and not self._is_closing:
                    self._changed.wait()
                if not self._rows:
                    return
                try:
                    done = self._drop_late()
                    batch = self._take()
                except Exception as error:  # noqa: BLE001 - what cannot be sorted into batches must not wait for ever
                    self._rows, batch, done = [], [], self._give_up(self._rows, error)
                if self._rows:
                    self._changed.notify()
            self._metrics.queue.set(len(self._rows))
            if batch:
                me.busy_since = time.monotonic()
                try:
                    done += self._answer(batch)
                except BaseException as error:
                    done += self._give_up(batch, error)
                    if not isinstance(error, Exception):
                        self._tell(done)
                        raise
                finally:
                    me.busy_since = math.inf
            self._tell(done)

    def _tell(self, done: Sequence[_Request]) -> None:
        if done and self._loop is not None:
            self._loop.call_soon_threadsafe(_settle, done)

    def _drop_late(self) -> list[_Request]:
        """Removes from the queue the requests that have waited for too long, and those that nobody waits for."""
        oldest = time.monotonic() - self._limits.deadline_seconds
        late = {
            row.request: None
            for row in self._rows
            if row.request.answer.done() or (row.request.arrived < oldest and not row.request.begun)
        }
        for request in late:
            request.problem = HttpError(504, f"Gave up after {self._limits.deadline_seconds:g} seconds in the queue.")
        if late:
            self._rows = [row for row in self._rows if row.request not in late]
        return list(late)

    def _take(self) -> list[_Row]:
        """Removes a batch from the queue."""
        if not self._rows:
            return []
        head = self._rows[0]
        if head.position < 0:
            batch = [self._rows.pop(0)]
        else:
            alike = [row for row in self._rows if row.position >= 0 and row.request.kind == head.request.kind]
            alike.sort(key=lambda row: row.length)
            chosen = head.request.version.cost.choose(
                [row.length for row in alike], alike.index(head), self._limits.batch_rows
            )
            batch = alike[chosen.start : chosen.stop]
            taken = set(map(id, batch))
            self._rows = [row for row in self._rows if id(row) not in taken]
        now = time.monotonic()
        for row in batch:
            row.request.begun = row.request.begun or now
        return batch

    def _answer(self, batch: list[_Row]) -> list[_Request]:
        """Runs the model; returns the requests that are complete now."""
        first = batch[0].request
        whole = batch[0].position < 0
        values = first.values if whole else [row.request.values[row.position] for row in batch]
        started = time.monotonic()
        outputs: Outputs = {}
        problem = None
        try:
            outputs = first.version.run(first.signature, values)
        except Exception as error:  # noqa: BLE001 - the threads live on, whatever a model raises
            problem = _explain(error)
        seconds = time.monotonic() - started
        self._metrics.batch_rows.observe(len(values))
        self._metrics.batch_seconds.observe(seconds)
        # Two threads may hold rows of one request.
        with self._answering:
            if problem is not None:
                for row in batch:
                    row.request.problem = problem
            elif whole:
                first.outputs = dict(outputs)
            else:
                _hand_out(batch, outputs)
            per_row = seconds / max(len(values), 1)
            self._seconds_per_row += _SMOOTHING * (per_row - self._seconds_per_row)
            done = _count_down(batch)
        for request in done:
            self._metrics.wait_seconds.observe(started - request.arrived)
        return done

    def _give_up(self, rows: list[_Row], error: BaseException) -> list[_Request]:
        """Answers rows that our own code failed on; returns their requests."""
        requests = list({row.request: None for row in rows})
        for request in requests:
            request.problem = RuntimeError(f"The batcher failed: {type(error).__name__}: {error}")
        return requests


def _explain(error: Exception) -> Exception:
    if isinstance(error, UnusableTextsError):
        return HttpError(400, f"The model cannot work on this: {error}")
    return error


def _count_down(batch: list[_Row]) -> list[_Request]:
    done = []
    for row in batch:
        row.request.missing -= 1
        if row.request.missing == 0:
            done.append(row.request)
    return done


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
