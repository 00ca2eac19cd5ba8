from __future__ import annotations

from pathlib import Path

import numpy as np

from agnews.components.corpus_files.corpus_state import corpus_state
from agnews.components.corpus_files.inspect_corpus import survey
from agnews.components.corpus_files.row_batch import LeftOut, read_batches
from agnews.components.corpus_files.sources import require_corpus_files
from agnews.components.corpus_files.tally import Tally
from agnews.components.drift.text_features import count_character_pairs
from agnews.schemas.corpus import Corpus
from agnews.schemas.data_card import DataCard


def card_of(folder: Path, corpus: Corpus, eval_share: float = 0.2) -> DataCard:
    files = require_corpus_files(str(folder), corpus)
    tally = survey(files, corpus, eval_share=eval_share)
    return tally.card(corpus, source=str(folder), is_sample=False, state=corpus_state(files, corpus))


def test_counts_rows_duplicates_contradictions_and_what_is_left_out(folder: Path, write_rows, corpus: Corpus) -> None:
    rows = [(str(1 + i % 4), f"headline {i}", "text") for i in range(20)]
    write_rows(
        "train.csv",
        [
            *rows,
            ("1", "Headline 0", "TEXT"),  # the class is the same
            ("3", "headline  0", "text"),  # the class is not
            ("2", "late headline 1", "what came\\of story 1"),  # a test row has this text
        ],
    )
    card = card_of(folder, corpus, eval_share=0.01)
    train, evaluation = card.splits["train"], card.splits["eval"]
    assert train.rows + evaluation.rows == 22
    assert train.duplicates + evaluation.duplicates == 2
    assert train.contradictions + evaluation.contradictions == 1
    assert card.left_out_as_test == 1
    assert card.shared_by_train_and_eval == 0
    assert card.splits["test"].rows_per_class == {"World": 10, "Sports": 10, "Business": 10, "Sci/Tech": 10}
    assert card.files["train.csv"].records == 23


def test_lengths_are_those_of_numpy(folder: Path, write_rows, corpus: Corpus) -> None:
    random = np.random.default_rng(3)
    counts = random.geometric(0.03, 1_000)
    write_rows("test.csv", [("1", "w", " ".join(["word"] * n)) for n in counts])
    words = card_of(folder, corpus).splits["test"].words
    expected = np.percentile(counts + 1, [50, 95, 99], method="inverted_cdf")
    assert [words.p50, words.p95, words.p99] == expected.tolist()
    assert words.max == counts.max() + 1
    assert words.mean == round(float(counts.mean()) + 1, 2)


def test_markup_share_and_rejects_by_reason(folder: Path, write_rows, corpus: Corpus) -> None:
    rows = [("1", f"t{i}", "it #39;s" if i < 3 else "plain") for i in range(10)]
    write_rows("test.csv", [*rows, ("9", "a", "b"), ("8", "a", "b"), ("1", "", "")])
    card = card_of(folder, corpus)
    assert card.splits["test"].markup_share == 0.3
    assert card.files["test.csv"].records == 13
    assert list(card.files["test.csv"].rejects.items()) == [("unknown class", 2), ("empty text", 1)]
    assert card.rejected == 3


def test_tallies_made_apart_and_merged_in_any_order_give_the_same_card(folder: Path, corpus: Corpus) -> None:
    def tally_of(size: int, backwards: bool) -> Tally:
        parts = []
        for batch in read_batches(str(folder / "train.csv"), "train.csv", corpus, size):
            part = Tally()
            part.add(batch, {"train": np.ones(len(batch.keys), np.bool_)}, LeftOut())
            parts.append(part)
        total = Tally()
        for part in reversed(parts) if backwards else parts:
            total.merge(part)
        return total

    about = {
        "source": "x",
        "is_sample": False,
        "state": corpus_state(require_corpus_files(str(folder), corpus), corpus),
    }
    assert tally_of(7, True).card(corpus, **about) == tally_of(1_000, False).card(corpus, **about)


def test_counts_for_comparisons_are_those_of_the_rows(folder: Path, write_rows, corpus: Corpus) -> None:
    rows = [(str(1 + i % 4), f"t{i}", "it #39;s" if i < 3 else "plain words") for i in range(10)]
    write_rows("test.csv", rows)
    tally = survey(require_corpus_files(str(folder), corpus), corpus, eval_share=0.2)
    counts, card = tally.feature_counts("test", 4), card_of(folder, corpus).splits["test"]
    assert counts.rows == card.rows == 10
    assert counts.label == tuple(card.rows_per_class.values()) == (3, 3, 2, 2)
    assert counts.has_markup == (7, 3)
    assert counts.num_words == tuple(10 * (bin_ == 3) for bin_ in range(len(counts.num_words)))
    assert sum(counts.num_characters) == 10
    texts = [f"{title} {text}" for _, title, text in rows]
    assert counts.character_pairs == tuple(count_character_pairs(texts).tolist())
    both = survey(require_corpus_files(str(folder), corpus), corpus, eval_share=0.2)
    both.merge(tally)
    assert both.feature_counts("test", 4).character_pairs == tuple(2 * n for n in counts.character_pairs)
