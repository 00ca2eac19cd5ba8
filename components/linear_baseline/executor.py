"""What the node LinearBaseline does."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_single_instance, get_split_uris

from agnews.components.carried_corpus import read_carried_corpus
from agnews.components.linear.measure_linear import measure_linear
from agnews.components.storage.files_at import files_at
from agnews.schemas.features import LABEL, TEST, TEXT, TRAIN
from agnews.schemas.learning_config import LinearConfig
from agnews.schemas.linear_check import LinearCheck, digest_text

_LOGGER = logging.getLogger(__name__)

_MOST_ROWS = 50_000
"""More would take minutes and memory that the steps around it do not need."""
_MOST_CELLS = 20_000_000
"""Rows times classes, for the same reason."""
_BATCH = 4096


class Executor(BaseExecutor):
    """Runs the node LinearBaseline.

    Inputs:
        examples: Examples, raw. The splits `train` and `test` are read.

    Outputs:
        report: StepReport. Gets `linear_check.json`, an `agnews.schemas.linear_check.LinearCheck`.

    Exec properties:
        corpus: Its classes and the settings of the kind `linear`, from `carry_corpus`.
        unwanted: Why nothing is trained; empty where something is.
        code_version: Not read: it makes the node run again when its code changes.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the class."""
        self._log_startup(input_dict, output_dict, exec_properties)
        corpus = read_carried_corpus(exec_properties["corpus"])
        check = LinearCheck(skipped=exec_properties["unwanted"])
        if not check.skipped:
            settings = LinearConfig.model_validate(corpus.kinds.get("linear", {}).get("model", {}))
            train, test = (_read(input_dict["examples"], split) for split in (TRAIN, TEST))
            check = _measure(train, test, corpus.num_classes, settings)
        uri = get_single_instance(output_dict["report"]).uri
        check.write(uri, files_at(uri).write)
        _LOGGER.info("Linear model: %s", check.skipped or f"{check.accuracy:.4f} after {check.train_rows} rows")


_Rows = tuple[list[bytes], NDArray[np.int64]]


def _read(examples: list[Artifact], split: str) -> _Rows:
    """Reads the rows of a split, in an order that their content alone decides."""
    specification = {TEXT: tf.io.FixedLenFeature([], tf.string), LABEL: tf.io.FixedLenFeature([], tf.int64)}
    files = sorted(file for uri in get_split_uris(examples, split) for file in tf.io.gfile.glob(f"{uri}/*tfrecord*"))
    rows: list[tuple[bytes, int]] = []
    for batch in tf.data.TFRecordDataset(files, compression_type="GZIP").batch(_BATCH):
        parsed = tf.io.parse_example(batch, specification)
        rows += zip(parsed[TEXT].numpy().tolist(), parsed[LABEL].numpy().tolist(), strict=True)
    rows.sort(key=lambda row: (digest_text(row[0]), row))
    return [text for text, _ in rows], np.array([label for _, label in rows], np.int64)


def _measure(train: _Rows, test: _Rows, num_classes: int, settings: LinearConfig) -> LinearCheck:
    # Rows lie in the order of their digests, so the first ones are as good as any.
    most = max(1, min(_MOST_ROWS, _MOST_CELLS // num_classes))
    texts, labels = train[0][:most], train[1][:most]
    if not texts or not test[0]:
        return LinearCheck(skipped="there are no rows")
    words, asked = ([text.decode(errors="replace") for text in each] for each in (texts, test[0]))
    found = measure_linear(words, labels, asked, test[1], num_classes=num_classes, settings=settings)
    return LinearCheck(
        train_rows=len(texts),
        accuracy=found.accuracy,
        answers={digest_text(text): answer for text, answer in zip(test[0], found.answers.tolist(), strict=True)},
    )
