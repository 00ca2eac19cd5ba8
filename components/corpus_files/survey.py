"""One look at all rows of a corpus, on this machine and without TFX."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agnews.components.corpus_files.row_batch import read_batches
from agnews.components.corpus_files.split_rule import SplitRule
from agnews.components.corpus_files.tally import Tally
from agnews.schemas.corpus import Corpus
from agnews.schemas.features import TEST


def survey(
    paths: dict[str, str],
    corpus: Corpus,
    *,
    eval_share: float,
    on_rows: Callable[[int], None] | None = None,
) -> Tally:
    """Reads the files of a corpus and counts what is in them, splitting the rows as NewsExampleGen does.

    Args:
        paths: Path or URI by file name.
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
    for file in (corpus.test_file, corpus.train_file):
        rule = SplitRule(eval_share, np.unique(np.concatenate(keys)))
        for batch in read_batches(paths[file], file, corpus):
            if file == corpus.test_file:
                keys.append(batch.keys)
                tally.add(batch, {TEST: np.ones(len(batch.keys), np.bool_)}, left_out_as_test=0)
            else:
                tally.add(batch, *rule(batch))
            done += len(batch.records) + len(batch.rejects)
            if on_rows is not None:
                on_rows(done)
    return tally
