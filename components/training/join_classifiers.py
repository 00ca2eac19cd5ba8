"""From a network and a linear classifier, trained apart, to one classifier."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.modeling.classifier import Classifier
from agnews.components.modeling.ensemble_classifier import EnsembleClassifier
from agnews.components.training.find_shares import find_shares
from agnews.components.training.predict_rows import predict_rows
from agnews.components.training.token_rows import TokenRows
from agnews.components.training.trained_classifier import Member, TrainedClassifier

_LOGGER = logging.getLogger(__name__)


def join_classifiers(
    network: TrainedClassifier, linear: TrainedClassifier, evaluation: TokenRows, *, calibrate: bool
) -> TrainedClassifier:
    """Lets two classifiers answer together.

    Args:
        network: One of them; what it was trained on and its curve become those of both.
        linear: The other one.
        evaluation: Rows that neither has learnt from, which say how much each has to say.
        calibrate: Whether to find a temperature, too; without one, the classifier is as sure as its members are.

    Returns:
        The classifier. Its shares add up to 1.
    """
    members = [network.classifier.network, linear.classifier.network]
    answers = [predict_rows(member, evaluation) for member in members]
    labels = answers[0][1]
    weights = find_shares([logits for logits, _ in answers], labels)
    # What makes all logits larger or smaller is the temperature, and what is left says who has how much to say.
    scale = sum(weights) or 1.0
    shares = [weight / scale for weight in weights]
    joint = np.tensordot(shares, np.stack([logits for logits, _ in answers]), axes=1)
    alone = tuple(
        Member(member.name, share, _accuracy(said, labels))
        for member, share, (said, _) in zip(members, shares, answers, strict=True)
    )
    _LOGGER.info(
        "Ensemble: eval accuracy %s, %.4f together",
        ", ".join(f"{each.eval_accuracy:.4f} of {each.name} (share {each.share:.3f})" for each in alone),
        _accuracy(joint, labels),
    )
    classifier = Classifier(EnsembleClassifier(members, shares, name="ensemble"), network.classifier.create_optimizer)
    temperature = 1.0 / scale if calibrate else 1.0
    return dataclasses.replace(network, classifier=classifier, temperature=temperature, members=alone)


def _accuracy(logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> float:
    return float(np.mean(logits.argmax(axis=1) == labels))
