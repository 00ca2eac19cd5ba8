"""The labelled rows that models are compared on outside of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agnews.schemas.errors import AgnewsError

if TYPE_CHECKING:
    from agnews.components.model_export.labelled_texts import LabelledTexts
    from agnews.components.model_store.find_pushed_model import PushedModel


def labelled_rows(test: str, root: Path, pushed: PushedModel) -> LabelledTexts:
    """Reads rows that a pushed model has not learnt from.

    Args:
        test: A file or URI like test.csv, or a run (or latest).
        root: Root folder of the runs.
        pushed: The model; it says how its corpus is read.

    Returns:
        The rows.

    Raises:
        AgnewsError: There is no such file and no such run, or it has no rows.
    """
    from agnews.components.model_export.labelled_texts import read_labelled_texts, read_test_split

    if "://" in test or Path(test).is_file():
        return read_labelled_texts(test, pushed.corpus())
    from agnews.components.storage.files_at import files_at
    from agnews.pipeline.paths import Paths
    from agnews.pipeline.reports.find_run import find_run

    try:
        report = find_run(Paths(root.expanduser().absolute()), test)
    except AgnewsError as error:
        raise AgnewsError(
            "The test rows are neither a file nor a run.", found=f"{test}: {error.problem}", fix="--test test.csv"
        ) from error
    evaluator = report.nodes.get("Evaluator")
    uri = evaluator.outputs.get("predictions", "") if evaluator else ""
    if not uri or not files_at(uri).names(uri):
        raise AgnewsError(
            f"Run {report.run_id} has left no test rows.",
            found=uri or "no Evaluator",
            fix="Name a file: --test test.csv",
        )
    return read_test_split(uri, f"run {report.run_id}", len(pushed.record.classes))
