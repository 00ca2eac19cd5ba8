"""Batches without a model: a version that notes what it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
import pytest

from agnews.components.model_server import batcher as batcher_module
from agnews.components.model_server.batch_cost import BatchCost
from agnews.components.model_server.batcher import Batcher
from agnews.components.model_server.json_response import HttpError, Limits
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_server.served_version import ServedSignature, UnusableTextsError


class FakeVersion:
    """Answers with the text itself and its length; can be held up, or fail."""

    def __init__(self, seconds: float = 1.0, seconds_per_byte: float = 1e-6) -> None:
        self.cost = BatchCost(seconds, seconds_per_byte)
        self.signatures = {
            "rows": ServedSignature("text", True, ("text", "length")),
            "whole": ServedSignature("text", False, ("length",)),
        }
        self.batches: list[list[bytes]] = []
        self.go = threading.Event()
        self.go.set()
        self.error: Exception | None = None

    def run(self, signature: str, values: Sequence[bytes]) -> dict[str, np.ndarray]:
        self.go.wait(10)
        self.batches.append(list(values))
        if self.error:
            raise self.error
        text = np.empty(len(values), object)
        text[:] = values
        return {"text": text, "length": np.array([[len(value)] for value in values]).reshape(-1, 1)}


def with_batcher(test: Callable[[Batcher], Coroutine[Any, Any, Any]], *, workers: int = 1, **limits: Any) -> Any:
    async def run() -> Any:
        batcher = Batcher(Limits(**limits), Metrics(), workers=workers)
        batcher.start()
        try:
            return await test(batcher)
        finally:
            await batcher.stop()

    return asyncio.run(run())


async def held_up(batcher: Batcher, version: FakeVersion, *requests: list[bytes]) -> list[Any]:
    """Asks for all at once, while the thread is busy with another text."""
    version.go.clear()
    first = asyncio.create_task(batcher.run(version, "rows", [b"first"]))  # type: ignore[arg-type]
    while batcher.waiting or not first:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    rest = [asyncio.create_task(batcher.run(version, "rows", values)) for values in requests]  # type: ignore[arg-type]
    await asyncio.sleep(0.01)
    version.go.set()
    return await asyncio.gather(first, *rest, return_exceptions=True)


def test_a_lonely_request_does_not_wait_for_company() -> None:
    version = FakeVersion()
    answer = with_batcher(lambda batcher: batcher.run(version, "rows", [b"abc"]))  # type: ignore[arg-type]
    assert answer["text"].tolist() == [b"abc"]
    assert version.batches == [[b"abc"]]


def test_what_waits_is_answered_in_one_batch_and_each_gets_their_own() -> None:
    version = FakeVersion()
    _, *answers = with_batcher(lambda batcher: held_up(batcher, version, [b"ccc", b"a"], [b"bb"]))
    assert len(version.batches) == 2
    assert sorted(version.batches[1]) == [b"a", b"bb", b"ccc"]
    assert [answer["text"].tolist() for answer in answers] == [[b"ccc", b"a"], [b"bb"]]
    assert [answer["length"].tolist() for answer in answers] == [[[3], [1]], [[2]]]


def test_short_texts_do_not_pay_for_a_long_one() -> None:
    version = FakeVersion(0.0, 1.0)
    with_batcher(lambda batcher: held_up(batcher, version, [b"a" * 10], [b"b" * 1000], [b"c" * 10]))
    assert version.batches[1:] == [[b"a" * 10, b"c" * 10], [b"b" * 1000]]


def test_a_large_request_is_cut_into_batches_and_put_together_again() -> None:
    version, values = FakeVersion(), [b"x" * (number % 7) for number in range(50)]
    answer = with_batcher(lambda batcher: batcher.run(version, "rows", values), batch_rows=8)  # type: ignore[arg-type]
    assert answer["text"].tolist() == values
    assert max(map(len, version.batches)) == 8


def test_what_depends_on_its_neighbours_is_asked_alone() -> None:
    version = FakeVersion()

    async def ask(batcher: Batcher) -> None:
        asks = [batcher.run(version, "whole", values) for values in ([b"a", b"b"], [b"c"], [])]  # type: ignore[arg-type]
        await asyncio.gather(*asks)

    with_batcher(ask)
    assert sorted(version.batches) == [[], [b"a", b"b"], [b"c"]]


def test_two_versions_are_never_in_one_batch() -> None:
    old, new = FakeVersion(), FakeVersion()

    async def ask(batcher: Batcher) -> None:
        old.go.clear()
        tasks = [asyncio.create_task(batcher.run(old, "rows", [b"first"]))]  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        tasks += [asyncio.create_task(batcher.run(each, "rows", [b"a"])) for each in (old, new, old)]  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        old.go.set()
        await asyncio.gather(*tasks)

    with_batcher(ask)
    assert old.batches == [[b"first"], [b"a", b"a"]]
    assert new.batches == [[b"a"]]


def test_what_the_model_cannot_read_is_a_bad_request_and_the_next_is_answered() -> None:
    version = FakeVersion()

    async def ask(batcher: Batcher) -> Any:
        version.error = UnusableTextsError("no number")
        with pytest.raises(HttpError, match="cannot work on this: no number") as caught:
            await batcher.run(version, "rows", [b"a"])  # type: ignore[arg-type]
        assert caught.value.status == 400
        version.error = RuntimeError("a bug")
        with pytest.raises(RuntimeError, match="a bug"):
            await batcher.run(version, "rows", [b"a"])  # type: ignore[arg-type]
        version.error = None
        return await batcher.run(version, "rows", [b"b"])  # type: ignore[arg-type]

    assert with_batcher(ask)["text"].tolist() == [b"b"]


def test_a_full_queue_turns_away_at_once() -> None:
    version = FakeVersion()
    _, *answers = with_batcher(lambda batcher: held_up(batcher, version, [b"a"] * 3, [b"b"] * 3), queue_rows=4)
    assert len(answers[0]["text"]) == 3
    assert isinstance(answers[1], HttpError)
    assert answers[1].status == 429
    assert int(answers[1].headers["Retry-After"]) >= 1


def test_who_waited_too_long_is_told_so() -> None:
    version = FakeVersion()

    async def ask(batcher: Batcher) -> list[Any]:
        version.go.clear()
        tasks = [asyncio.create_task(batcher.run(version, "rows", [b"first"]))]  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        tasks.append(asyncio.create_task(batcher.run(version, "rows", [b"late"])))  # type: ignore[arg-type]
        await asyncio.sleep(0.2)
        version.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, late = with_batcher(ask, deadline_seconds=0.1)
    assert first["text"].tolist() == [b"first"]
    assert (late.status, version.batches) == (504, [[b"first"]])


def test_a_client_that_went_away_harms_nobody() -> None:
    version = FakeVersion()

    async def ask(batcher: Batcher) -> Any:
        version.go.clear()
        gone = asyncio.create_task(batcher.run(version, "rows", [b"gone"]))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        gone.cancel()
        version.go.set()
        return await batcher.run(version, "rows", [b"here"])  # type: ignore[arg-type]

    assert with_batcher(ask)["text"].tolist() == [b"here"]


def test_all_that_waits_is_answered_before_the_end() -> None:
    version = FakeVersion()

    async def ask() -> list[Any]:
        batcher = Batcher(Limits(), Metrics(), workers=2)
        batcher.start()
        tasks = [asyncio.create_task(batcher.run(version, "rows", [b"a"] * 20)) for _ in range(20)]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await batcher.stop()
        return await asyncio.gather(*tasks)

    assert [len(answer["text"]) for answer in asyncio.run(ask())] == [20] * 20


class MeetingVersion(FakeVersion):
    """Notes how many batches were under way at once; a batch waits a moment for a second one."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting = threading.Barrier(2)
        self.met = 0

    def run(self, signature: str, values: Sequence[bytes]) -> dict[str, np.ndarray]:
        try:
            self.meeting.wait(0.5)
            self.met += 1
        except threading.BrokenBarrierError:
            pass
        return super().run(signature, values)


