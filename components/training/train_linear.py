"""From tokenised rows to a linear classifier of n-grams."""

from __future__ import annotations

import logging
import time
from functools import partial

import numpy as np

from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.components.linear.configure_ngrams import ngram_hash
from agnews.components.linear.count_ngrams import count_ngrams
from agnews.components.linear.fit_linear import fit_linear
from agnews.components.linear.linear_classifier import LinearClassifier
from agnews.components.modeling.classifier import Classifier
from agnews.components.optimization.adamw import create_adamw
from agnews.components.optimization.weigh_classes import weigh_classes
from agnews.components.training.devices import one_device
from agnews.components.training.fit import FitResult
from agnews.components.training.objective import objective_of
from agnews.components.training.token_rows import read_token_rows
from agnews.components.training.trained_classifier import TrainedClassifier
from agnews.components.training.training_monitor import OnEpoch
from agnews.components.training.warm_start import WarmStart
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS
from agnews.schemas.learning_config import LinearConfig
from agnews.schemas.progress import Progress, report_progress
from agnews.schemas.training_job import TrainingJob

_LOGGER = logging.getLogger(__name__)


def train_linear(
    job: TrainingJob, config: LinearConfig, *, on_epoch: OnEpoch | None = None, section: str = "model"
) -> TrainedClassifier:
    """Reads rows and solves for the weights of a linear model.

    It takes seconds, on the CPU of one process, and a run that is cut does it again: of `training`, only `calibrate`
    and `class_weights` matter, and of `devices`, nothing.

    Args:
        job: What to learn from, and how.
        config: Its model.
        on_epoch: Called once, at the end; what it raises ends the training. None calls nothing.
        section: Where its model stands in a configuration.

    Returns:
        The model. Its curve has one entry.

    Raises:
        AgnewsError: The rows cannot be learnt from, or the model does not fit into memory.
    """
    vocabulary = find_vocabulary(str(job.text.vocabulary)).vocabulary
    train, evaluation = (
        read_token_rows(
            files, vocabulary_size=len(vocabulary), num_classes=job.num_classes, label_shape=job.label_shape
        )
        for files in (job.train_files, job.eval_files)
    )
    objective = objective_of(job.label_shape)
    started = time.perf_counter()
    ngrams = ngram_hash(vocabulary, config)
    counts = count_ngrams(
        ngrams,
        train.token_ids,
        train.row_splits,
        on_rows=lambda done: report_progress(Progress("Trainer", done, total=len(train), unit="rows")),
    )
    fitted = fit_linear(
        ngrams,
        counts,
        train.labels,
        num_classes=job.num_classes,
        min_count=config.min_count,
        cost=config.cost,
        rarity_power=config.rarity_power,
        class_weights=weigh_classes(train.labels, job.num_classes, job.training.class_weights),
        section=section,
    )
    took = time.perf_counter() - started
    scores = fitted.score(evaluation.token_ids, evaluation.row_splits)
    temperature = objective.find_temperature(scores, evaluation.labels) if job.training.calibrate else 1.0
    entry = {
        "epoch": 1.0,
        "loss": objective.cross_entropy(fitted.scores, train.labels, temperature=temperature),
        "accuracy": float(objective.right(fitted.scores, train.labels).mean()),
        "val_loss": objective.cross_entropy(scores, evaluation.labels, temperature=temperature),
        "val_accuracy": float(objective.right(scores, evaluation.labels).mean()),
        "learning_rate": 0.0,
        "seconds": time.perf_counter() - started,
        "rows_per_second": len(train) / max(took, 1e-9),
    }
    _LOGGER.info("%s n-grams, temperature %.3f", f"{len(fitted.columns.rarity):,}", temperature)
    if on_epoch is not None:
        on_epoch(1, entry)
    network = LinearClassifier(fitted.ngrams, fitted.columns, fitted.weights, name=config.kind)
    network({TOKEN_IDS: train.token_ids[np.newaxis, :1].astype(np.int32), PADDING_MASK: np.ones((1, 1), bool)})
    return TrainedClassifier(
        classifier=Classifier(network, partial(create_adamw, weight_decays={})),
        result=FitResult(curve=(entry,), best_epoch=1),
        encoder=None,
        train_rows=len(train),
        devices=one_device(),
        batch_size=len(train),
        backup=None,
        warm_start=WarmStart("fresh weights, since a linear model is solved for") if job.training.warm_start else None,
        temperature=temperature,
        thresholds=objective.find_thresholds(scores, evaluation.labels, temperature=temperature),
    )
