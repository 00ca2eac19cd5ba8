"""Writes a model to a folder from which it can be served."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping

import tensorflow as tf

from agnews.components.serving_model.facts_file import FACTS_FILE
from agnews.components.serving_model.serving_model import ServingModel


def export_model(model: ServingModel, folder: str, facts: Mapping[str, object]) -> None:
    """Writes a SavedModel that loads in a process with nothing but tensorflow and tensorflow_text.

    Args:
        model: The model.
        folder: Folder or URI; `saved_model.pb` will lie directly in it.
        facts: Written to `assets.extra/model.json`.
    """
    tf.saved_model.save(model, folder, signatures=model.signatures())
    path = posixpath.join(folder, FACTS_FILE)
    tf.io.gfile.makedirs(posixpath.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(facts, indent=2, sort_keys=True) + "\n")
