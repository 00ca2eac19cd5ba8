"""What a version and an export of a stranger may do on this machine."""

from __future__ import annotations

from agnews.components.engines.find_export import TOKENIZER, FoundExport
from agnews.components.engines.optional_package import is_installed
from agnews.components.model_trust.require_harmless import require_harmless


def require_harmless_version(folder: str) -> None:
    """Refuses a version that could do more than compute, where anything here could run it.

    Args:
        folder: The SavedModel, local or remote.

    Raises:
        AgnewsError: See `require_harmless`.
    """
    if is_installed("tensorflow"):
        require_harmless(folder)


def require_harmless_export(found: FoundExport) -> None:
    """Refuses an export whose tokeniser could do more than compute: the network is arithmetic and nothing else.

    Args:
        found: The export.

    Raises:
        AgnewsError: See `require_harmless`.
    """
    if found.needs_tensorflow or not is_installed("tokenizers"):
        require_harmless(f"{found.folder}/{TOKENIZER}")
