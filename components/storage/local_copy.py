"""A model's folder where TensorFlow can load it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from agnews.components.storage.files_at import files_at


@contextmanager
def local_copy(folder: str) -> Iterator[str]:
    """Hands over a folder as it is, or a copy of it where TensorFlow cannot open it.

    Args:
        folder: A SavedModel, local or remote.

    Yields:
        A folder that TensorFlow opens; a copy is gone afterwards, which a model that was loaded does not miss.

    Raises:
        OSError: It cannot be read.
    """
    source = files_at(folder)
    if source.tensorflow_opens:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="agnews-model-") as copy:
        for path in source.files_below(folder):
            files_at(copy).write(f"{copy}/{path}", source.read(f"{folder}/{path}"))
        yield copy
