"""What the data of a run is, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from agnews.components.corpus_files.corrections import PROVENANCE, read_corrections
from agnews.components.corpus_files.read_records import folder_files
from agnews.components.corpus_files.sources import CorpusFiles, corpus_folder, require_corpus_files
from agnews.components.storage.open_binary import sha256_of
from agnews.schemas.corpus import Corpus


@dataclass(frozen=True)
class CorpusState:
    """Digests of all that a run reads.

    Attributes:
        sha256: sha256 by file name, lower-case hexadecimal; training files first.
        test: Names of where test rows are read, one but for spans.
        spans: Names of the spans, oldest first; empty where the folder is none of spans.
        notes: What was passed over, a sentence each.
        corrections: Digest of which texts people have labelled anew; empty where there are none.
    """

    sha256: Mapping[str, str]
    test: tuple[str, ...]
    spans: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    corrections: str = ""

    @property
    def digest(self) -> str:
        """sha256 over names and sha256 of the files: it changes with any byte, and not with the folder.

        Of what `agnews feedback collect` writes beside the rows it covers which texts are meant, since rows of other
        spans go for them, and not who has said what: another person who agrees trains nothing anew.
        """
        lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(self.sha256.items()))
        if self.corrections:
            lines += f"{self.corrections}  {PROVENANCE}\n"
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def test_digest(self) -> str:
        """sha256 of the test file; where there are several, sha256 over theirs."""
        if len(self.test) == 1:
            return self.sha256[self.test[0]]
        lines = "".join(f"{self.sha256[name]}  {name}\n" for name in sorted(self.test))
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def span_digests(self) -> dict[str, str]:
        """sha256 of the training file by span, oldest first."""
        train = [sha256 for name, sha256 in self.sha256.items() if name not in self.test]
        return dict(zip(self.spans, train, strict=True)) if self.spans else {}


def corpus_state(files: CorpusFiles, corpus: Corpus) -> CorpusState:
    """Digests files that are known to be there.

    Args:
        files: The files.
        corpus: Their format.

    Returns:
        Their state; every byte is read once.

    Raises:
        AgnewsError: A file cannot be opened.
    """
    paths = files.paths
    digests = {path: _sha256_of(path, corpus) for path in dict.fromkeys(paths.values())}
    sha256 = {name: digests[path] for name, path in paths.items()}
    corrections = read_corrections(files, corpus).digest
    return CorpusState(sha256, tuple(files.test), files.spans, files.notes, corrections)


def _sha256_of(path: str, corpus: Corpus) -> str:
    if corpus.form != "folders":
        return sha256_of(path)
    lines = (f"{sha256_of(f'{path}/{name}')}  {name}\n" for name in folder_files(path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_state(source: str, corpus: Corpus, window: int | None = None) -> CorpusState:
    """Finds and digests the files that a run would read now.

    Args:
        source: `sample`, a local folder, or the URI of one.
        corpus: The description of the corpus.
        window: Take the newest that many spans; None takes all.

    Returns:
        Their state.

    Raises:
        AgnewsError: A file is missing, empty, or plainly something else than CSV, or spans are
            not as they should be.
    """
    with corpus_folder(source, corpus) as folder:
        return corpus_state(require_corpus_files(folder, corpus, window), corpus)
