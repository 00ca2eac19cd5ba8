"""What a version of the pipeline is called."""

from __future__ import annotations

import subprocess
from pathlib import Path

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline

_DIGITS = 12
NO_COMMIT = "nogit"


def version_name(pipeline: CompiledPipeline, commit: str) -> str:
    """Names a version after the code and the content, so that the same pipeline gets the same name.

    Args:
        pipeline: The compiled pipeline.
        commit: Git commit, or what `git_commit` returned.

    Returns:
        For example `1a2b3c4d5e6f-0f1e2d3c4b5a`: small letters, digits and hyphens, as Kubernetes wants of names.
    """
    return f"{commit[:_DIGITS]}-{pipeline.digest[:_DIGITS]}"


def git_commit(folder: Path) -> str:
    """Returns the commit that is checked out in a folder, `nogit` where there is none.

    What is not committed yet shows in the digest of the pipeline, if it changes the pipeline at all.
    """
    try:
        command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return NO_COMMIT
    return found.stdout.strip() if found.returncode == 0 else NO_COMMIT
