"""Thousands of seeded histories of the lock of a root folder: processes that come, go, are killed and leave things.

`AGNEWS_SEED=N pytest -k replay_of_the_lock` runs one again; a failure prints its number.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from agnews.pipeline.paths import root_lock
from agnews.schemas.errors import AgnewsError, ExitCode

OPERATIONS = 30


class History:
    """Five processes and one root folder. What a process holds, the system frees when it is killed.

    Args:
        seed: Drives everything.
        folder: The root folder.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.path = folder / ".lock"
        self.holder: tuple[str, AbstractContextManager[None]] | None = None
        self.damaged = False
        self.story: list[str] = []
        self.kills = 0

    def come(self, name: str) -> None:
        lock = root_lock(self.path, name)
        try:
            lock.__enter__()
        except AgnewsError as error:
            refusal = error
        else:
            refusal = None
        if refusal is not None:
            assert self.holder is not None, "a lock that nobody holds was refused"
            assert refusal.exit_code == ExitCode.LOCKED
            named = f"process {os.getpid()} ({self.holder[0]}), since 20"
            assert self.damaged or named in str(refusal), "the message names another"
            self.story.append(f"{name}: refused")
            return
        assert self.holder is None, "two hold the lock"
        self.holder, self.damaged = (name, lock), False
        self.story.append(f"{name}: has it")

    def go(self, how: str) -> None:
        if self.holder is None:
            return
        name, lock = self.holder
        self.holder = None
        self.story.append(f"{name}: {how}")
        if how == "killed":
            # Nothing in a `finally` happens; the system closes what was open.
            self.kills += 1
            content = self.path.with_suffix(".json").read_bytes() if self.path.with_suffix(".json").exists() else None
            lock.__exit__(None, None, None)
            if content is not None:
                self.path.with_suffix(".json").write_bytes(content)
            return
        if how == "interrupted":
            error = KeyboardInterrupt()
            assert not lock.__exit__(KeyboardInterrupt, error, error.__traceback__), "Ctrl-C was swallowed"
        else:
            lock.__exit__(None, None, None)

    def damage(self) -> None:
        """What a full disk or a hand leaves of the file that says who holds the lock."""
        place = self.path.with_suffix(".json")
        how = self.random.choice(["gone", "empty", "half", "other"])
        self.story.append(f"the file that says who it is: {how}")
        self.damaged = True
        if how == "gone":
            place.unlink(missing_ok=True)
        else:
            place.write_bytes({"empty": b"", "half": b'{"pid": 1, "purp', "other": b'["x"]'}[how])

    def run(self) -> None:
        for number in range(OPERATIONS):
            what = self.random.choice(["come", "come", "come", "go", "killed", "interrupted", "damage"])
            if number == OPERATIONS // 2 and self.holder:
                what = "killed"
            if what == "come":
                self.come(f"process {self.random.randint(1, 5)}")
            elif what == "damage":
                self.damage()
            else:
                self.go({"go": "goes"}.get(what, what))
        self.go("goes")
        self.come("the last one")
        assert self.holder is not None
        self.go("goes")


def run_histories(seeds: Iterable[int], folder: Path) -> None:
    for seed in seeds:
        place = folder / str(seed)
        place.mkdir()
        history = History(seed, place)
        try:
            history.run()
        except BaseException as error:
            story = "\n  ".join(history.story)
            raise AssertionError(f"AGNEWS_SEED={seed} runs this again: {error!r}\n  {story}") from error


@pytest.mark.integration
def test_no_history_of_the_lock_lets_two_in_or_keeps_all_out(tmp_path: Path) -> None:
    run_histories(range(2000), tmp_path)


@pytest.mark.long
def test_no_history_of_ten_thousand_locks_does(tmp_path: Path) -> None:
    run_histories(range(10_000, 20_000), tmp_path)


@pytest.mark.skipif("AGNEWS_SEED" not in os.environ, reason="AGNEWS_SEED names the history to run again")
def test_replay_of_the_lock(tmp_path: Path) -> None:
    run_histories([int(os.environ["AGNEWS_SEED"])], tmp_path)
