"""The server's word on which version it uses, for those who clean up the store."""

from __future__ import annotations

import time
from collections.abc import Callable

from agnews.components.model_store.model_store import ModelStore
from agnews.components.model_store.serving_leases import ServingLease
from agnews.schemas.errors import AgnewsError

_RENEW_SECONDS = 60.0


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
                self._lease = ServingLease(self._store, version)
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
