"""One trial: a training run that leaves nothing but its figures."""

from __future__ import annotations

import gc
import posixpath
from collections.abc import Callable, Mapping

import tensorflow as tf
import tf_keras as keras
from rich.console import Console

from agnews.components.text.locate_vocabulary import locate_vocabulary
from agnews.components.training.train_classifier import train_classifier
from agnews.components.tuning.trial_study import TrialFailed, TrialOutcome
from agnews.pipeline.load_corpus import load_corpus
from agnews.pipeline.local.live_view import LiveView
from agnews.pipeline.local.run_locally import RunRequest, run_locally
from agnews.pipeline.node_settings import resolve_text
from agnews.pipeline.reports.describe_node import describe_node
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import RunConfig
from agnews.schemas.training_job import TrainingJob


def train_trial(
    config: RunConfig,
    *,
    examples_uri: str,
    transform_graph: str,
    scratch_uri: str,
    on_epoch: Callable[[int, Mapping[str, float]], None],
) -> TrialOutcome:
    """Trains on the split `train`, and says what the result is worth on the split `eval`. No other split is read.

    Args:
        config: What is trained, and how.
        examples_uri: Transform's output, with a folder a split.
        transform_graph: The other one, where learnt word pieces are.
        scratch_uri: Folder or URI with the features of frozen encoders.
        on_epoch: Called after each epoch with its number, from 1, and its figures; may raise to end the trial.

    Returns:
        The figures of the best epoch.

    Raises:
        TrialFailed: These settings cannot be trained: the loss is not a number, or the memory does not suffice.
    """
    text = locate_vocabulary(resolve_text(config), transform_graph)
    corpus = load_corpus(config.data.corpus).corpus
    try:
        job = TrainingJob(
            train_files=(posixpath.join(examples_uri, "Split-train", "*"),),
            eval_files=(posixpath.join(examples_uri, "Split-eval", "*"),),
            num_classes=corpus.num_classes,
            label_shape=corpus.label_shape,
            text=text,
            model=config.model,
            training=config.training,
            devices=config.devices,
            scratch_uri=scratch_uri,
        )
        trained = train_classifier(job, on_epoch=on_epoch, keeps_backup=False)
    except AgnewsError as error:
        found = f" ({error.found})" if error.found is not None else ""
        raise TrialFailed(f"{error.problem}{found}") from error
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        if "no space left on device" in str(error).lower():
            raise TrialFailed(f"The disk is full: {str(error).splitlines()[0]}") from error
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


LAST_NODE = "TokenGate"
"""Behind it, rows are tokenised and checked."""


def prepare_rows(request: RunRequest, console: Console) -> tuple[str, str]:
    """Runs the pipeline up to the training; what an earlier run has done is answered from the cache.

    Args:
        request: The run, with `to_node` LAST_NODE. The caller holds the lock of the root folder.
        console: Where the run is drawn.

    Returns:
        Folder of the tokenised rows, with a folder a split in it, and that of the graph which has cut them.

    Raises:
        AgnewsError: The data cannot be used. The message names the step.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    title = f"rows for tuning  data {request.config.data.source}  model {request.config.model.kind}"
    view = LiveView(console, title, describe_node)
    try:
        with view:
            run_locally(request, view)
    except Exception as error:
        from agnews.pipeline.local.explain_failure import explain_failure

        paths = request.paths
        raise explain_failure(error, view.current, paths.log(request.run_id), paths.metadata) from error
    outputs = view.results["Transform"].outputs
    return outputs["transformed_examples"], outputs["transform_graph"]
