"""Training rows of a run whose labels look wrong."""

from __future__ import annotations

from pathlib import Path

from agnews.components.storage.files_at import files_at
from agnews.pipeline.paths import Paths
from agnews.pipeline.reports.find_run import find_run
from agnews.schemas.errors import AgnewsError
from agnews.schemas.linear_check import DOUBTS_FILE, DoubtfulLabel, LinearCheck

_NODE = "LinearBaseline"


def find_doubts(run: str, root: Path) -> tuple[str, list[DoubtfulLabel]]:
    """Finds what the node LinearBaseline of a run has listed.

    Args:
        run: Id of a run, `latest`, or the folder or URI that the node wrote: for runs on Kubeflow.
        root: Root folder of the runs.

    Returns:
        A name for the list, which sorts as runs do, and the rows, the most doubtful first.

    Raises:
        AgnewsError: There is no such run, or no such list, or nobody has looked; or texts have several classes.
    """
    if "/" in run:
        folder = run.rstrip("/").removesuffix(f"/{DOUBTS_FILE}")
        folder = folder if "://" in folder else str(Path(folder).expanduser().absolute())
        name = "-".join(folder.rpartition("://")[2].strip("/").split("/")[-2:])
    else:
        report = find_run(Paths(root.expanduser().absolute()), run)
        node = report.nodes.get(_NODE)
        folder, name = node.outputs.get("report", "") if node else "", report.run_id
        if not folder:
            raise AgnewsError(
                "The run did not come to look for doubtful labels.",
                found=f"{report.run_id}: {_NODE} is {node.state if node else 'not in it'}",
                fix="Take another run: `agnews report list` shows all.",
            )
    files = files_at(folder)
    if not files.exists(f"{folder}/{DOUBTS_FILE}"):
        raise AgnewsError(
            "There is no list of doubtful labels.",
            found=f"no {DOUBTS_FILE} in {folder}",
            fix="Take a newer run: what runs had written may have been cleaned away, or be of an older agnews.",
        )
    lines = files.read_bytes(f"{folder}/{DOUBTS_FILE}").splitlines()
    rows = [DoubtfulLabel.model_validate_json(line) for line in lines]
    check = LinearCheck.read(folder, files.read)
    if any(isinstance(each, tuple) for each in check.answers.values()):
        raise AgnewsError(
            "The page of labels asks for one class of a text, and the texts of this run have several.",
            found=folder,
            fix=f"Mend the labels in the training file: {folder}/{DOUBTS_FILE} lists the rows.",
        )
    if not rows and (why := check.skipped):
        raise AgnewsError(
            "Nobody looked at the labels of this run's training rows.",
            found=f"{folder}: {why}",
            fix="Take a run that does: `agnews report show RUN --json` has them under evaluation.train_labels.",
        )
    return name, rows
