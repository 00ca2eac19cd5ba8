"""Hands answers on to whoever looks on: the log of requests, a shadow, the counters of a canary."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agnews.components.model_server.served_version import Outputs
from agnews.components.model_server.serving_state import ServingState
from agnews.schemas.features import CLASS_LABEL


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and its answer.

    Attributes:
        request_id: Its id.
        version: That answered.
        texts: That were asked for.
        outputs: Arrays by the name of the output, one row a text.
        seconds: That it took.
    """

    request_id: str
    version: str
    texts: Sequence[bytes]
    outputs: Outputs
    seconds: float


class Onlookers:
    """Whoever looks on comes after those who asked.

    What is handed on waits for the next turn of the event loop. Until then all requests of a batch are answered: work
    in between would spread them, and the requests that follow them too, so that the model would get smaller batches.

    Args:
        state: The server.
    """

    def __init__(self, state: ServingState) -> None:
        self._state = state
        self._waiting: list[Answered] = []

    def note(self, answered: Answered) -> None:
        """Takes an answer that is about to be sent; to be called in the event loop, and never waits.

        Args:
            answered: It.
        """
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._hand_on)
        self._waiting.append(answered)

    def _hand_on(self) -> None:
        state = self._state
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if state.request_log is not None:
                state.request_log.offer(each.request_id, each.version, each.texts, each.outputs, each.seconds)
            if state.shadow is not None:
                state.shadow.offer(each.request_id, each.texts, each.outputs)
            if state.shadow is not None or state.canary is not None:
                for label, count in Counter(each.outputs[CLASS_LABEL].tolist()).items():
                    state.metrics.answered_rows.labels(each.version, label.decode(errors="replace")).inc(count)
