"""What processes of one training tell each other between steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import tensorflow as tf

from agnews.components.training.devices import Devices
from agnews.schemas.errors import AgnewsError, ExitCode


class Agreement:
    """Small numbers that every process gives and every process gets, in the same order.

    All processes have to ask at the same place, for the same number of values.

    Args:
        devices: What was chosen. In a training of one process nobody is asked.
    """

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._gather = tf.function(self._gather_on_replica)

    def gather(self, values: Sequence[int]) -> list[list[int]]:
        """Returns the values of every replica.

        Args:
            values: Those of this process, each within 63 bits.
        """
        if self._devices.workers == 1:
            return [list(values)]
        found = self._devices.strategy.run(self._gather, (tf.constant(values, tf.int64),))
        everyone: list[list[int]] = self._devices.strategy.experimental_local_results(found)[0].numpy().tolist()
        return everyone

    @staticmethod
    def _gather_on_replica(values: tf.Tensor) -> tf.Tensor:
        return tf.distribute.get_replica_context().all_gather(values[tf.newaxis], axis=0)

    def any(self, *asked: bool) -> tuple[bool, ...]:
        """Returns for each whether it is true in any process."""
        everyone = self.gather([int(each) for each in asked])
        return tuple(any(values) for values in zip(*everyone, strict=True))

    def require_same(self, what: str, facts: Mapping[str, object], *, fix: str) -> None:
        """Fails in every process where they were not given the same.

        Args:
            what: The facts in a few words, for the message.
            facts: As JSON can say them.
            fix: What to do.

        Raises:
            AgnewsError: They differ.
        """
        if self._devices.workers == 1:
            return
        digests = [_number(value) for _, value in sorted(facts.items())]
        everyone = self.gather(digests)
        different = [
            f"{name} ({_tell(values, facts[name])})"
            for name, values in zip(sorted(facts), zip(*everyone, strict=True), strict=True)
            if len(set(values)) > 1
        ]
        if different:
            raise AgnewsError(
                f"The processes of this training were not given the same {what}.",
                found=f"different: {', '.join(different)}",
                fix=fix,
                exit_code=ExitCode.FAILED,
            )


def _number(fact: object) -> int:
    digest = hashlib.sha256(json.dumps(fact, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _tell(values: Sequence[int], mine: object) -> str:
    return f"{len(set(values))} kinds; here {str(mine)[:60]}"
