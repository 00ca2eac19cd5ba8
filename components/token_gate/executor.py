"""What the node TokenGate does."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the ops of the transform graph
import tensorflow_transform as tft
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import decode_split_names, get_single_instance

from agnews.components.token_gate.check_tokens import Tally, check_tokens, require_tokens
from agnews.schemas.data_card import DataCard
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.features import TEXT, TOKEN_IDS, VOCABULARY_FILE
from agnews.schemas.progress import Progress, report_progress
from agnews.schemas.token_check import SplitTokens

_LOGGER = logging.getLogger(__name__)
_BATCH = 4096
# A letter of Linear B: no vocabulary spells it.
_UNKNOWN_WORD = "\U000100fa"


class Executor(BaseExecutor):
    """Counts what the transformed rows hold, and ends the run if it is not what an encoder expects."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the step.

        Args:
            input_dict:
                - transformed_examples: one Examples artifact of gzipped TFRecords, with the feature TOKEN_IDS.
                - transform_graph: one TransformGraph artifact. It is asked for the ids of [CLS], [SEP] and [UNK]:
                  what it answers is what a served model will use. Its VOCABULARY_FILE says which pieces begin words.
                - data_card: one StepReport, of NewsExampleGen. The splits must have as many rows as it says.
            output_dict:
                - report: one StepReport. Gets `report.json`, an `agnews.schemas.token_check.TokenCheck`.
            exec_properties:
                - max_length: longest sequence, [CLS] and [SEP] included.
                - max_unknown_share: largest share of [UNK] among the word pieces of a split.
                - code_version: not used here; it keeps old results from being taken for new ones.

        Raises:
            AgnewsError: Something stops the run; the report is written all the same.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = get_single_instance(input_dict["transformed_examples"])
        graph = get_single_instance(input_dict["transform_graph"]).uri
        special, continues = _ask_special_ids(graph), _continues(graph)
        check = check_tokens(
            {
                split: _count(split, f"{examples.uri}/Split-{split}", special, continues, exec_properties["max_length"])
                for split in decode_split_names(examples.split_names)
            },
            rows=_count_written(get_single_instance(input_dict["data_card"]).uri),
            max_length=exec_properties["max_length"],
            max_unknown_share=exec_properties["max_unknown_share"],
        )
        check.write(get_single_instance(output_dict["report"]).uri, _write)
        _LOGGER.info("%s", check)
        require_tokens(check)


def _count_written(data_card: str) -> dict[str, int]:
    with tf.io.gfile.GFile(f"{data_card}/{DataCard.FILE}", "rb") as file:
        card = DataCard.model_validate_json(file.read())
    return {split: each.rows for split, each in card.splits.items()}


def _write(path: str, chunks: Iterable[bytes]) -> None:
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(b"".join(chunks))


@dataclass(frozen=True)
class _SpecialIds:
    cls_id: int
    sep_id: int
    unknown_id: int


def _ask_special_ids(transform_graph: str) -> _SpecialIds:
    """Tokenises no text and one unknown word, the shortest questions that give the ids away."""
    transform = tft.TFTransformOutput(transform_graph)
    answer = transform.transform_raw_features({TEXT: tf.constant(["", _UNKNOWN_WORD])}, drop_unused_features=True)
    tokens = tf.RaggedTensor.from_sparse(answer[TOKEN_IDS]).to_list()
    match tokens:
        case [[cls_id, sep_id], [first, unknown_id, last]] if (first, last) == (cls_id, sep_id):
            return _SpecialIds(cls_id, sep_id, unknown_id)
    raise AgnewsError(
        "The transform graph does not pack texts as [CLS] word pieces [SEP].",
        found=f"{tokens} for an empty text and an unknown word",
        fix="Mend agnews.components.transform and run again.",
        exit_code=ExitCode.FAILED,
    )


def _continues(transform_graph: str) -> npt.NDArray[np.bool_]:
    with tf.io.gfile.GFile(f"{transform_graph}/{VOCABULARY_FILE}", "rb") as file:
        pieces = file.read().split(b"\n")[:-1]
    return np.array([piece.startswith(b"##") and len(piece) > 2 for piece in pieces])


def _count(
    name: str, folder: str, special: _SpecialIds, continues: npt.NDArray[np.bool_], max_length: int
) -> SplitTokens:
    tally = Tally(
        cls_id=special.cls_id,
        sep_id=special.sep_id,
        unknown_id=special.unknown_id,
        max_length=max_length,
        continues=continues,
    )
    spec = {TOKEN_IDS: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)}
    rows = 0
    files = tf.data.Dataset.list_files(f"{folder}/*", shuffle=False)
    # In one thread: handing over a row takes longer than reading it.
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    for batch in records.batch(_BATCH).map(lambda batch: tf.io.parse_example(batch, spec)[TOKEN_IDS]):
        tally.add(batch.values.numpy(), batch.row_splits.numpy())
        rows += int(batch.nrows())
        report_progress(Progress("TokenGate", done=rows, unit=f"{name} rows"))
    return tally.summary()
