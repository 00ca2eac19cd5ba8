"""One look at all rows of a corpus, on this machine and without TFX."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agnews.components.corpus_files.read_files import read_files
from agnews.components.corpus_files.sources import CorpusFiles
from agnews.components.corpus_files.split_rule import SplitRule
from agnews.components.corpus_files.tally import Tally
from agnews.schemas.corpus import Corpus
from agnews.schemas.features import TEST


def survey(
    files: CorpusFiles,
    corpus: Corpus,
    *,
    eval_share: float,
    on_rows: Callable[[int], None] | None = None,
) -> Tally:
    """Reads the files of a corpus and counts what is in them, splitting the rows as NewsExampleGen does.

    Args:
        files: Where they are.
        corpus: The corpus.
        eval_share: Share of the training texts that go to eval.
        on_rows: Called now and then with the number of rows read so far.

    Returns:
        The counts.

    Raises:
        AgnewsError: A file cannot be opened.
    """
    tally = Tally()
    keys = [np.zeros(0, np.uint64)]
    done = 0
    for paths in (files.test, files.train):
        rule = SplitRule(eval_share, np.unique(np.concatenate(keys)))
        for batch in read_files(paths, corpus):
            if paths is files.test:
                keys.append(batch.keys)
                tally.add(batch, {TEST: np.ones(len(batch.keys), np.bool_)}, left_out_as_test=0)
            else:
                tally.add(batch, *rule(batch))
            done += len(batch.records) + len(batch.rejects)
            if on_rows is not None:
                on_rows(done)
    return tally
