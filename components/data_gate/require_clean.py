"""Ends a run whose rows did not pass."""

from __future__ import annotations

from agnews.schemas.data_check import DataCheck, Finding
from agnews.schemas.errors import AgnewsError, ExitCode

_FIXES = {
    "anomaly": "look at the rows (`agnews data check`), or, if they are right, change schemas/schema.pbtxt",
    "skew": "train and test must come from the same source: check that both files are of one corpus and whole",
    "drift": "see whether the news changed or their feed did; set data.fail_on_drift to false to train all the same",
}


def require_clean(check: DataCheck) -> None:
    """Does nothing if the rows may be learnt from.

    Args:
        check: What the gate found.

    Raises:
        AgnewsError: Something stops the run. Names each feature, what was seen, and what is allowed.
    """
    stopping = [finding for finding in check.findings if finding.stops]
    if not stopping:
        return
    kinds = dict.fromkeys(finding.kind for finding in stopping)
    raise AgnewsError(
        f"The rows break {len(stopping)} rule{'s' if len(stopping) > 1 else ''} of the schema. Nothing was trained.",
        found="".join(f"\n    {_tell(finding)}" for finding in stopping),
        fix="; ".join(_FIXES[kind] for kind in kinds).capitalize() + ".",
        exit_code=ExitCode.FAILED,
    )


def _tell(finding: Finding) -> str:
    feature = f"feature `{finding.feature}`" if finding.feature else "the rows"
    return f"{feature} ({finding.where}): {finding.seen}\n      allowed: {finding.allowed}"
