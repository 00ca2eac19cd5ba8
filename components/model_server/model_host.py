"""Keeps one version of the model ready, and changes to another one without a pause."""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.model_server.collected_seldom import keep_what_is_there
from agnews.components.model_server.event_log import never_raising
from agnews.components.model_server.json_response import HttpError
from agnews.components.model_server.load_version import load_version
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_server.served_version import ServedVersion
from agnews.components.model_store.find_pushed_model import PushedModel, find_pushed_model
from agnews.components.model_store.model_store import ModelStore
from agnews.components.model_store.serving_leases import ServingLease
from agnews.schemas.errors import AgnewsError

_RENEW_SECONDS = 60.0
_SHOWN = 200


class VersionLease:
    """A lease that the server goes on without if the store cannot be written, as where it is mounted read-only.

    Args:
        store: Where the versions are; None where a version was not taken from a store.
        log: Receives a line when the store refuses.
    """

    def __init__(self, store: ModelStore | None, log: Callable[[str], None]) -> None:
        self._store = store
        self._log = log
        self._lease: ServingLease | None = None
        self._version = ""
        self._renewed = 0.0
        self._is_refused = False

    def take(self, version: str) -> None:
        """Says that a version is used from now on, before it is loaded.

        Args:
            version: Its number.
        """
        if self._store is None:
            return
        try:
            if self._lease is None:
                self._lease = ServingLease(self._store.uri, version)
            else:
                self._lease.renew(version)
        except AgnewsError as error:
            if not self._is_refused:
                self._log(f"nothing keeps version {version} from being pruned: {error.problem} ({error.found})")
            self._is_refused = True
        else:
            self._is_refused = False
        self._version, self._renewed = version, time.monotonic()

    def renew(self) -> None:
        """Says so again, if a minute has gone by."""
        if self._version and time.monotonic() - self._renewed >= _RENEW_SECONDS:
            self.take(self._version)

    def release(self) -> None:
        """Says that nothing is used any more."""
        if self._lease is None:
            return
        try:
            self._lease.release()
        except AgnewsError as error:
            self._log(f"the lease stays until it is five minutes old: {error.problem} ({error.found})")


