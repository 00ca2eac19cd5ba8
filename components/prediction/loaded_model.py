"""A pushed model in a program: `agnews.load(uri).predict(texts)`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.find_export import FoundExport, choose_export
from agnews.components.engines.trust_export import require_harmless_export, require_harmless_version
from agnews.components.model_store.find_pushed_model import PushedModel, find_pushed_model, pushed_model_at
from agnews.components.model_store.model_store import ModelStore
from agnews.components.serving_model.abstains import abstains
from agnews.components.serving_model.chosen_classes import choose_classes, read_thresholds
from agnews.components.serving_model.load_predictor import load_predictor
from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError
from agnews.schemas.model_record import ModelRecord


@dataclass(frozen=True)
class Prediction:
    """What a model says about a text.

    Attributes:
        label: The likeliest class.
        probability: Of that class.
        probabilities: Of each class, by its name, in the order of the model; they sum to 1 where a text has one class.
        abstained: Whether the class is too unlikely to be an answer, by what the model was judged with.
        labels: Where a text may have several classes: all that it is given.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    abstained: bool = False
    labels: tuple[str, ...] = ()


class LoadedModel:
    """A pushed version in memory. It may be asked from several threads.

    Args:
        model: The version.
        export: What answers in its place; None for TensorFlow.

    Attributes:
        record: What is known about it: version, accuracy, when it was pushed.
        engine: Name of what answers: `tensorflow`, or engine and precision of an export.

    Raises:
        AgnewsError: Its files are not what was pushed, or cannot be loaded.
    """

    def __init__(self, model: PushedModel, export: FoundExport | None = None) -> None:
        self.record: ModelRecord = model.record
        self._abstains_below = model.abstains_below()
        self._thresholds = read_thresholds(model.folder)
        self.engine = export.export.name if export is not None else str(EngineChoice.TENSORFLOW)
        self._predictor = load_predictor(
            model.folder, model.record.classes, digest=model.record.model_digest, export=export
        )

    @property
    def version(self) -> str:
        """Its number."""
        return self.record.version

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""
        return self.record.classes

    def predict(self, texts: Iterable[str], *, batch_size: int = 128) -> list[Prediction]:
        """Classifies texts.

        Args:
            texts: Any number of them.
            batch_size: Texts that the model sees at once.

        Returns:
            One prediction a text, in their order.

        Raises:
            AgnewsError: One text was given in place of a list, or the model cannot answer.
        """
        rows = self.probabilities(texts, batch_size=batch_size)
        winners = rows.argmax(axis=1).tolist()
        chosen: list[list[bool]] = [[] for _ in rows]
        if self._thresholds is not None:
            chosen = choose_classes(rows, self._thresholds).tolist()
        return [
            Prediction(
                self.classes[winner],
                row[winner],
                dict(zip(self.classes, row, strict=True)),
                abstained=abstained,
                labels=tuple(compress(self.classes, given)),
            )
            for winner, row, abstained, given in zip(
                winners, rows.tolist(), abstains(rows, self._abstains_below).tolist(), chosen, strict=True
            )
        ]

    def probabilities(self, texts: Iterable[str], *, batch_size: int = 128) -> NDArray[np.float32]:
        """Computes the probabilities of the classes.

        Args:
            texts: Any number of them.
            batch_size: Texts that the model sees at once.

        Returns:
            (texts, classes), in their order.

        Raises:
            AgnewsError: One text was given in place of a list, or the model cannot answer.
        """
        # Whatever gives strings will do; a string gives its letters, which nobody means.
        given: list[object] = [None] if isinstance(texts, str | bytes) or not isinstance(texts, Iterable) else [*texts]
        if not all(isinstance(text, str) for text in given):
            wrong = texts if given == [None] else next(text for text in given if not isinstance(text, str))
            raise AgnewsError(
                "predict takes a list of strings.",
                found=f"{type(wrong).__name__} {str(wrong)[:60]!r}",
                fix='Put a single text into a list: model.predict(["..."]).',
            )
        rows = np.empty(len(given), object)
        # Half a pair of UTF-16, which a string of Python can hold, has no form in UTF-8.
        rows[:] = [str(text).encode("utf-8", "replace") for text in given]
        return self._predictor.probabilities(rows, batch_size=batch_size)


def load(uri: str, *, version: str = "", engine: str = "auto", trust_model: bool = False) -> LoadedModel:
    """Loads a pushed model.

    Args:
        uri: The model's folder in a store, `workspace/models/agnews` or `s3://bucket/models/agnews`: the version in
            production is taken. Or a version's folder, wherever it was copied to.
        version: Number of another version; for a store alone.
        engine: What answers: `tensorflow`, `openvino`, `onnxruntime`, or `auto` for the fastest that was exported,
            passed and is installed.
        trust_model: Whether a version's folder may hold a model that can do more than compute. It is looked at before
            it is loaded; what lies in a store was pushed by a run, and is compared with its digest.

    Returns:
        The model, ready to answer.

    Raises:
        AgnewsError: There is no such model, it is not what was pushed, or it is not to be trusted; or the engine is not
            installed, or has nothing of this version.
    """
    uri = uri.removeprefix("file://").rstrip("/")
    path = f"{uri}/saved_model.pb"
    with explain_storage_errors(f"reading {path}"):
        is_version = files_at(uri).exists(path)
    if is_version:
        if version:
            raise AgnewsError(
                "A version is named twice.",
                found=f"{uri} and version {version}",
                fix="Give the folder of the version alone, or the model's folder in the store.",
            )
        if not trust_model:
            require_harmless_version(uri)
        pushed = pushed_model_at(uri)
    else:
        parent, separator, name = uri.rpartition("/")
        pushed = find_pushed_model(ModelStore(parent or separator or ".", name), version)
    export = choose_export(pushed.folder, pushed.record.version, _choice(engine))
    if export is not None and is_version and not trust_model:
        require_harmless_export(export)
    return LoadedModel(pushed, export)


def _choice(engine: str) -> EngineChoice:
    try:
        return EngineChoice(engine)
    except ValueError:
        raise AgnewsError(
            "There is no such engine.", found=f"engine={engine!r}", fix=f"Take one of {', '.join(EngineChoice)}."
        ) from None
