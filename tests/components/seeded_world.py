"""A storage in memory that a seed drives: it cuts processes at any call, loses what was not synced, and lists late."""

from __future__ import annotations

import errno
import heapq
import io
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Literal, TypeVar

from agnews.components.storage.claim_lock import claim_lock
from agnews.components.storage.files import ChangedError, Files, FileState, Tagged

_Value = TypeVar("_Value")

Kind = Literal["disk", "conditional", "plain"]
"""A local disk; an object store that knows conditional writes; one that lets every writer succeed."""

SCHEME = "seeded"
_QUIET = "seeded://sources"
"""What is here belongs to nobody's store: reading it is no step."""


@lru_cache(maxsize=100_000)
def _folders(path: str) -> tuple[str, ...]:
    start = len(f"{SCHEME}://")
    return tuple(path[:place] for place, sign in enumerate(path) if sign == "/" and place >= start)


class Tree(dict[str, _Value]):
    """Values by path, with the paths below each folder at hand."""

    def __init__(self) -> None:
        super().__init__()
        self._below: dict[str, dict[str, None]] = {}
        self._names: dict[str, list[str]] = {}

    def copy(self) -> Tree[_Value]:
        made: Tree[_Value] = Tree()
        dict.update(made, self)
        made._below = {folder: paths.copy() for folder, paths in self._below.items()}
        return made

    def __setitem__(self, path: str, value: _Value) -> None:
        if path not in self:
            for folder in _folders(path):
                self._names.pop(folder, None)
                below = self._below.get(folder)
                if below is None:
                    self._below[folder] = {path: None}
                else:
                    below[path] = None
        super().__setitem__(path, value)

    def __delitem__(self, path: str) -> None:
        super().__delitem__(path)
        for folder in _folders(path):
            self._names.pop(folder, None)
            below = self._below[folder]
            del below[path]
            if not below:
                del self._below[folder]

    def take(self, path: str) -> _Value | None:
        value = self.get(path)
        if path in self:
            del self[path]
        return value

    def names(self, folder: str) -> list[str]:
        found = self._names.get(folder)
        if found is None:
            start = len(folder) + 1
            found = sorted({path[start:].partition("/")[0] for path in self._below.get(folder, ())})
            self._names[folder] = found
        return found.copy()

    def below(self, folder: str) -> list[str]:
        return list(self._below.get(folder, ()))

    def has(self, folder: str) -> bool:
        return folder in self._below


class CutError(BaseException):
    """The process was killed: nothing that it would still do happens, not even what is in a `finally`."""


