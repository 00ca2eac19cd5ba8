"""Takes what was asked and answered off the path of requests, and keeps it."""

from __future__ import annotations

import queue
import secrets
import shutil
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agnews.components.drift.measure_texts import Alphabet
from agnews.components.request_log.places import Places
from agnews.components.request_log.publish_spools import (
    publish_spool,
    recover_spools,
    remove_old_days,
    spool_name,
)
from agnews.components.request_log.redaction import Redaction
from agnews.components.request_log.spool import COUNTS, SUFFIX, Counts, Spool
from agnews.components.request_log.tabulate_requests import tabulate_requests
from agnews.components.request_log.waiting_rows import WaitingRows, request_bytes
from agnews.schemas.features import CLASS_LABEL, PROBABILITIES
from agnews.schemas.kept_text import KeptText

_FLUSH_SECONDS = 0.5
_MOST_WAITING_BYTES = 32 << 20
_PART_BYTES = 64 << 20
_MOST_SPOOL_BYTES = 1 << 30
_LEAST_FREE_BYTES = 256 << 20
_LOOK_SECONDS = 60.0
_RETRY_SECONDS = 30.0
_TIDY_SECONDS = 3600.0
# A day of 2,000 requests is measured whole; under load a few in a second are enough to see drift.
_MEASURED_PER_SECOND = 8.0
_MEASURED_AT_ONCE = 2000.0
_MOST_SHADOWED = 1024
"""Requests whose second answer waits to be written."""


@dataclass(frozen=True)
class LogSettings:
    """What is kept.

    Attributes:
        places: Where.
        text: `all` keeps texts, `hashed` their digests, `none` neither.
        sample: Share of requests.
        keep_days: Days after which requests are removed.
        redaction: Applied to texts before anything is written.
    """

    places: Places
    text: KeptText = KeptText.ALL
    sample: float = 1.0
    keep_days: int = 30
    redaction: Redaction = field(default_factory=Redaction)

    def describe(self) -> str:
        """Says it in a sentence, for whoever sends texts here."""
        texts = {
            KeptText.ALL: "with their texts",
            KeptText.HASHED: "without their texts, of which a digest is kept",
            KeptText.NONE: "without their texts",
        }[self.text]
        share = "Requests" if self.sample >= 1 else f"{100 * self.sample:g} % of the requests"
        return f"{share} are kept for {self.keep_days} days, {texts}."


