"""How often a test file has decided: whoever asks the same rows again and again learns them by heart."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import UTC, datetime

from agnews.components.model_store.model_store import ModelStore

_LOGGER = logging.getLogger(__name__)
_FOLDER = "decisions"
_DIGITS = 16


def count_decision(store: ModelStore, test_digest: str, key: str, *, blessed: bool) -> int:
    """Writes down that a verdict was given on a test file, and counts them.

    Args:
        store: Where models are pushed to.
        test_digest: sha256 of the test file.
        key: Tells what was judged: the same again is no other decision.
        blessed: The verdict.

    Returns:
        Decisions on this file so far, this one among them; 0 where the storage cannot say, which is no reason to stop
        a push.
    """
    folder = f"{store.uri}/{_FOLDER}/{test_digest[:_DIGITS]}"
    note = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "blessed": blessed, "test_digest": test_digest}
    try:
        # It is there where a run was cut behind this step, or is the same once more.
        with suppress(FileExistsError):
            store.files.create(f"{folder}/{key}.json", json.dumps(note).encode() + b"\n")
        return len([name for name in store.files.names(folder) if name.endswith(".json")])
    except OSError as error:
        _LOGGER.warning("How often this test file has decided is not known: %s", " ".join(str(error).split()))
        return 0
