"""Texts whose labels came back: what people agree on takes the place of what older rows say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agnews.components.corpus_files.sources import CorpusFiles
from agnews.components.storage.files_at import files_at
from agnews.schemas.corpus import Corpus

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


def read_corrections(files: CorpusFiles, corpus: Corpus) -> Corrections:
    """Reads which texts of a corpus people have labelled.

    Args:
        files: Those that a run learns from.
        corpus: Their names.

    Returns:
        The texts; none where the folder is none of spans.
    """
    keys: list[int] = []
    names = set()
    for name, path in files.train.items() if files.spans else ():
        provenance = f"{path.removesuffix(corpus.train_file)}{PROVENANCE}"
        storage = files_at(provenance)
        if storage.exists(provenance):
            keys += (int(json.loads(line)["key"], 16) for line in storage.read_bytes(provenance).splitlines())
            names.add(name)
    return Corrections(np.unique(np.array(keys, np.uint64)), frozenset(names))
