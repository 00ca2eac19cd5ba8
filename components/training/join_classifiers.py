"""From a network and a linear classifier, trained apart, to one classifier."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np

from agnews.components.modeling.classifier import Classifier
from agnews.components.modeling.ensemble_classifier import EnsembleClassifier
from agnews.components.training.find_shares import find_shares
from agnews.components.training.predict_rows import predict_rows
from agnews.components.training.token_rows import TokenRows
from agnews.components.training.trained_classifier import TrainedClassifier

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
    right = [float(np.mean(logits.argmax(axis=1) == labels)) for logits in (*(each for each, _ in answers), joint)]
    _LOGGER.info(
        "Ensemble: eval accuracy %.4f of the network (share %.3f), %.4f of the linear model (share %.3f), %.4f of both",
        *(right[0], shares[0], right[1], shares[1], right[2]),
    )
    classifier = Classifier(EnsembleClassifier(members, shares, name="ensemble"), network.classifier.create_optimizer)
    return dataclasses.replace(network, classifier=classifier, temperature=1.0 / scale if calibrate else 1.0)