def test_one_request_of_several_batches_wakes_as_many_threads() -> None:
    version = MeetingVersion()
    answer = with_batcher(
        lambda batcher: batcher.run(version, "rows", [b"a", b"b", b"c", b"d"]),  # type: ignore[arg-type]
        workers=2,
        batch_rows=2,
    )
    assert answer["text"].tolist() == [b"a", b"b", b"c", b"d"]
    assert version.met == 2, "the second thread slept while the first worked on both batches"


def test_a_request_of_one_batch_wakes_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    version, woken = FakeVersion(), []

    class Counting(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            found = super().wait(timeout)
            if threading.current_thread().name == "batcher":
                woken.append(threading.current_thread())
            return found

    monkeypatch.setattr(batcher_module.threading, "Condition", Counting)

    async def ask(batcher: Batcher) -> None:
        await asyncio.sleep(0.05)
        for number in range(1, 11):
            await batcher.run(version, "rows", [b"a", b"b"])  # type: ignore[arg-type]
            # The thread of the request before may take this one too, before the one that was woken looks.
            async with asyncio.timeout(5):
                while len(woken) < number:
                    await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        assert len(woken) == 10

    with_batcher(ask, workers=4)


def test_two_threads_that_finish_the_first_batches_at_once_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    version, meeting = FakeVersion(), threading.Barrier(2)

    class Slow:
        """Stays in the place where the array for the answer is made until the other thread is there too, or cannot."""

        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

        def empty(self, *arguments: Any) -> np.ndarray:
            made = np.empty(*arguments)
            with contextlib.suppress(threading.BrokenBarrierError):
                meeting.wait(0.1)
            return made

    monkeypatch.setattr(batcher_module, "np", Slow())
    values = [b"a", b"bb", b"ccc", b"dddd"]

    async def ask(batcher: Batcher) -> Any:
        version.go.clear()
        # Both threads are in the model when the rows come, and come back from it at once.
        busy = []
        for _ in range(2):
            busy.append(asyncio.create_task(batcher.run(version, "rows", [b"x"])))  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
        asked = asyncio.create_task(batcher.run(version, "rows", values))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        version.go.set()
        await asyncio.gather(*busy)
        return await asked

    answer = with_batcher(ask, workers=2, batch_rows=2)
    assert answer["text"].tolist() == values
    assert answer["length"].tolist() == [[1], [2], [3], [4]]


class Killer(FakeVersion):
    """Ends the thread that runs it, as no exception of a model does."""

    def run(self, signature: str, values: Sequence[bytes]) -> dict[str, np.ndarray]:
        raise SystemExit(3)


def test_a_thread_that_ends_is_answered_for_and_replaced() -> None:
    async def ask(batcher: Batcher) -> Any:
        with pytest.raises(RuntimeError, match="SystemExit: 3"):
            await asyncio.wait_for(batcher.run(Killer(), "rows", [b"a"]), 5)  # type: ignore[arg-type]
        answer = await asyncio.wait_for(batcher.run(FakeVersion(), "rows", [b"b"]), 5)  # type: ignore[arg-type]
        assert batcher.is_working
        return answer

    assert with_batcher(ask)["text"].tolist() == [b"b"]


def test_what_cannot_be_sorted_into_batches_is_answered_and_the_next_too() -> None:
    version = FakeVersion()

    class Broken:
        def choose(self, *_: object) -> range:
            raise ZeroDivisionError("no line through these points")

    async def ask(batcher: Batcher) -> Any:
        cost, version.cost = version.cost, Broken()  # type: ignore[assignment]
        with pytest.raises(RuntimeError, match="no line through these points"):
            await asyncio.wait_for(batcher.run(version, "rows", [b"a"]), 5)  # type: ignore[arg-type]
        version.cost = cost
        return await asyncio.wait_for(batcher.run(version, "rows", [b"b"]), 5)  # type: ignore[arg-type]

    assert with_batcher(ask)["text"].tolist() == [b"b"]


def test_deadlines_hold_where_no_thread_comes_back_from_the_model() -> None:
    version = FakeVersion()

    async def ask(batcher: Batcher) -> None:
        version.go.clear()
        started = time.monotonic()
        asks = (batcher.run(version, "rows", [text]) for text in (b"in the model", b"in the queue"))  # type: ignore[arg-type]
        stuck, queued = await asyncio.wait_for(asyncio.gather(*asks, return_exceptions=True), 5)
        assert time.monotonic() - started < 2.0
        assert (stuck.status, queued.status) == (504, 504)
        assert "did not answer within 0.4 seconds" in stuck.message
        assert "0.1 seconds in the queue" in queued.message
        assert batcher.waiting == 0
        assert not batcher.is_working
        version.go.set()
        while not batcher.is_working:
            await asyncio.sleep(0.01)
        answer = await batcher.run(version, "rows", [b"b"])  # type: ignore[arg-type]
        assert answer["text"].tolist() == [b"b"]

    with_batcher(ask, batch_rows=1, deadline_seconds=0.1, work_seconds=0.4)
