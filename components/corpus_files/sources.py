"""Where the files of a corpus are, and whether they are worth opening."""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agnews.components.corpus_files.find_spans import find_spans, is_blank
from agnews.components.corpus_files.open_corpus_file import open_corpus_file
from agnews.components.corpus_files.read_records import folder_files
from agnews.components.corpus_files.sample import SAMPLE, write_sample
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError

# As file(1) has it: bell to carriage return, and the escape that begins a colour of a terminal.
_TEXT_CONTROLS = frozenset(b"\a\b\t\n\v\f\r\x1b")
_MOST_CONTROLS = 0.02
_FEW_CONTROLS = 32
"""A share says nothing about a short file: a single NUL in ten bytes is one bad row."""
_ENCODED = "Say so in the description (read.encoding: utf-{0}), or convert it: iconv -f UTF-{0} -t UTF-8 OLD > NEW."
_OTHER_FORMATS = (
    (b"\x1f\x8b", "a gzip archive", "Unpack it with gunzip."),
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet", "Unpack it, or export the sheet as CSV in UTF-8."),
    (b"\xfd7zXZ", "an xz archive", "Unpack it with unxz."),
    (b"BZh", "a bzip2 archive", "Unpack it with bunzip2."),
    (b"PAR1", "a Parquet file", "Say so in the description: read.format: parquet."),
    (codecs.BOM_UTF32_LE, "text in UTF-32", _ENCODED.format(32)),
    (codecs.BOM_UTF16_LE, "text in UTF-16", _ENCODED.format(16)),
    (codecs.BOM_UTF16_BE, "text in UTF-16", _ENCODED.format(16)),
    (b"<!doctype", "a web page, perhaps an error page saved under this name", "Download the file again."),
    (b"<html", "a web page, perhaps an error page saved under this name", "Download the file again."),
    (b"version https://git-lfs", "a Git LFS pointer and not the file itself", "Run git lfs pull."),
)


def require_text(path: str, head: bytes, wanted: str = "CSV") -> None:
    """Makes sure that a file could hold lines of text.

    Args:
        path: What the file is called in messages.
        head: Its first bytes, some thousands of them.
        wanted: What it should be.

    Raises:
        AgnewsError: It is empty, or plainly something else.
    """
    if is_blank(head):
        raise AgnewsError("The file is empty.", found=path, fix="Copy or download it again.")
    for magic, kind, fix in _OTHER_FORMATS:
        if head[: len(magic)].lower() == magic.lower():
            raise AgnewsError(f"The file is {kind}, not {wanted}.", found=path, fix=fix)
    controls = sum(head.count(bytes([b])) for b in range(32) if b not in _TEXT_CONTROLS)
    if controls > max(_FEW_CONTROLS, _MOST_CONTROLS * len(head)):
        raise AgnewsError(
            f"The file is binary, not {wanted}.",
            found=f"{path}: {controls} control characters in its first {len(head)} bytes",
            fix=f"Copy or download it again, or export it as {wanted} in UTF-8.",
        )
    if b"\n" not in head and head.count(b"\r") > 1:
        raise AgnewsError(
            "The lines of the file end in CR alone.",
            found=path,
            fix="Convert it: tr '\\r' '\\n' < OLD > NEW.",
        )


_LOOKED_AT = 1 << 16


@dataclass(frozen=True)
class CorpusFiles:
    """The files that a run reads.

    Attributes:
        train: Path or URI by name; with spans the names are `YYYY-MM-DD/FILE`, oldest first.
        test: Path or URI by name: one file of its own, or the training files that the description takes test rows from.
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
    learnt = spans.names[: len(spans.names) - (corpus.files.test.newest_spans or 0)]
    names = [f"{span}/{corpus.train_file}" for span in learnt] or [corpus.train_file]
    found = CorpusFiles(
        train={name: f"{folder}/{name}" for name in names},
        test={name: f"{folder}/{source}" for name, source in _test_sources(corpus, names, spans.names).items()},
        spans=learnt,
        notes=spans.notes,
    )
    for path in dict.fromkeys(found.paths.values()):
        _require_usable(path, corpus)
    return found


def _test_sources(corpus: Corpus, train: list[str], spans: tuple[str, ...]) -> dict[str, str]:
    """Returns where test rows are read, below the folder, by what that is called."""
    test = corpus.files.test
    if test.file is not None:
        return {test.file: test.file}
    if test.newest_spans is not None:
        return {f"{span}/{corpus.train_file}": f"{span}/{corpus.train_file}" for span in spans[-test.newest_spans :]}
    how = corpus.test_name.removeprefix(corpus.train_file)
    return {f"{name}{how}": name for name in train}


def _require_usable(path: str, corpus: Corpus) -> None:
    if corpus.form == "folders":
        if not folder_files(path):
            raise AgnewsError(
                "The folder holds no folder of text files.",
                found=path,
                fix="Put the texts of each class into a folder of their own: CLASS/FILE.txt.",
            )
        return
    with open_corpus_file(path, corpus) as stream:
        head = stream.read(_LOOKED_AT)
    if corpus.form != "parquet":
        require_text(path, head, corpus.form.upper())
    elif head[:4] != b"PAR1":
        raise AgnewsError("The file is no Parquet file.", found=path, fix="Say read.format in the description.")


def _require_folder(source: str) -> None:
    folder = Path(source).expanduser()
    if not folder.exists():
        raise AgnewsError(
            "The data folder does not exist.",
            found=source,
            fix="Name a folder that holds the files, or run `agnews corpus fetch DIR` to get the official ones.",
        )
    if not folder.is_dir():
        raise AgnewsError("The data folder is a file.", found=source, fix="Name the folder that it lies in.")


@contextmanager
def corpus_folder(source: str, corpus: Corpus) -> Iterator[str]:
    """Lends the folder with the files of a corpus.

    Args:
        source: `sample`, a local folder, or the URI of one.
        corpus: The corpus.

    Yields:
        The source itself, or for the sample a temporary folder that is gone afterwards.
    """
    if source != SAMPLE:
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="agnews-sample-") as folder:
        write_sample(folder, corpus)
        yield folder
