"""What the node NewsExampleGen does."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

from agnews.components.carried_corpus import read_carried_corpus
from agnews.components.corpus_files.corpus_state import corpus_state
from agnews.components.corpus_files.record import Reason, Reject
from agnews.components.corpus_files.require_usable import require_usable
from agnews.components.corpus_files.sample import SAMPLE, write_sample
from agnews.components.corpus_files.sources import require_corpus_files
from agnews.components.example_files.write_records import remove_half_written
from agnews.components.news_example_gen.convert_corpus import REJECTS_FILE, ConvertCorpus
from agnews.components.storage.files_at import files_at
from agnews.schemas.data_card import DataCard
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import SPLITS

_LOGGER = logging.getLogger(__name__)


class Executor(BaseBeamExecutor):
    """Converts the files of a corpus to tf.Examples in three splits, and reports what the files hold."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the step.

        Args:
            input_dict: Empty.
            output_dict:
                - examples: one Examples artifact. Gets a folder `Split-NAME` of gzipped TFRecords of raw Examples
                  (`agnews.schemas.features.RAW`) for each of train, eval and test, its property `split_names`, and
                  the custom properties `payload_format` and `file_format`. The same data and properties give the
                  same bytes.
                - data_card: one StepReport. Gets `report.json`, a `DataCard`, and `rejects.jsonl`, a line for each
                  bad record: file, row, line, reason, detail, found; and in folders `train` and `test` a
                  `feature_counts.json` each, the `FeatureCounts` of the split.
            exec_properties:
                - data_uri: `sample`, a folder or a URI; a folder holds the training file or dated spans.
                - window: newest spans to take, 0 for all.
                - corpus: how the files are read, from `carry_corpus`.
                - digest: digest that the data must have, or an empty string.
                - limit: rows wanted in train, 0 for all.
                - eval_share: share of the training texts that go to eval.
                - max_reject_share: largest share of bad records in a file.
                - seed: chooses the subset that `limit` takes.
                - code_version: not used here; it keeps old results from being taken for new ones.

        Raises:
            AgnewsError: The data is missing, is not what its digest says, or cannot be learnt from.
        """
        source: str = exec_properties["data_uri"]
        corpus = read_carried_corpus(exec_properties["corpus"])
        folder = source
        if source == SAMPLE:
            folder = str(Path(self._get_tmp_dir()) / SAMPLE)
            write_sample(folder, corpus)
        files = require_corpus_files(folder, corpus, exec_properties["window"] or None)
        for note in files.notes:
            _LOGGER.warning("%s: %s", source, note)
        state = corpus_state(files, corpus)
        _require_digest(exec_properties["digest"], state.digest, source)

        examples = artifact_utils.get_single_instance(output_dict["examples"])
        data_card = artifact_utils.get_single_instance(output_dict["data_card"])
        examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
        uris = {split: artifact_utils.get_split_uri([examples], split) for split in SPLITS}
        with self._make_beam_pipeline() as pipeline:
            _ = pipeline | ConvertCorpus(
                files,
                corpus,
                split_uris=uris,
                card_uri=data_card.uri,
                source=source,
                is_sample=source == SAMPLE,
                state=state,
                limit=exec_properties["limit"],
                eval_share=exec_properties["eval_share"],
                seed=exec_properties["seed"],
            )
        for uri in uris.values():
            remove_half_written(uri)
        card, rejects = _read_card(data_card.uri)
        require_usable(card, rejects, corpus, exec_properties["max_reject_share"])
        # As `tfx.components.util.examples_utils` sets them, whose import loads all of TFX's components.
        examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
        examples.set_string_custom_property("file_format", "tfrecords_gzip")


def _require_digest(wanted: str, found: str, source: str) -> None:
    if wanted and wanted != found:
        raise AgnewsError(
            "The data changed between the start of the run and this step.",
            found=f"{source} has digest {found}, expected {wanted}",
            fix="Run the same command again once nobody writes to the data.",
        )


def _read_card(uri: str) -> tuple[DataCard, dict[str, list[Reject]]]:
    files = files_at(uri)
    card = DataCard.read(uri, files.read)
    rejects: dict[str, list[Reject]] = {}
    with files.open(f"{uri}/{REJECTS_FILE}") as file:
        for line in file:
            bad = json.loads(line)
            reject = Reject(bad["row"], bad["line"], Reason(bad["reason"]), bad["detail"], bad["found"])
            rejects.setdefault(bad["file"], []).append(reject)
    return card, rejects
