"""How often a request is sent again, and after how long."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from agnews.kubeflow.client.server_error import Failure, ServerError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Retry:
    """Tries again with exponential back-off and full jitter.

    Attributes:
        attempts: How often at most.
        first: Longest pause before the second attempt, in seconds; doubles with each attempt.
        longest: No pause is longer than this.
        sleep: Waits so many seconds.
        chance: Gives a number from 0 to 1.

    References:
        Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
    """

    attempts: int = 5
    first: float = 0.5
    longest: float = 10.0
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = field(default=random.random)

    def repeat(self, request: Callable[[], Result]) -> Result:
        """Sends a request that may be carried out twice without harm.

        Args:
            request: Sends it.

        Returns:
            What the request returns.

        Raises:
            ServerError: If it was refused, or the last attempt failed.
        """
        for attempt in range(1, self.attempts):
            try:
                return request()
            except ServerError as error:
                if not error.may_pass:
                    raise
                self._pause(attempt)
        return request()

    def create(self, request: Callable[[], Result], find: Callable[[], Result | None]) -> Result:
        """Sends a request that must not be carried out twice.

        After a failure that leaves open whether the request was carried out, it looks before it asks again.

        Args:
            request: Creates something.
            find: Returns it if it exists already.

        Returns:
            What was created, by this or by an earlier attempt.

        Raises:
            ServerError: If it was refused, or the last attempt failed.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return request()
            except ServerError as error:
                conflict = error.status == 409
                if not error.may_pass and not conflict:
                    raise
                if attempt < self.attempts and not conflict:
                    # Before the look, not after: what was cut may still be under way.
                    self._pause(attempt)
                if error.failure is Failure.CUT or conflict:
                    found = find()
                    if found is not None:
                        return found
                if conflict or attempt == self.attempts:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _pause(self, attempt: int) -> None:
        self.sleep(self.chance() * min(self.longest, self.first * 2 ** (attempt - 1)))
