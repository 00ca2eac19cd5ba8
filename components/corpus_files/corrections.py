"""Texts whose labels came back: what people agree on takes the place of what older rows say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agnews.components.corpus_files.sources import CorpusFiles
from agnews.components.storage.files_at import files_at
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError

PROVENANCE = "provenance.jsonl"
"""Beside the rows of a span that `agnews feedback collect` wrote, a line for each, with the `key` of its text."""


@dataclass(frozen=True, eq=False)
class Corrections:
    """What people have labelled anew.

    Attributes:
        keys: Digests of the texts, sorted, uint64.
        files: Names of the training files that hold their labels. Rows of other files with one of these texts count no
            more.
    """

    keys: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    files: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """sha256 over both; empty where nothing is labelled anew."""
        names = "".join(f"{name}\n" for name in sorted(self.files))
        return hashlib.sha256(names.encode() + self.keys.astype("<u8").tobytes()).hexdigest() if self.files else ""


def read_corrections(files: CorpusFiles, corpus: Corpus) -> Corrections:
    """Reads which texts of a corpus people have labelled.

    Args:
        files: Those that a run learns from.
        corpus: Their names.

    Returns:
        The texts; none where the folder is none of spans.

    Raises:
        AgnewsError: What stands beside the rows of a span is damaged.
    """
    keys: list[int] = []
    names = set()
    for name, path in files.train.items() if files.spans else ():
        provenance = f"{path.removesuffix(corpus.train_file)}{PROVENANCE}"
        storage = files_at(provenance)
        if storage.exists(provenance):
            keys += _keys(provenance, storage.read_bytes(provenance))
            names.add(name)
    return Corrections(np.unique(np.array(keys, np.uint64)), frozenset(names))


def _keys(path: str, content: bytes) -> Iterator[int]:
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            yield int(json.loads(line)["key"], 16)
        except (ValueError, KeyError, TypeError) as error:
            raise damaged_provenance(path, number, repr(error)) from None


def damaged_provenance(path: str, number: int, problem: str) -> AgnewsError:
    """Returns the error for the line of this number, from 1, which names no text, and what is wrong with it."""
    return AgnewsError(
        "What says which texts of a span people have labelled is damaged.",
        found=f"{path}, line {number}: {problem}",
        fix="Restore the file from a backup, or delete the span and collect its labels anew: "
        "`agnews feedback collect --span YYYY-MM-DD`.",
    )
