"""The n-grams that `agnews corpus init` chooses, on texts whose classes only some n-grams can tell apart."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from agnews.components.corpus_sniffing import choose_ngrams as module
from agnews.components.corpus_sniffing.choose_ngrams import choose_ngrams, measure_proposal
from agnews.components.corpus_sniffing.propose_corpus import Wanted, propose_corpus
from agnews.components.corpus_sniffing.settle_corpus import settle_corpus
from agnews.components.corpus_sniffing.write_description import write_description
from agnews.pipeline.node_settings import carried_corpora
from agnews.schemas.corpus_document import parse_corpus

LETTERS = list("abcdefghijklmnopqrst")


def runs_of_letters(rows: int, length: int, sign: tuple[str, str]) -> tuple[list[str], np.ndarray]:
    """Texts of one long word of random letters; somewhere in it is what tells the class."""
    random = np.random.default_rng(3)
    texts, labels = [], np.arange(rows, dtype=np.int64) % 2
    for label in labels.tolist():
        letters = random.choice(LETTERS, length).tolist()
        place = int(random.integers(length - 1))
        texts.append("".join([*letters[:place], sign[label], *letters[place:]]))
    return texts, labels


def test_texts_without_spaces_whose_sign_is_two_letters_get_short_ngrams() -> None:
    texts, labels = runs_of_letters(400, 12, ("xy", "yx"))
    choice = choose_ngrams(texts, labels, num_classes=2)
    assert choice is not None
    assert choice.char_ngrams in {"1-3", "1-4", "2-4"}
    assert choice.accuracy > 0.95
    assert (choice.learnt_from, choice.answered) == (300, 400)
    assert f"{choice.char_ngrams} {choice.accuracy:.1%}" in choice.reason


def test_where_nothing_is_better_beyond_noise_the_usual_ones_stay() -> None:
    texts = [f"{'the match was won' if i % 2 else 'the shares fell'} {i}" for i in range(80)]
    choice = choose_ngrams(texts, np.arange(80) % 2, num_classes=2)
    assert choice is not None
    assert (choice.char_ngrams, choice.accuracy) == ("3-5", 1.0)


def test_too_few_rows_are_not_measured() -> None:
    assert choose_ngrams(["a b", "c d"], np.array([0, 1]), num_classes=2) is None


def test_what_was_measured_stands_in_the_description_and_rows_of_test_are_never_asked(tmp_path: Path) -> None:
    texts, labels = runs_of_letters(120, 10, ("xy", "yx"))
    # The test rows say the opposite: asking them, or learning from them, would be seen.
    train = [*zip(texts, labels.tolist(), strict=True)]
    test = [(text, 1 - label) for text, label in train[:40]]
    for name, rows in (("train.csv", train), ("test.csv", test)):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    proposal = measure_proposal(settle_corpus(propose_corpus(Wanted([tmp_path / "train.csv"]))))

    said = next(each for each in proposal.seen if each.startswith("a linear model gets"))
    assert "of 80 training rows" in said
    corpus = parse_corpus(write_description(proposal.document, proposal.unsure), "corpus.yaml")
    chosen = corpus.kinds["linear"]["model"]["char_ngrams"]
    assert "measured on 80 rows" in corpus.reasons["model.char_ngrams"]
    # The linear model that every other one is compared with is that one.
    assert f'"char_ngrams":"{chosen}"' in carried_corpora(corpus, "")["LinearBaseline"]


def test_of_very_many_classes_some_are_told_apart_with_all_of_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class is known by its word; few rows of all classes would be less than one of each."""
    monkeypatch.setattr(module, "_MOST_CLASSES", 40)
    words = [f"{first}{second}{third}" for first in LETTERS[:5] for second in LETTERS[:5] for third in LETTERS]
    for name, copies in (("train.csv", 4), ("test.csv", 1)):
        rows = [(f"{word} {name} {copy}", f"c{at}") for at, word in enumerate(words[:90]) for copy in range(copies)]
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
    proposal = measure_proposal(settle_corpus(propose_corpus(Wanted([tmp_path / "train.csv"]))))

    said = next(each for each in proposal.seen if each.startswith("a linear model gets"))
    assert "of 160 training rows that it was not shown, after 120 others, of 40 of the classes" in said
    assert float(said.split()[4].rstrip("%")) > 90, said
