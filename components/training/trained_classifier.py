"""What a training hands on."""

from __future__ import annotations

from dataclasses import dataclass

from agnews.components.encoders.resolve_encoder import Encoder
from agnews.components.modeling.classifier import Classifier
from agnews.components.training.backup_place import BackupPlace
from agnews.components.training.devices import Devices
from agnews.components.training.fit import FitResult
from agnews.components.training.warm_start import WarmStart


@dataclass(frozen=True)
class Member:
    """One of the classifiers that answer together.

    Attributes:
        name: Its kind.
        share: What its logits are multiplied by; the shares of all add up to 1, or to 0 where no member knows anything.
        eval_accuracy: What it gets on the eval rows by itself.
    """

    name: str
    share: float
    eval_accuracy: float


@dataclass(frozen=True)
class TrainedClassifier:
    """A model that has learnt.

    Attributes:
        classifier: It.
        result: What its training was like.
        encoder: The encoder that is in it, if there is one.
        train_rows: Rows that it has learnt from.
        devices: What it was trained on.
        batch_size: Rows that each device saw in a step.
        backup: What is kept in case the process is killed; to be removed once the model is safe. None where
            nothing is.
        warm_start: Whether it started from earlier weights; None where it was not to.
        temperature: What its logits are to be divided by before they become probabilities.
        thresholds: From which probability on each class is given; None where the likeliest is.
        members: Of an ensemble; otherwise empty.
    """

    classifier: Classifier
    result: FitResult
    encoder: Encoder | None
    train_rows: int
    devices: Devices
    batch_size: int
    backup: BackupPlace | None
    warm_start: WarmStart | None
    temperature: float
    thresholds: tuple[float, ...] | None = None
    members: tuple[Member, ...] = ()
