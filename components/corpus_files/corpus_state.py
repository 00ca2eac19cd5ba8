"""What the data of a run is, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from agnews.components.corpus_files.sha256_of import sha256_of
from agnews.components.corpus_files.sources import CorpusFiles


@dataclass(frozen=True)
class CorpusState:
    """Digests of all that a run reads.

    Attributes:
        sha256: sha256 by file name, lower-case hexadecimal; training files first.
        test: Name of the test file.
        spans: Names of the spans, oldest first; empty where the folder is none of spans.
        notes: What was passed over, a sentence each.
    """

    sha256: Mapping[str, str]
    test: str
    spans: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """sha256 over names and sha256 of the files: it changes with any byte, and not with the folder."""
        lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(self.sha256.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def test_digest(self) -> str:
        """sha256 of the test file."""
        return self.sha256[self.test]

    @property
    def span_digests(self) -> dict[str, str]:
        """sha256 of the training file by span, oldest first."""
        train = [sha256 for name, sha256 in self.sha256.items() if name != self.test]
        return dict(zip(self.spans, train, strict=True)) if self.spans else {}


def corpus_state(files: CorpusFiles) -> CorpusState:
    """Digests files that are known to be there.

    Args:
        files: The files.

    Returns:
        Their state; every byte is read once.

    Raises:
        AgnewsError: A file cannot be opened.
    """
    (test,) = files.test
    sha256 = {name: sha256_of(path) for name, path in files.paths.items()}
    return CorpusState(sha256, test, files.spans, files.notes)
