"""Puts a blessed model that can be served into production."""

from __future__ import annotations

import json
import logging
import posixpath
from typing import Any, TypeVar

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.artifact import Artifact
from tfx.types.artifact_utils import get_single_instance, get_split_uris

from agnews.components.carried_corpus import read_carried_corpus
from agnews.components.model_registry.mlflow_registry import follow_production
from agnews.components.model_store import ModelStore
from agnews.components.model_store.baseline_at import (
    ABSTENTION_FILE,
    CORPUS_FILE,
    COUNTS_FILE,
    SERVING_FOLDER,
    STATISTICS_FILE,
)
from agnews.components.model_store.decisions import count_decision
from agnews.components.model_store.publish import publish
from agnews.components.pusher.describe_model import CARD_FILE, describe_model
from agnews.components.serving_model.facts_file import ALPHABET, FACTS_FILE
from agnews.components.storage.files_at import files_at
from agnews.schemas.data_card import DataCard
from agnews.schemas.document import Document
from agnews.schemas.evaluation import Evaluation
from agnews.schemas.feature_counts import FeatureCounts
from agnews.schemas.features import TEST, TRAIN
from agnews.schemas.model_record import LearntFrom
from agnews.schemas.predictions import FILE
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.smoke_report import SmokeReport

_Document = TypeVar("_Document", bound=Document)
_LOGGER = logging.getLogger(__name__)


