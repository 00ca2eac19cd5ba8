"""An exported model, asked the way a client asks it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the ops of the tokenizer that is part of the model
from numpy.typing import NDArray

from agnews.schemas import features
from agnews.schemas.errors import AgnewsError, ExitCode


class Predictor:
    """The class probabilities that a served model gives for raw texts.

    Args:
        folder: The SavedModel.
        class_names: The classes that the model has to know.

    Raises:
        AgnewsError: The folder holds no model that loads and serves texts.
    """

    def __init__(self, folder: str, class_names: Sequence[str]) -> None:
        self._folder = folder
        self._num_classes = len(class_names)
        try:
            # Kept: the signature holds no reference to the object that owns its variables.
            self._model = tf.saved_model.load(folder)
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise AgnewsError(
                f"The model in {folder} cannot be loaded.",
                found=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
                fix="Train again, or restore the folder: the export is incomplete or damaged.",
                exit_code=ExitCode.FAILED,
            ) from error
        if features.SERVE_TEXT not in self._model.signatures:
            raise AgnewsError(
                f"The model in {folder} has no signature {features.SERVE_TEXT}.",
                found=f"signatures {', '.join(sorted(self._model.signatures)) or 'none'}",
                fix="Export it with the signatures named in schemas/features.py.",
                exit_code=ExitCode.FAILED,
            )
        self._serve = self._model.signatures[features.SERVE_TEXT]

    def probabilities(self, texts: NDArray[np.object_], *, batch_size: int = 128) -> NDArray[np.float32]:
        """Predicts texts.

        Batches hold texts of similar length, because a batch costs as much as its longest text.

        Args:
            texts: (rows,) UTF-8 bytes.
            batch_size: Texts in a request.

        Returns:
            (rows, classes), in the order of the texts.

        Raises:
            AgnewsError: The model fails on a text, or answers in another form than the classes ask for.
        """
        found = np.empty((len(texts), self._num_classes), np.float32)
        order = np.argsort([len(text) for text in texts], kind="stable")
        for start in range(0, len(texts), batch_size):
            batch = order[start : start + batch_size]
            probabilities = self._ask(texts[batch])
            if probabilities.shape != (len(batch), self._num_classes):
                raise AgnewsError(
                    f"The model in {self._folder} answers for another number of classes than the corpus has.",
                    found=f"probabilities of shape {probabilities.shape} for {len(batch)} texts and "
                    f"{self._num_classes} classes",
                    fix="Use the corpus that the model was trained on.",
                    exit_code=ExitCode.FAILED,
                )
            found[batch] = probabilities
        return found

    def _ask(self, texts: NDArray[np.object_]) -> NDArray[np.float32]:
        try:
            answer = self._serve(text=tf.constant(texts, tf.string))
            probabilities: NDArray[np.float32] = answer[features.PROBABILITIES].numpy()
        except (LookupError, TypeError, tf.errors.OpError) as error:
            raise AgnewsError(
                f"The model in {self._folder} cannot answer texts.",
                found=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}",
                fix=f"Export it so that {features.SERVE_TEXT} takes `text` and returns `{features.PROBABILITIES}`, and "
                "answers any text; run less at once on this machine if its memory ran out.",
                exit_code=ExitCode.FAILED,
            ) from error
        return probabilities