class World:
    """What all processes share, and the one clock.

    Args:
        seed: Drives all that is left to chance.
        kind: Of the storage.
        list_delay: Steps until a list may show a change.
    """

    def __init__(self, seed: int, kind: Kind, list_delay: int = 0) -> None:
        self.random = random.Random(seed)
        self.kind = kind
        self.list_delay = list_delay
        self.seconds = 1_800_000_000.0
        self.steps = 0
        self.files: Tree[bytes] = Tree()
        self.tags: dict[str, int] = {}
        self.tagged: dict[str, Tagged] = {}
        self.changed: dict[str, float] = {}
        self.written = 0
        # What lists show, which change of each file that is, and the changes that they will show, by their step.
        self.listed: Tree[int] = Tree()
        self.newest_listed: dict[str, int] = {}
        self.unlisted: list[tuple[int, int, str, bool]] = []
        self.disk: Tree[bytes] = Tree()
        self.unsynced: list[tuple[str, Callable[[Tree[bytes]], None]]] = []
        self.holder: Client | None = None
        self.current = Client(self)
        self.on_change: Callable[[str], None] = lambda path: None

    def now(self, zone: tzinfo | None = UTC) -> datetime:
        return datetime.fromtimestamp(self.seconds, zone)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def clock(self) -> type[datetime]:
        """A `datetime` that tells the time of this world."""

        class Now(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return self.now(tz)

        return Now

    @contextmanager
    def process(self, client: Client) -> Iterator[Client]:
        """What runs inside finds this client wherever it opens a place."""
        before, self.current = self.current, client
        try:
            yield client
        finally:
            if self.holder is client:
                self.holder = None
            self.current = before

    def power_cut(self) -> None:
        """Of what was not synced, any part is lost; an object store has no power cut."""
        if self.kind != "disk":
            return
        for _, apply in self.unsynced:
            if self.random.random() < 0.5:
                apply(self.disk)
        self.unsynced.clear()
        self.written += 1
        self.files = self.disk.copy()

    def put(self, path: str, content: bytes | None) -> None:
        self.written += 1
        self.tags[path] = self.written
        self.tagged.pop(path, None)
        self.changed[path] = self.seconds
        if content is None:
            self.files.take(path)
        else:
            self.files[path] = content
        if self.list_delay:
            step = self.steps + self.random.randint(0, self.list_delay)
            heapq.heappush(self.unlisted, (step, self.written, path, content is not None))
        self.on_change(path)

    def later(self, folder: str, apply: Callable[[Tree[bytes]], None]) -> None:
        self.unsynced.append((folder, apply))

    def sync(self, folder: str) -> None:
        left = []
        for where, apply in self.unsynced:
            if where == folder:
                apply(self.disk)
            else:
                left.append((where, apply))
        self.unsynced = left

    def shown(self, client: Client, folder: str) -> Tree[Any]:
        """What a list of a folder is made from."""
        if not self.list_delay or client.observes or folder.startswith(_QUIET):
            return self.files
        while self.unlisted and self.unlisted[0][0] <= self.steps:
            _, change, path, is_there = heapq.heappop(self.unlisted)
            if change > self.newest_listed.get(path, 0):
                self.newest_listed[path] = change
                if is_there:
                    self.listed[path] = change
                else:
                    self.listed.take(path)
        return self.listed


class Client(Files):
    """One process's view of the storage.

    Args:
        world: The storage.
        cut_at: Step at which the process is killed, counted from 1; 0 for never.
        power: Whether the machine goes down with it.
        fail_at: Step at which the storage fails instead.
        lost_at: Step whose answer is lost: it is done, and the process is told that it failed.
        meanwhile: What others do right before a step, by the number of the step.
        observes: Sees everything at once and makes no steps.
    """

    tensorflow_opens = False

    def __init__(
        self,
        world: World,
        *,
        cut_at: int = 0,
        power: bool = False,
        fail_at: int = 0,
        lost_at: int = 0,
        meanwhile: dict[int, Callable[[], None]] | None = None,
        observes: bool = False,
    ) -> None:
        self.world = world
        self.cut_at, self.power, self.meanwhile, self.observes = cut_at, power, meanwhile or {}, observes
        self.fail_at, self.lost_at = fail_at, lost_at
        self.is_disturbed = bool(cut_at or fail_at or self.meanwhile)
        self.steps = 0
        self.is_dead = False
        self.renames_atomically = world.kind == "disk"

    def step(self, path: str = "") -> None:
        if self.observes or path.startswith(_QUIET):
            return
        if self.is_dead:
            raise CutError
        self.steps += 1
        world = self.world
        world.steps += 1
        world.seconds += 0.01
        if not self.is_disturbed:
            return
        if happens := self.meanwhile.get(self.steps):
            happens()
        if self.steps == self.cut_at:
            self.is_dead = True
            if self.power:
                self.world.power_cut()
            raise CutError
        if self.steps == self.fail_at:
            raise OSError(errno.EIO, "The storage failed")

    def _answer(self) -> None:
        if self.lost_at and self.steps >= self.lost_at and not self.observes:
            self.lost_at = 0
            raise OSError(errno.EIO, "The answer was lost")

    def exists(self, path: str) -> bool:
        self.step(path)
        files = self.world.files
        return path in files or files.has(path)

    def names(self, folder: str) -> list[str]:
        self.step(folder)
        return self.world.shown(self, folder).names(folder)

    def files_below(self, folder: str) -> list[str]:
        self.step(folder)
        start = len(folder) + 1
        return sorted(path[start:] for path in self.world.shown(self, folder).below(folder))

    def _content(self, path: str) -> bytes:
        try:
            return self.world.files[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file", path) from None

    def state(self, path: str) -> FileState:
        self.step(path)
        return FileState(len(self._content(path)), int(self.world.changed.get(path, 0) * 1e9) + self.world.tags[path])

    def open(self, path: str) -> io.BufferedReader:
        self.step(path)
        return io.BufferedReader(io.BytesIO(self._content(path)))  # type: ignore[arg-type]

    def read(self, path: str) -> Iterator[bytes]:
        self.step(path)
        yield self._content(path)

    def read_bytes(self, path: str) -> bytes:
        self.step(path)
        return self._content(path)

    def read_tagged(self, path: str) -> Tagged:
        self.step(path)
        content, found = self._content(path), self.world.tagged.get(path)
        if found is None or found.content is not content:
            found = self.world.tagged[path] = Tagged(content, str(self.world.tags[path]))
        return found

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        content = b"".join(chunks)
        self.step(path)
        if self.world.kind != "disk":
            self.world.put(path, content)
            self._answer()
            return
        # The content is synced under another name before.
        self.world.put(path, content)
        folder = path.rpartition("/")[0]
        self.world.later(folder, lambda disk: disk.__setitem__(path, content))
        self.step(path)
        self.world.sync(folder)

    def create(self, path: str, content: bytes) -> str:
        self.step(path)
        if path in self.world.files:
            raise FileExistsError(errno.EEXIST, "It exists", path)
        return self._put_small(path, content)

    def replace(self, path: str, content: bytes, expected_etag: str | None = None) -> str:
        self.step(path)
        if expected_etag is not None and (path not in self.world.files or str(self.world.tags[path]) != expected_etag):
            raise ChangedError(errno.ESTALE, "It was replaced", path)
        return self._put_small(path, content)

    def _put_small(self, path: str, content: bytes) -> str:
        if self.world.kind == "plain":
            self.step(path)  # Looking and writing are two things here.
        self.world.put(path, content)
        if self.world.kind == "disk":
            folder = path.rpartition("/")[0]
            self.world.later(folder, lambda disk: disk.__setitem__(path, content))
            self.step(path)
            self.world.sync(folder)
        self._answer()
        return str(self.world.tags[path])

    def decides_races(self, folder: str) -> bool:
        return self.world.kind != "plain"

    def lock(self, folder: str, seconds: float) -> AbstractContextManager[None]:
        if self.world.kind == "conditional":
            return nullcontext()
        if self.world.kind == "plain":
            return claim_lock(self, folder, 0.0, clock=lambda: self.world.seconds, sleep=self.world.sleep)
        return self._file_lock(folder)

    @contextmanager
    def _file_lock(self, folder: str) -> Iterator[None]:
        self.step(folder)
        if self.world.holder is not None and not self.world.holder.is_dead:
            raise TimeoutError(errno.ETIMEDOUT, "It is held")
        self.world.holder = self
        try:
            yield
        finally:
            self.world.holder = None

    def rename(self, source: str, target: str) -> None:
        self.step(source)

        def apply(disk: Tree[bytes]) -> None:
            for path in disk.below(source):
                disk[target + path[len(source) :]] = disk[path]
                del disk[path]

        if self.world.files.has(target):
            raise OSError(errno.ENOTEMPTY, "Not empty", target)
        apply(self.world.files)
        self.world.written += 1
        for path in self.world.files.below(target):
            self.world.tags.setdefault(path, 0)
        self.world.on_change(target)
        parent = source.rpartition("/")[0]
        self.world.later(parent, apply)
        self.step(source)
        self.world.sync(parent)

    def remove_file(self, path: str) -> None:
        self.step(path)
        if path in self.world.files:
            self.world.put(path, None)
            self.world.later(path.rpartition("/")[0], lambda disk: disk.take(path) and None)

    def sync_folder(self, path: str) -> None:
        if self.world.kind == "disk":
            self.step(path)
            self.world.sync(path)

    def remove(self, folder: str) -> None:
        for name in self.files_below(folder):
            self.remove_file(f"{folder}/{name}")
        if self.world.kind == "disk":
            self.step(folder)
            # The folder above is synced, and with it goes all that was in this one.
            for where in sorted({where for where, _ in self.world.unsynced if f"{where}/".startswith(f"{folder}/")}):
                self.world.sync(where)
