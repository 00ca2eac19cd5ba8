"""Where the files of a corpus are, and whether they are worth opening."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agnews.components.corpus_files.find_spans import find_spans
from agnews.components.corpus_files.open_binary import open_binary
from agnews.components.corpus_files.require_text import require_text
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError

_LOOKED_AT = 1 << 16


@dataclass(frozen=True)
class CorpusFiles:
    """The files that a run reads.

    Attributes:
        train: Path or URI by name; with spans the names are `YYYY-MM-DD/FILE`, oldest first.
        test: Path or URI by name, one file.
        spans: Names of the spans, oldest first; empty where the folder is none of spans.
        notes: What was passed over, a sentence each.
    """

    train: Mapping[str, str]
    test: Mapping[str, str]
    spans: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def paths(self) -> dict[str, str]:
        """Path or URI of every file by name, training files first."""
        return {**self.train, **self.test}


def require_corpus_files(source: str, corpus: Corpus, window: int | None = None) -> CorpusFiles:
    """Finds the files of a corpus and makes sure that each could be one, from its first 64 KiB.

    Args:
        source: A local folder, or the URI of one; it holds the training file or spans, and the test file.
        corpus: The corpus.
        window: Take the newest that many spans; None takes all.

    Returns:
        The files.

    Raises:
        AgnewsError: A file is missing, empty, or plainly something else, or `find_spans` finds something wrong.
    """
    folder = source.rstrip("/")
    if "://" not in source:
        _require_folder(source)
        folder = str(Path(source).expanduser())
    spans = find_spans(folder, corpus, window)
    names = [f"{span}/{corpus.train_file}" for span in spans.names] or [corpus.train_file]
    found = CorpusFiles(
        train={name: f"{folder}/{name}" for name in names},
        test={corpus.test_file: f"{folder}/{corpus.test_file}"},
        spans=spans.names,
        notes=spans.notes,
    )
    for path in found.paths.values():
        with open_binary(path) as stream:
            require_text(path, stream.read(_LOOKED_AT))
    return found


def _require_folder(source: str) -> None:
    folder = Path(source).expanduser()
    if not folder.exists():
        raise AgnewsError(
            "The data folder does not exist.",
            found=source,
            fix="Name a folder that holds the files, or run `agnews data fetch DIR` to get the official ones.",
        )
    if not folder.is_dir():
        raise AgnewsError("The data folder is a file.", found=source, fix="Name the folder that it lies in.")
