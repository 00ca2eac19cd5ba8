"""One trial: a training run that leaves nothing but its figures."""

from __future__ import annotations

import gc
import posixpath
from collections.abc import Callable, Mapping

import tensorflow as tf
import tf_keras as keras

from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.components.training.train_classifier import train_classifier
from agnews.components.tuning.trial_failed import TrialFailed
from agnews.components.tuning.trial_outcome import TrialOutcome
from agnews.pipeline.settle_text import settle_text
from agnews.schemas.corpus import corpus_named
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig


def train_trial(
    config: RunConfig,
    *,
    examples_uri: str,
    scratch_uri: str,
    on_epoch: Callable[[int, Mapping[str, float]], None],
) -> TrialOutcome:
    """Trains on the split `train`, and says what the result is worth on the split `eval`. No other split is read.

    Args:
        config: What is trained, and how.
        examples_uri: Transform's output, with a folder a split.
        scratch_uri: Folder or URI with the features of frozen encoders.
        on_epoch: Called after each epoch with its number, from 1, and its figures; may raise to end the trial.

    Returns:
        The figures of the best epoch.

    Raises:
        TrialFailed: These settings cannot be trained: the loss is not a number, or the memory does not suffice.
    """
    text = settle_text(config)
    try:
        trained = train_classifier(
            train_files=[posixpath.join(examples_uri, "Split-train", "*")],
            eval_files=[posixpath.join(examples_uri, "Split-eval", "*")],
            model=config.model.model_dump(),
            training=config.training,
            vocabulary=find_vocabulary(str(text.vocabulary)).vocabulary,
            lowercase=bool(text.lowercase),
            max_length=text.max_length,
            num_classes=len(corpus_named(config.data.corpus).class_names),
            scratch_uri=scratch_uri,
            on_epoch=on_epoch,
            devices=config.devices,
            keeps_backup=False,
        )
    except AgnewsError as error:
        found = f" ({error.found})" if error.found is not None else ""
        raise TrialFailed(f"{error.problem}{found}") from error
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise TrialFailed(
            f"Out of memory with training.batch_size {config.training.batch_size} "
            f"and text.max_length {text.max_length}."
        ) from error
    except tf.errors.OpError as error:
        raise TrialFailed(f"{type(error).__name__}: {error.message.splitlines()[0]}") from error
    finally:
        # Keras keeps the graphs of all models for as long as the process lives.
        keras.backend.clear_session()
        gc.collect()
    best = trained.result.curve[trained.result.best_epoch - 1]
    return TrialOutcome(best["val_loss"], best["val_accuracy"], trained.result.best_epoch)
