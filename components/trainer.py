"""The Trainer's entry point: TFX calls `run_fn`, everything else is elsewhere.

TFX reloads this module by name: it holds no class and no state.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from importlib.metadata import version

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras
from tfx.components.trainer.fn_args_utils import FnArgs

from agnews.components.modeling.factory import build_model
from agnews.components.serving_model.export_model import export_model
from agnews.components.serving_model.serving_model import ServingModel
from agnews.components.text.vocabulary import load_vocabulary
from agnews.components.training.fit import FitResult, fit
from agnews.components.training.read_token_rows import read_token_rows
from agnews.schemas.corpus import corpus_named
from agnews.schemas.run_config import TextConfig, TrainingConfig

CURVE_FILE = "training.json"
"""In the model run: `curve`, one entry an epoch; `config`; `best_epoch`."""


def run_fn(fn_args: FnArgs) -> None:
    """Trains the configured model on the transformed rows and exports it.

    Args:
        fn_args: TFX's arguments. Read are `train_files`, `eval_files`, `transform_output`, `serving_model_dir`,
            `model_run_dir`, and of `custom_config` the keys `corpus` (its name), `text`, `model` and `training`
            (sections of the configuration). Written are the SavedModel, `assets.extra/model.json` in it,
            `training.json` and TensorBoard's logs in the model run.

    Raises:
        AgnewsError: The rows cannot be learnt from, or training has gone astray.
    """
    settings: Mapping[str, Mapping[str, object]] = fn_args.custom_config or {}
    text = TextConfig.model_validate(settings["text"])
    training = TrainingConfig.model_validate(settings["training"])
    class_names = corpus_named(str(settings["corpus"])).class_names
    vocabulary = load_vocabulary(text.vocabulary)

    train, evaluation = (
        read_token_rows(files, vocabulary_size=len(vocabulary), num_classes=len(class_names))
        for files in (fn_args.train_files, fn_args.eval_files)
    )
    keras.utils.set_random_seed(training.seed)
    classifier = build_model(
        settings["model"],
        token_counts=train.token_counts(len(vocabulary)),
        unknown_id=vocabulary.unknown_id,
        special_ids=(0, vocabulary.cls_id, vocabulary.sep_id),
        max_length=text.max_length,
        num_classes=len(class_names),
    )
    result = fit(
        classifier.network,
        train,
        evaluation,
        weight_decays=classifier.weight_decays,
        log_dir=fn_args.model_run_dir,
        **training.model_dump(),
    )
    _write_curve(result, settings, fn_args.model_run_dir)
    export_model(
        ServingModel(classifier.network, tft.TFTransformOutput(fn_args.transform_output), class_names),
        fn_args.serving_model_dir,
        {
            "class_names": class_names,
            "model": settings["model"],
            "text": settings["text"],
            "vocabulary_sha256": vocabulary.digest,
            "parameters": sum(weight.shape.num_elements() for weight in classifier.network.trainable_weights),
            "train_rows": len(train),
            "versions": {name: version(name) for name in ("agnews", "tensorflow", "tensorflow-text")},
        },
    )


def _write_curve(result: FitResult, settings: Mapping[str, object], folder: str) -> None:
    document = {"curve": result.curve, "config": settings, "best_epoch": result.best_epoch}
    with tf.io.gfile.GFile(posixpath.join(folder, CURVE_FILE), "w") as file:
        file.write(json.dumps(document, indent=2) + "\n")
