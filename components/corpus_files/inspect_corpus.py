"""Everything that can be said about a corpus without learning from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agnews.components.corpus_files.corpus_state import corpus_state
from agnews.components.corpus_files.corrections import read_corrections
from agnews.components.corpus_files.record import Reject
from agnews.components.corpus_files.require_usable import require_usable
from agnews.components.corpus_files.row_batch import LeftOut, read_files
from agnews.components.corpus_files.sample import SAMPLE
from agnews.components.corpus_files.sources import CorpusFiles, corpus_folder, require_corpus_files
from agnews.components.corpus_files.split_rule import SplitRule
from agnews.components.corpus_files.tally import Tally
from agnews.schemas.corpus import Corpus
from agnews.schemas.data_card import DataCard
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import EVAL, TEST, TRAIN


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
    tell = on_rows or (lambda rows: None)
    tally, keys = Tally(), [np.zeros(0, np.uint64)]
    for batch in read_files(files.test, corpus, TEST):
        keys.append(batch.keys)
        tally.add(batch, {TEST: np.ones(len(batch.keys), np.bool_)}, LeftOut())
        tell(sum(tally.records.values()))
    rule = SplitRule(eval_share, np.unique(np.concatenate(keys)), corrections=read_corrections(files, corpus))
    learnt = _survey_training(files, corpus, rule, tell)
    topped_up = rule.topped_up(learnt.rows(TRAIN), learnt.rows(EVAL))
    if topped_up is not rule:
        learnt = _survey_training(files, corpus, topped_up, tell)
    tally.merge(learnt)
    return tally


def _survey_training(files: CorpusFiles, corpus: Corpus, rule: SplitRule, tell: Callable[[int], None]) -> Tally:
    tally = Tally()
    for batch in read_files(files.train, corpus):
        tally.add(batch, *rule(batch))
        tell(sum(tally.records.values()))
    return tally


@dataclass(frozen=True)
class Inspection:
    """What an inspection found.

    Attributes:
        card: What the files hold.
        rejects: Bad records by file.
        official: By file, whether it is the published one, byte for byte.
        notes: What was passed over, a sentence each.
        problem: Why nothing should be learnt from these files, or None.
    """

    card: DataCard
    rejects: dict[str, list[Reject]]
    official: dict[str, bool]
    notes: tuple[str, ...]
    problem: AgnewsError | None


def inspect_corpus(
    source: str,
    corpus: Corpus,
    *,
    eval_share: float,
    max_reject_share: float,
    window: int | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> Inspection:
    """Reads all rows and judges them as a run would.

    Args:
        source: `sample`, a local folder, or the URI of one.
        corpus: The corpus.
        eval_share: Share of the training texts that go to eval.
        max_reject_share: Largest share of bad records in a file that is put up with.
        window: Take the newest that many spans; None takes all.
        on_rows: Called now and then with the number of rows read so far.

    Returns:
        The findings.

    Raises:
        AgnewsError: A file is missing, empty, or plainly something else than CSV, or spans are not as they should be,
            so there is nothing to describe.
    """
    with corpus_folder(source, corpus) as folder:
        files = require_corpus_files(folder, corpus, window)
        state = corpus_state(files, corpus)
        official = {
            name: name in corpus.files.published and sha256 == corpus.files.published[name].sha256
            for name, sha256 in state.sha256.items()
        }
        tally = survey(files, corpus, eval_share=eval_share, on_rows=on_rows)
        card = tally.card(corpus, source=source, is_sample=source == SAMPLE, state=state)
    problem = None
    try:
        require_usable(card, tally.rejects, corpus, max_reject_share)
    except AgnewsError as error:
        problem = error
    return Inspection(card, tally.rejects, official, files.notes, problem)
