"""The id that a request is known by, in logs and in answers."""

from __future__ import annotations

import itertools
import re
import secrets

_VALID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class RequestIds:
    """Takes the id that a client gives, if it is one, or makes one."""

    def __init__(self) -> None:
        # Unique among restarts and replicas by its first part, and cheap to count on.
        self._prefix = secrets.token_hex(8).encode()
        self._numbers = itertools.count()

    def accept(self, given: bytes) -> bytes:
        """Returns the id of a request.

        Args:
            given: What the client calls it; empty for nothing.
        """
        return given if _VALID.fullmatch(given) else b"%s-%x" % (self._prefix, next(self._numbers))
