"""A version of the model in memory, ready to answer."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.model_server.batch_cost import BatchCost
from agnews.components.model_store.find_pushed_model import PushedModel
from agnews.components.serving_model.abstains import abstains
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.features import CLASS_ID, CLASS_LABEL, PROBABILITIES, SERVE_TEXT

Outputs = Mapping[str, NDArray[Any]]

ABSTAINED = "abstained"
"""bool (rows,), where the likeliest class is too unlikely to be given as an answer."""

_WARM_UP_WORDS = (8, 40, 120)
_WARM_UP_ROWS = (1, 4, 16)
_WARM_UP_ROUNDS = 3


class UnusableTextsError(ValueError):
    """The model cannot work on what it was given."""


@dataclass(frozen=True)
class ServedSignature:
    """A function of the model that takes one batch of strings.

    Attributes:
        argument: Name of its input.
        is_row_wise: Whether a row's outputs have the same shape whatever rows are beside it, so that the rows of
            several requests can be answered in one batch.
        outputs: Names of what the model gives, in its order; `ServedVersion.returned` says what is answered.
    """

    argument: str
    is_row_wise: bool
    outputs: tuple[str, ...]


class ServedVersion(ABC):
    """What the server asks of a version, whatever engine it is in.

    Args:
        model: The pushed version.
        engine: Name of what classifies: `tensorflow`, or engine and precision of an export.

    Attributes:
        record: What is known about the version.
        corpus: What its texts are, in the words of whoever described them.
        signatures: Functions that take one batch of strings, by name.
        signature_defs: All functions, by name.
        users: Requests that are being answered; counted by the event loop alone.
        cost: What a batch costs.
        load_seconds: That it took to load.
    """

    def __init__(self, model: PushedModel, engine: str) -> None:
        self.record = model.record
        self._abstains_below = model.abstains_below()
        self.corpus = model.corpus()
        self.folder = model.folder
        self.engine = engine
        self.signatures: dict[str, ServedSignature] = {}
        self.signature_defs: Mapping[str, Any] = {}
        self.users = 0
        self.cost = BatchCost(seconds=0.0, seconds_per_byte=1.0)
        self.load_seconds = 0.0

    @abstractmethod
    def run(self, signature: str, values: Sequence[bytes]) -> Outputs:
        """Asks the model.

        Args:
            signature: A key of `signatures`.
            values: One string a row.

        Returns:
            Arrays by the name of the output, one for each of `returned`.

        Raises:
            UnusableTextsError: The model cannot work on these values.
        """

    def returned(self, signature: str) -> tuple[str, ...]:
        """Tells what `run` returns.

        Args:
            signature: A key of `signatures`.

        Returns:
            Names: those of the model, and `abstained` where the version abstains and the signature classifies.
        """
        outputs = self.signatures[signature].outputs
        return (*outputs, ABSTAINED) if self._abstains_below and PROBABILITIES in outputs else outputs

    def name_outputs(self, signature: str, found: Sequence[NDArray[Any]]) -> Outputs:
        """Puts names to what a signature has given, and says where the version abstains.

        Args:
            signature: Its name.
            found: Its outputs in their order.

        Returns:
            What `run` has to return.
        """
        outputs = dict(zip(self.signatures[signature].outputs, found, strict=True))
        if ABSTAINED in self.returned(signature):
            outputs[ABSTAINED] = abstains(outputs[PROBABILITIES], self._abstains_below)
        return outputs

    @abstractmethod
    def close(self) -> None:
        """Frees the memory."""

    @abstractmethod
    def describe_signatures(self) -> dict[str, Any]:
        """Returns `signature_defs` as JSON, in TensorFlow Serving's form; outputs are what `returned` names."""

    def classifying(
        self, signature: str, probabilities: Callable[[Any], NDArray[np.float32]]
    ) -> Callable[[NDArray[np.object_]], list[NDArray[Any]]]:
        """Makes what answers a signature that classifies from what gives probabilities.

        Args:
            signature: Its name.
            probabilities: From strings (batch,) to (batch, classes).

        Returns:
            From strings to the outputs in their order.
        """
        names = np.array([name.encode() for name in self.record.classes], object)
        return partial(_classify, probabilities, names, self.signatures[signature].outputs)

    def check_and_warm_up(self) -> None:
        """Tries texts of several lengths, and measures what a batch costs.

        Raises:
            ValueError: The model does not classify texts as its record says.
        """
        if PROBABILITIES not in getattr(self.signatures.get(SERVE_TEXT), "outputs", ()):
            raise ValueError(f"no signature {SERVE_TEXT} from texts to {PROBABILITIES}, only {sorted(self.signatures)}")
        samples = []
        for words in _WARM_UP_WORDS:
            text = b"Stocks rise as oil falls " * (words // 5)
            for rows in _WARM_UP_ROWS:
                found = self.run(SERVE_TEXT, [text] * rows)[PROBABILITIES]
                if found.shape != (rows, len(self.record.classes)) or not np.isfinite(found).all():
                    raise ValueError(
                        f"probabilities of shape {found.shape}, finite: {bool(np.isfinite(found).all())}, for {rows} "
                        f"texts and the {len(self.record.classes)} classes of the record"
                    )
                samples.append((rows * len(text), self._fastest(text, rows)))
        self.cost = BatchCost.fit(samples)

    def _fastest(self, text: bytes, rows: int) -> float:
        taken = []
        for _ in range(_WARM_UP_ROUNDS):
            started = time.perf_counter()
            self.run(SERVE_TEXT, [text] * rows)
            taken.append(time.perf_counter() - started)
        return min(taken)


def _classify(
    probabilities: Callable[[Any], NDArray[np.float32]],
    class_names: NDArray[np.object_],
    outputs: Sequence[str],
    rows: NDArray[np.object_],
) -> list[NDArray[Any]]:
    found = probabilities(rows)
    winner = found.argmax(axis=-1)
    answer = {CLASS_ID: winner, CLASS_LABEL: class_names[winner], PROBABILITIES: found}
    return [answer[name] for name in outputs]


def unusable(model: PushedModel, found: str) -> AgnewsError:
    """Makes the error for a version that cannot be served.

    Args:
        model: The version.
        found: What is wrong with it.
    """
    return AgnewsError(
        f"Version {model.record.version} of {model.record.name} cannot be served.",
        found=found,
        fix=f"Restore {model.folder} from a backup, or go back with `agnews models rollback`.",
        exit_code=ExitCode.FAILED,
    )
