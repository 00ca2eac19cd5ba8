"""An exported model, asked the way a client asks it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.available_cores import available_cores
from agnews.components.model_store.sound_copy import sound_copy
from agnews.components.storage.local_copy import local_copy
from agnews.schemas import features
from agnews.schemas.errors import AgnewsError, ExitCode

# Much of a batch, its word pieces for one, runs on a single core: batches side by side fill the others.
BATCHES_AT_ONCE = min(4, available_cores())

Answer = Callable[[NDArray[np.object_]], NDArray[np.float32]]
"""From UTF-8 texts (rows,) to probabilities (rows, classes); called from several threads."""


class Predictor:
    """The class probabilities that a served model gives for raw texts.

    Args:
        folder: The SavedModel.
        class_names: The classes that the model has to know.
        digest: Of the files, for a pushed version: they are compared with it before they are loaded. Empty for a model
            that nobody has pushed yet.
        answer: What answers in its place, from texts to probabilities; the folder is then not loaded.

    Raises:
        AgnewsError: The folder holds no model that loads and serves texts.
    """

    def __init__(
        self, folder: str, class_names: Sequence[str], *, digest: str = "", answer: Answer | None = None
    ) -> None:
        self._folder = folder
        self._num_classes = len(class_names)
        self._model: Any = None
        if answer is None:
            # Kept: the signature holds no reference to the object that owns its variables.
            self._model = _load(folder, digest)
            answer = partial(_ask_signature, self._model.signatures[features.SERVE_TEXT])
        self._answer = answer

    def probabilities(
        self,
        texts: NDArray[np.object_],
        *,
        batch_size: int = 128,
        on_rows: Callable[[int], None] = lambda rows: None,
    ) -> NDArray[np.float32]:
        """Predicts texts.

        Batches hold texts of similar length, because a batch costs as much as its longest text. Some are computed at
        once, those that take longest first, so that the cores are done at the same time. May be called from several
        threads.

        Args:
            texts: (rows,) UTF-8 bytes.
            batch_size: Texts in a request.
            on_rows: Called with the number of rows of each batch when it is done. If it raises, batches that have not
                begun are left out.

        Returns:
            (rows, classes), in the order of the texts.

        Raises:
            AgnewsError: The model fails on a text, or answers in another form than the classes ask for.
        """
        found = np.empty((len(texts), self._num_classes), np.float32)
        order = np.argsort([-len(text) for text in texts], kind="stable")
        batches = [order[start : start + batch_size] for start in range(0, len(texts), batch_size)]

        def answer(batch: NDArray[np.int64]) -> int:
            found[batch] = self._ask(texts[batch])
            return len(batch)

        if len(batches) <= 1:
            for batch in batches:
                on_rows(answer(batch))
            return found
        with ThreadPoolExecutor(BATCHES_AT_ONCE) as pool:
            for rows in pool.map(answer, batches):
                on_rows(rows)
        return found

    def _ask(self, texts: NDArray[np.object_]) -> NDArray[np.float32]:
        try:
            probabilities = self._answer(texts)
        except _model_errors() as error:
            raise AgnewsError(
                f"The model in {self._folder} cannot answer texts.",
                found=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}",
                fix=f"Export it so that {features.SERVE_TEXT} takes `text` and returns `{features.PROBABILITIES}`, and "
                "answers any text; run less at once on this machine if its memory ran out.",
                exit_code=ExitCode.FAILED,
            ) from error
        if probabilities.shape != (len(texts), self._num_classes):
            raise AgnewsError(
                f"The model in {self._folder} answers for another number of classes than the corpus has.",
                found=f"probabilities of shape {probabilities.shape} for {len(texts)} texts and "
                f"{self._num_classes} classes",
                fix="Use the corpus that the model was trained on.",
                exit_code=ExitCode.FAILED,
            )
        return probabilities


def _load(folder: str, digest: str) -> Any:
    # An export needs neither, nor the seconds that they take.
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 - registers the ops of the tokenizer that is part of the model

    try:
        with sound_copy(folder, digest) if digest else local_copy(folder) as here:
            model = tf.saved_model.load(here)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise AgnewsError(
            f"The model in {folder} cannot be loaded.",
            found=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            fix="Train again, or restore the folder: the export is incomplete or damaged.",
            exit_code=ExitCode.FAILED,
        ) from error
    if features.SERVE_TEXT not in model.signatures:
        raise AgnewsError(
            f"The model in {folder} has no signature {features.SERVE_TEXT}.",
            found=f"signatures {', '.join(sorted(model.signatures)) or 'none'}",
            fix="Export it with the signatures named in schemas/features.py.",
            exit_code=ExitCode.FAILED,
        )
    return model


def _ask_signature(serve: Any, texts: NDArray[np.object_]) -> NDArray[np.float32]:
    import tensorflow as tf

    found: NDArray[np.float32] = serve(text=tf.constant(texts, tf.string))[features.PROBABILITIES].numpy()
    return found


def _model_errors() -> tuple[type[Exception], ...]:
    """What a model raises about texts that it cannot answer; TensorFlow's own errors if it was loaded."""
    loaded = sys.modules.get("tensorflow")
    own = (loaded.errors.OpError,) if loaded is not None else ()
    return (LookupError, TypeError, RuntimeError, *own)
