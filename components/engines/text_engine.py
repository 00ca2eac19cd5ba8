"""An export in memory: texts in, probabilities out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agnews.components.engines.engine import Engine
from agnews.components.engines.find_export import PUSHED, TOKENIZER, FoundExport
from agnews.components.engines.library_tokens import TOKENIZER_FILE, LibraryTokens
from agnews.components.engines.onnxruntime_engine import OnnxRuntimeEngine
from agnews.components.engines.openvino_engine import OpenVinoEngine
from agnews.components.engines.optional_package import is_installed
from agnews.components.engines.text_tokens import TextTokens
from agnews.components.model_store.model_digest import model_digest
from agnews.components.model_store.sound_copy import sound_copy
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.model_export import ExportEngine, ModelExport, Precision


class TextEngine:
    """Runs the network of an export behind what makes its tokens. Threads may call it side by side.

    Args:
        name: Of the export.
        engine: The network.
        tokens: What is before it.
    """

    def __init__(self, name: str, engine: Engine, tokens: TextTokens) -> None:
        self.name = name
        self._engine = engine
        self._tokens = tokens

    @classmethod
    def open(cls, folder: str, *, engine: ExportEngine, precision: Precision, batches: int, longest: int) -> TextEngine:
        """Loads the files of an export.

        Args:
            folder: A local folder.
            engine: What runs them.
            precision: Of the arithmetic.
            batches: How many are computed at once.
            longest: Tokens of a text at most; 0 where that is not known.

        Raises:
            AgnewsError: The engine is not installed.
            RuntimeError, ValueError, OSError: The files cannot be loaded.
        """
        network: Engine = (
            OpenVinoEngine(folder, precision, batches=batches, longest=longest)
            if engine == "openvino"
            else OnnxRuntimeEngine(folder)
        )
        return cls(f"{engine}-{precision}", network, open_tokens(folder))

    def probabilities(self, texts: Sequence[bytes] | NDArray[np.object_]) -> NDArray[np.float32]:
        """Answers a batch.

        Args:
            texts: UTF-8.

        Returns:
            (batch, classes).
        """
        return self.of_tokens(*self._tokens(texts))

    def of_tokens(self, token_ids: NDArray[np.int32], padding_mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Answers a batch of word pieces; see `Engine`. It may be empty, which not every engine can compute."""
        if not len(token_ids):
            return self._engine.probabilities(np.zeros((1, 2), np.int32), np.ones((1, 2), np.bool_))[:0]
        return self._engine.probabilities(token_ids, padding_mask)

    def close(self) -> None:
        """Frees the memory."""
        self._engine.close()
        self._tokens.close()


def open_tokens(folder: str) -> TextTokens:
    """Loads what makes the tokens of an export: the library, if it is there, since it saves loading TensorFlow.

    Args:
        folder: Of the export, on a local disk.

    Raises:
        AgnewsError: Nothing that could is installed.
        ValueError, OSError: The files cannot be loaded.
    """
    if Path(folder, TOKENIZER_FILE).is_file() and (is_installed("tokenizers") or not is_installed("tensorflow")):
        return LibraryTokens(folder)
    from agnews.components.engines.graph_tokens import GraphTokens

    return GraphTokens(f"{folder}/{TOKENIZER}")


def open_export(found: FoundExport, *, batches: int, parent_digest: str = "") -> TextEngine:
    """Loads an export, after its files were compared with their digest.

    Args:
        found: The export.
        batches: How many are computed at once.
        parent_digest: Of the version that it has to be made of; empty where that is known.

    Returns:
        It, ready to answer.

    Raises:
        AgnewsError: Its files are damaged, it was made of other weights, or its engine is not installed.
    """
    export = found.export
    if parent_digest and export.parent_digest not in ("", parent_digest):
        raise _unusable(found, "it was made of other weights than this version's")
    version, inside, _ = found.folder.rpartition(f"/{PUSHED}/")
    if parent_digest and inside:
        # What was pushed with a version can't vouch for itself: the version's own digest does.
        with sound_copy(version, parent_digest):
            pass
    with _local(found.folder) as folder:
        files = {path: f"{folder}/{path}" for path in files_at(folder).files_below(folder)}
        files.pop(ModelExport.FILE, None)
        if (digest := model_digest(files)) != export.digest:
            raise _unusable(found, f"sha256 {digest} of its files, exported was {export.digest}")
        try:
            return TextEngine.open(
                folder,
                engine=export.engine,
                precision=export.precision,
                batches=batches,
                longest=export.longest,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise _unusable(found, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from error


@contextmanager
def _local(folder: str) -> Iterator[str]:
    if "://" not in folder:
        yield folder
        return
    source = files_at(folder)
    with tempfile.TemporaryDirectory(prefix="agnews-export-") as copy:
        for path in source.files_below(folder):
            files_at(copy).write(f"{copy}/{path}", source.read(f"{folder}/{path}"))
        yield copy


def _unusable(found: FoundExport, what: str) -> AgnewsError:
    return AgnewsError(
        f"The export in {found.folder} cannot be used.",
        found=what,
        fix="Export the version again with `agnews export`; --engine tensorflow does without.",
        exit_code=ExitCode.FAILED,
    )