class Executor(BaseExecutor):
    """Runs the node Pusher.

    Inputs:
        model: Model, as exported by the trainer.
        blessing: ModelBlessing; the file `BLESSED` decides.
        evaluation: ModelEvaluation, for the baseline that the model was judged against, its accuracy, and the anchor.
        statistics: ExampleStatistics; those of the split `train` are pushed with the model.
        smoke_report: StepReport of SmokeTest.
        examples: Examples; the texts of the split `train` are counted, and the counts are pushed with the model, as is
            what a linear model learns from them.
        predictions: Predictions of the test split, which are counted too.
        data_card: StepReport of NewsExampleGen; the digests of its files are written into the record of the version,
            and the counts of train go with it.

    Outputs:
        pushed_model: PushedModel, `pushed.json` is an `agnews.schemas.push_outcome.PushOutcome`. `model_card.md`, where
            something was pushed, is a copy of the one beside the version. Custom properties
            `pushed` (1 or 0), `pushed_version` and `pushed_destination`, as TFX's own Pusher writes them.

    Exec properties:
        push_uri: Folder or URI that models are pushed to.
        model_name: Name of the served model.
        corpus: The whole description, from `carry_corpus`.
        replaces: Version in production that the model was not judged against and takes the place of all the same;
            empty where there is none.
        no_push: 1 if the model stays where it is: judged and tested, and in no store.
        reason: Why somebody puts it into production, for the store's trail; may be empty.
        fingerprint: Digest of data, configuration and code that led to the model; may be empty.
        withdrawn: Not read: it makes the node run again after a rollback. The store knows what it withdrew.
        code_version: Not read: it makes the node run again when its code changes.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the class. A model that may not be pushed is no error, nor is a registry that cannot be reached.

        Raises:
            AgnewsError: The store cannot be written or read, or production has moved since the model was judged.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = get_split_uris(input_dict["examples"], TRAIN)
        uris = {name: get_single_instance(artifacts).uri for name, artifacts in input_dict.items()}
        evaluation = _document(Evaluation, uris["evaluation"])
        if not files_at(uris["blessing"]).exists(f"{uris['blessing']}/BLESSED"):
            failed = ", ".join(evaluation.verdict.failed_rules)
            outcome = PushOutcome(pushed=False, reason=f"not blessed: {failed}")
        elif not (smoke := _document(SmokeReport, uris["smoke_report"])).passed:
            failed = smoke.skipped or ", ".join(check.name for check in smoke.checks if not check.passed)
            outcome = PushOutcome(pushed=False, reason=f"the smoke test was not passed: {failed}")
        elif exec_properties["no_push"]:
            outcome = PushOutcome(
                pushed=False,
                reason="nobody asked for it: the run was told --no-push; `agnews models promote RUN` pushes its model",
            )
        else:
            pushed_model = get_single_instance(output_dict["pushed_model"])
            outcome = self._push({**uris, "pushed_model": pushed_model.uri}, examples, evaluation, exec_properties)
        outcome = outcome.model_copy(update={"test_uses": self._count(uris["data_card"], evaluation, exec_properties)})
        _LOGGER.info("%s: %s", "Pushed" if outcome.pushed else "Not pushed", outcome.reason)
        _write_outcome(get_single_instance(output_dict["pushed_model"]), outcome)

    def _count(self, data_card: str, evaluation: Evaluation, exec_properties: dict[str, Any]) -> int:
        run_id = (self._context.pipeline_run_id if self._context else None) or ""
        return count_decision(
            ModelStore(exec_properties["push_uri"], exec_properties["model_name"]),
            _document(DataCard, data_card).test_digest,
            exec_properties["fingerprint"] or run_id or "unknown",
            blessed=evaluation.verdict.blessed,
        )

    def _push(
        self, uris: dict[str, str], examples: list[str], evaluation: Evaluation, exec_properties: dict[str, Any]
    ) -> PushOutcome:
        store = ModelStore(exec_properties["push_uri"], exec_properties["model_name"])
        card = _document(DataCard, uris["data_card"])
        corpus = read_carried_corpus(exec_properties["corpus"])
        model = f"{uris['model']}/{SERVING_FOLDER}"
        model_card = f"{uris['pushed_model']}/{posixpath.basename(CARD_FILE)}"
        description = f"{uris['pushed_model']}/{posixpath.basename(CORPUS_FILE)}"
        _write(description, corpus.canonical() + "\n")
        facts = json.loads(_read(f"{model}/{FACTS_FILE}"))
        _write(model_card, describe_model(store.name, corpus=corpus, facts=facts, data=card, evaluation=evaluation))
        # It reads Examples, for which TensorFlow is loaded: what is held back needs none of it.
        from agnews.components.pusher.write_reference import write_reference

        references = write_reference(
            uris["pushed_model"],
            examples=examples,
            predictions=f"{uris['predictions']}/{FILE.format(split=TEST)}",
            alphabet=facts.get(ALPHABET, ""),
            classes=corpus.class_names,
        )
        extra_files = {}
        if evaluation.abstention is not None and evaluation.abstention.threshold is not None:
            abstention = f"{uris['pushed_model']}/{posixpath.basename(ABSTENTION_FILE)}"
            _write(abstention, evaluation.abstention.model_dump_json() + "\n")
            extra_files[ABSTENTION_FILE] = abstention
        compared = evaluation.verdict.paired_test
        before = store.production()
        push = publish(
            store,
            model=model,
            extra_files=extra_files
            | {
                STATISTICS_FILE: f"{uris['statistics']}/Split-{TRAIN}/FeatureStats.pb",
                CARD_FILE: model_card,
                CORPUS_FILE: description,
                COUNTS_FILE: f"{uris['data_card']}/{TRAIN}/{FeatureCounts.FILE}",
            }
            | references,
            judged_against=compared.baseline if compared else "",
            replaces=exec_properties["replaces"],
            why=exec_properties["reason"],
            fingerprint=exec_properties["fingerprint"],
            run_id=(self._context.pipeline_run_id if self._context else None) or "",
            accuracy=evaluation.metrics.accuracy,
            overruled=evaluation.verdict.failed_rules,
            classes=corpus.class_names,
            anchor=uris["evaluation"],
            learnt_from=LearntFrom(
                digest=card.digest,
                test_digest=card.test_digest,
                spans={span.name: span.digest for span in card.spans},
                is_sample=card.is_sample,
            ),
        )
        if push.withdrawn is not None:
            withdrawn = push.withdrawn.version
            return PushOutcome(
                pushed=False,
                reason=f"it is version {withdrawn}, which somebody rolled back from; `agnews models rollback --to "
                f"{withdrawn}` puts it back into production",
            )
        version = push.record.version
        if push.is_new:
            follow_production(
                push.record,
                before,
                folder=store.folder(version),
                folder_before=store.folder(before.version) if before else "",
            )
        how = "" if push.is_new else " already, and it is this model"
        if push.is_new and push.record.overruled:
            how = f" by force, against {', '.join(push.record.overruled)}"
        return PushOutcome(
            pushed=True,
            reason=f"version {version} is in production{how}",
            version=version,
            digest=push.record.model_digest,
            destination=store.folder(version),
        )


def _document(kind: type[_Document], uri: str) -> _Document:
    return kind.read(uri, files_at(uri).read)


def _read(path: str) -> bytes:
    return files_at(path).read_bytes(path)


def _write(path: str, text: str) -> None:
    files_at(path).write_text(path, text)


def _write_outcome(pushed_model: Artifact, outcome: PushOutcome) -> None:
    outcome.write(pushed_model.uri, files_at(pushed_model.uri).write)
    pushed_model.set_int_custom_property("pushed", int(outcome.pushed))
    pushed_model.set_string_custom_property("pushed_version", outcome.version)
    pushed_model.set_string_custom_property("pushed_destination", outcome.destination)