def return_memory() -> None:
    """Asks the allocator of the C library for what it keeps for later; elsewhere than on glibc nothing happens.

    A loaded model that was closed, and batches of many sizes on several threads, leave gaps that are kept until then.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def version_status(version: str, state: str, error: str = "") -> dict[str, Any]:
    """Describes a version.

    Args:
        version: Its number.
        state: `LOADING`, `AVAILABLE`, `UNLOADING` or `END`.
        error: Why it ended, if it did not end well.

    Returns:
        An entry of `model_version_status`.
    """
    status = {"error_code": "UNKNOWN" if error else "OK", "error_message": error}
    return {"version": version, "state": state, "status": status}


def model_metadata(name: str, version: str, signatures: Mapping[str, Any]) -> dict[str, Any]:
    """Describes the signatures of a version.

    Args:
        name: Of the model.
        version: Its number.
        signatures: From `ServedVersion.describe_signatures`.

    Returns:
        The answer to `GET /v1/models/NAME/metadata`.
    """
    return {
        "model_spec": {"name": name, "signature_name": "", "version": version},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


_RETRY_SECONDS = 60.0
_DRAIN_SECONDS = 0.05
_TIDY_SECONDS = 60.0
_SEE_LOG = "The log of the server says more, and so does this answer to whoever sends the token."


@dataclass(frozen=True)
class _Failure:
    version: str
    message: str
    at: float


class ModelHost:
    """Holds the version that answers requests.

    With a store, it looks at the pointer again and again. When that names another version, newer or older, this is
    loaded and tried beside the one that serves; then new requests go to it, and the old one is closed once its last
    request is answered. A version that cannot be served changes nothing but `detail` and the metrics, and is tried
    again after a minute.

    Args:
        model: The version to begin with.
        store: Where it is from, if from a store.
        follows: Whether to change to other versions.
        metrics: Where changes are counted.
        log: Receives a line when something changes.
        threads: For `load_version`, and so are the next two.
        engine: What classifies.
        batches: How many it computes at once.

    Raises:
        AgnewsError: The first version cannot be served.
    """

    def __init__(
        self,
        model: PushedModel,
        *,
        store: ModelStore | None,
        follows: bool,
        metrics: Metrics,
        log: Callable[[str], None],
        threads: int = 1,
        engine: EngineChoice = EngineChoice.TENSORFLOW,
        batches: int = 1,
    ) -> None:
        self.name = model.record.name
        self._store = store
        self._metrics = metrics
        self._log = never_raising(log)
        self._load = partial(load_version, threads=threads, engine=engine, batches=batches)
        self._follows = follows
        self._looked = time.monotonic()
        if follows and store is not None:
            metrics.pointer_age.set_function(lambda: time.monotonic() - self._looked)
        self._lease = VersionLease(store, self._log)
        self._lease.take(model.record.version)
        self._current = self._load(model)
        self._loading = ""
        self._retired: list[ServedVersion] = []
        self._beside: list[tuple[ServedVersion, VersionLease]] = []
        self._failure: _Failure | None = None
        self._pointer_problem = ""
        metrics.set_version(self.version)

    @property
    def version(self) -> str:
        """The version that answers requests which name none."""
        return self._current.record.version

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions that answer, that of `version` first."""
        return tuple(dict.fromkeys([self.version, *(each.record.version for each, _ in self._beside)]))

    @property
    def current(self) -> ServedVersion:
        """The version itself, for looking at; use `borrow` to work with it."""
        return self._current

    def load_beside(self, model: PushedModel) -> ServedVersion:
        """Loads another version, which stays for as long as the server runs and answers those who ask for it by number.

        Args:
            model: The version.

        Returns:
            The version.

        Raises:
            AgnewsError: It cannot be served, or has other classes than the one in production.
        """
        if model.record.classes != self._current.record.classes:
            raise AgnewsError(
                f"Version {model.record.version} has other classes than the one that is served.",
                found=", ".join(model.record.classes),
                fix="Choose a version with the same classes.",
            )
        lease = VersionLease(self._store, self._log)
        lease.take(model.record.version)
        loaded = self._load(model)
        self._beside.append((loaded, lease))
        return loaded

    @contextmanager
    def borrow(self, name: str, version: str = "") -> Iterator[ServedVersion]:
        """Hands out a version and keeps it open meanwhile.

        Args:
            name: Of the model.
            version: A number, or nothing for the one in production.

        Yields:
            The version.

        Raises:
            HttpError: 404 in TensorFlow Serving's words where it is not served.
        """
        found = None
        if name == self.name:
            here = [self._current, *self._retired, *(each for each, _ in self._beside)]
            found = next((each for each in here if version in ("", each.record.version)), None)
        if found is None:
            wanted = f"Specific({name[:_SHOWN]}, {version})" if version else f"Latest({name[:_SHOWN]})"
            raise HttpError(404, f"Servable not found for request: {wanted}")
        found.users += 1
        try:
            yield found
        finally:
            found.users -= 1

    def status(self, name: str, version: str = "") -> dict[str, Any]:
        """Tells the state of the versions.

        Args:
            name: Of the model.
            version: A number, or nothing for all.

        Returns:
            The answer to `GET /v1/models/NAME`.

        Raises:
            HttpError: 404 in TensorFlow Serving's words where it is not served.
        """
        states = [version_status(self.version, "AVAILABLE")]
        states += [version_status(each.record.version, "UNLOADING") for each in self._retired]
        others = [each.record.version for each, _ in self._beside]
        states += [version_status(each, "AVAILABLE") for each in others if each != self.version]
        if self._loading:
            states.append(version_status(self._loading, "LOADING"))
        elif self._failure:
            states.append(version_status(self._failure.version, "END", self._failure.message))
        if version:
            states = [each for each in states if each["version"] == version]
        if name != self.name or not states:
            wanted = f"version {version}" if version else "any versions"
            raise HttpError(404, f"Could not find {wanted} of model {name[:_SHOWN]}")
        states.sort(key=lambda each: int(each["version"]), reverse=True)
        return {"model_version_status": states}

    def detail(self, *, tells_why: bool = True) -> dict[str, Any]:
        """Tells which model and version serves, and what is wrong with the version that should.

        Args:
            tells_why: Whether errors are told in full, with the paths that are in them.
        """
        failure: dict[str, str] | None = None
        if self._failure:
            error = self._failure.message if tells_why else _SEE_LOG
            failure = {"version": self._failure.version, "error": error}
        problem = self._pointer_problem if tells_why or not self._pointer_problem else _SEE_LOG
        return {
            "name": self.name,
            "version": self.version,
            "engine": self._current.engine,
            "loading": self._loading or None,
            "broken": failure,
            "pointer_problem": problem or None,
        }

    async def watch(self, seconds: float) -> None:
        """Looks at the pointer, renews the lease, and keeps the memory small, for ever; the last also without a store.

        Args:
            seconds: Between two looks.
        """
        tidied = time.monotonic()
        while True:
            await asyncio.sleep(seconds)
            if time.monotonic() - tidied >= _TIDY_SECONDS:
                await asyncio.to_thread(return_memory)
                tidied = time.monotonic()
            try:
                for lease in (self._lease, *(each for _, each in self._beside)):
                    await asyncio.to_thread(lease.renew)
                if self._follows and self._store is not None:
                    await self._look(self._store)
            except Exception as error:  # noqa: BLE001 - to go on watching matters more than what went wrong once
                self._tell_once(f"{type(error).__name__}: {error}")

    async def _look(self, store: ModelStore) -> None:
        """Changes to the version that the pointer names, if that is another one."""
        try:
            wanted = await asyncio.to_thread(find_pushed_model, store)
        except AgnewsError as error:
            self._tell_once(f"{error.problem} ({error.found})")
            return
        self._looked = time.monotonic()
        self._tell_once("")
        version = wanted.record.version
        if version == self.version:
            self._failure = None
            self._metrics.broken.set(0)
            return
        failure = self._failure
        if failure and failure.version == version and time.monotonic() - failure.at < _RETRY_SECONDS:
            return
        await self._change_to(wanted)

    async def _change_to(self, wanted: PushedModel) -> None:
        self._loading = wanted.record.version
        await asyncio.to_thread(self._lease.take, wanted.record.version)
        try:
            loaded = await asyncio.to_thread(self._load, wanted)
        except AgnewsError as error:
            self._loading = ""
            self._failure = _Failure(wanted.record.version, f"{error.problem} {error.found}", time.monotonic())
            self._metrics.broken.set(1)
            self._metrics.switches.labels("failed").inc()
            self._log(f"still serving version {self.version}: {error.problem} {error.found}")
            await asyncio.to_thread(self._lease.take, self.version)
            return
        self._loading = ""
        before, self._current = self._current, loaded
        self._failure = None
        self._metrics.broken.set(0)
        self._metrics.set_version(self.version)
        self._metrics.switches.labels("done").inc()
        self._log(
            f"serving version {self.version} in place of {before.record.version}: accuracy "
            f"{100 * loaded.record.accuracy:.2f} %, {loaded.engine}, loaded in {loaded.load_seconds:.1f} s"
        )
        self._retired.append(before)
        while before.users:
            await asyncio.sleep(_DRAIN_SECONDS)
        self._retired.remove(before)
        await asyncio.to_thread(_free, before)

    def _tell_once(self, problem: str) -> None:
        if problem and problem != self._pointer_problem:
            self._log(f"still serving version {self.version}: {problem}")
        self._pointer_problem = problem

    def close(self) -> None:
        """Frees the memory and the version."""
        self._current.close()
        self._lease.release()
        for version, lease in self._beside:
            version.close()
            lease.release()


def _free(version: ServedVersion) -> None:
    version.close()
    keep_what_is_there()
    return_memory()