class RequestLog:
    """Writes rows to a spool twice a second, and spools to files of their hour.

    `offer` is all that a request pays for: it copies into columns. A thread measures, redacts and writes; a row counts
    as logged once the spool is synced. Another thread writes files. What does not fit, into memory or onto the disk, is
    dropped and counted.

    Args:
        settings: What is kept.
        alphabet: Of the vocabulary of the version that is served, asked for before each batch.
        tell: Receives a line when something goes wrong.
        count: Receives an outcome (`logged`, `dropped`, `lost`) and a number of rows.

    Raises:
        OSError: The spool's folder cannot be written.
    """

    def __init__(
        self,
        settings: LogSettings,
        *,
        alphabet: Callable[[], Alphabet] = lambda: Alphabet(""),
        tell: Callable[[str], None] = lambda line: None,
        count: Callable[[str, int], None] = lambda outcome, rows: None,
    ) -> None:
        self.settings = settings
        self._alphabet = alphabet
        self._tell = tell
        self._count = count
        self._instance = secrets.token_hex(6)
        self._threshold = int(settings.sample * (1 << 32))
        # Held for as long as it takes to add a row, or to take all of them away.
        self._lock = threading.Lock()
        self._waiting = WaitingRows()
        # Each is written by one thread alone.
        self._offered = self._dropped_early = 0
        self._synced = self._dropped_late = self._writing_bytes = 0
        self._folder = settings.places.spool
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._counts = Counts(self._folder / f"{self._instance}{COUNTS}")
        self._spool: Spool | None = None
        self._hour = datetime.now(UTC)
        self._parts = 0
        self._looked = -_LOOK_SECONDS
        self._has_room = True
        self._problem = ""
        self._allowance, self._allowed_at = _MEASURED_AT_ONCE, time.monotonic()
        self._is_closing = threading.Event()
        self._closed_spools: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("request log", self._work), ("request log files", self._publish))
        ]

    def start(self) -> None:
        """Starts to write."""
        for thread in self._threads:
            thread.start()

    def offer(
        self, request_id: str, version: str, texts: Sequence[bytes], outputs: Mapping[str, Any], seconds: float
    ) -> None:
        """Takes a request that was answered; to be called by one thread, which never waits here.

        Args:
            request_id: Its id.
            version: That answered.
            texts: That were asked for.
            outputs: The answers, with `label` and `probabilities`.
            seconds: That it took.
        """
        if not self._keeps(request_id):
            return
        rows = len(texts)
        self._offered += rows
        self._counts.set_offered(self._offered)
        answers = outputs[CLASS_LABEL], outputs[PROBABILITIES]
        size = request_bytes(texts, answers[1])
        with self._lock:
            has_room = self._waiting.size + self._writing_bytes + size <= _MOST_WAITING_BYTES
            if has_room:
                self._waiting.add(request_id, version, texts, *answers, time.time(), seconds)
        if not has_room:
            self._dropped_early += rows
            self._counts.set_dropped(self._dropped_early + self._dropped_late)
            self._count("dropped", rows)

    def offer_shadow(
        self, request_id: str, version: str, texts: Sequence[bytes], outputs: Mapping[str, Any], seconds: float
    ) -> bool:
        """Takes what a shadow says of a request that was answered; to be called by one thread, and not that of `offer`.

        Such rows are in no counter: nobody was answered with them.

        Args:
            request_id: Its id.
            version: Of the shadow.
            texts: That were asked for.
            outputs: The answers, with `label` and `probabilities`.
            seconds: That they took.

        Returns:
            Whether there was room.
        """
        if not self._keeps(request_id):
            return True
        answers = outputs[CLASS_LABEL], outputs[PROBABILITIES]
        size = request_bytes(texts, answers[1])
        with self._lock:
            # The first to be left out: rows that somebody got fill the other half of the memory.
            has_room = self._waiting.shadows < _MOST_SHADOWED and self._waiting.size + size <= _MOST_WAITING_BYTES // 2
            if has_room:
                self._waiting.add(request_id, version, texts, *answers, time.time(), seconds, is_shadow=True)
        return has_room

    def _keeps(self, request_id: str) -> bool:
        return self._threshold >> 32 != 0 or zlib.crc32(request_id.encode()) < self._threshold

    def flush(self, seconds: float = 5.0) -> bool:
        """Waits until all that was offered is synced or dropped.

        Args:
            seconds: For how long.

        Returns:
            Whether it is.
        """
        wanted, end = self._offered, time.monotonic() + seconds
        while self._synced + self._dropped_early + self._dropped_late < wanted:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def close(self, seconds: float = 10.0) -> None:
        """Writes what is waiting, as files where the log can be reached; the rest is taken up at the next start.

        Args:
            seconds: The most that it may take.
        """
        if self._is_closing.is_set():
            return
        end = time.monotonic() + seconds
        self._is_closing.set()
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        if not any(self._folder.glob(f"{self._instance}-*{SUFFIX}")):
            self._counts.remove()

    def _work(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._is_closing.wait(_FLUSH_SECONDS)
            try:
                self._flush()
            except Exception as error:  # noqa: BLE001 - the log goes on after what it could not write
                self._complain(f"requests are not logged: {type(error).__name__}: {error}")
        self._end_spool()
        self._closed_spools.put(None)

    def _flush(self) -> None:
        now = datetime.now(UTC)
        if self._spool and (self._spool.size > _PART_BYTES or f"{now:%d%H}" != f"{self._hour:%d%H}"):
            self._end_spool()
        with self._lock:
            taken, self._waiting = self._waiting, WaitingRows()
            self._writing_bytes = taken.size
        if not taken.ids:
            return
        rows = taken.answered
        logged = False
        try:
            if self._may_write():
                if self._spool is None:
                    self._hour, self._parts = now, self._parts + 1
                    self._spool = Spool(self._folder / spool_name(self._instance, now, self._parts))
                measured = self._allow(taken.rows)
                kept, redaction = self.settings.text, self.settings.redaction
                self._spool.append(tabulate_requests(taken, kept, redaction, self._alphabet(), measured))
                logged, self._problem = True, ""
        finally:
            self._writing_bytes = 0
            if logged:
                self._synced += rows
                self._counts.set_synced(self._synced)
            else:
                self._dropped_late += rows
                self._counts.set_dropped(self._dropped_early + self._dropped_late)
            self._count("logged" if logged else "dropped", rows)

    def _allow(self, rows: int) -> int:
        """Says how many of some rows are measured."""
        now = time.monotonic()
        more = (now - self._allowed_at) * _MEASURED_PER_SECOND
        self._allowance, self._allowed_at = min(_MEASURED_AT_ONCE, self._allowance + more), now
        allowed = min(rows, int(self._allowance))
        self._allowance -= allowed
        return allowed

    def _may_write(self) -> bool:
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._looked = time.monotonic()
            free = shutil.disk_usage(self._folder).free
            used = sum(path.stat().st_size for path in self._folder.glob(f"*{SUFFIX}"))
            self._has_room = free >= _LEAST_FREE_BYTES and used <= _MOST_SPOOL_BYTES
            if not self._has_room:
                self._complain(
                    f"requests are not logged: {used >> 20} MiB wait in {self._folder}, {free >> 20} MiB are free"
                )
        return self._has_room

    def _end_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._closed_spools.put(self._spool.path)
            self._spool = None

    def _publish(self) -> None:
        waiting: list[Path] = []
        tidied, recovered, is_last = -_TIDY_SECONDS, False, False
        while True:
            try:
                while waiting:
                    publish_spool(self.settings.places, waiting[0])
                    waiting.pop(0)
                if is_last:
                    return
                if not recovered:
                    self._recover()
                    recovered = True
                if time.monotonic() - tidied >= _TIDY_SECONDS:
                    tidied = time.monotonic()
                    remove_old_days(self.settings.places, self.settings.keep_days)
            except Exception as error:  # noqa: BLE001 - it is tried again, at the latest by the next server
                self._complain(f"files of requests are not written: {type(error).__name__}: {error}")
                if is_last:
                    return
            with suppress(queue.Empty):
                path = self._closed_spools.get(timeout=_TIDY_SECONDS if recovered and not waiting else _RETRY_SECONDS)
                is_last = path is None
                waiting += [path] if path is not None else []

    def _recover(self) -> None:
        lost = recover_spools(self.settings.places, self._tell)
        if lost:
            self._count("lost", lost)

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            self._tell(problem)
        self._problem = problem
