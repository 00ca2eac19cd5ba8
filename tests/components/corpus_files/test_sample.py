from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from agnews.components.corpus_files.inspect_corpus import inspect_corpus
from agnews.components.corpus_files.sample import TEST_ROWS, TRAIN_ROWS, write_sample
from agnews.schemas.corpus_document import packaged_corpus, parse_corpus
from agnews.schemas.errors import AgnewsError

AG_NEWS = packaged_corpus()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, AG_NEWS)
    return folder


def rows_of(path: Path) -> list[tuple[int, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(int(label), f"{title} {text}") for label, title, text in csv.reader(file, strict=True)]


def test_is_the_same_on_every_machine(sample: Path) -> None:
    # A change of the grammar changes these; a change of machine or of Python must not.
    digests = {
        name: hashlib.sha256((sample / name).read_bytes()).hexdigest()[:16] for name in ("train.csv", "test.csv")
    }
    assert digests == {"train.csv": "d7d3aa641636d0b1", "test.csv": "a5935e38f28df4f4"}


def test_is_clean_and_has_a_few_duplicates(sample: Path) -> None:
    found = inspect_corpus(str(sample), AG_NEWS, eval_share=0.1, max_reject_share=0.0)
    card = found.card
    assert found.problem is None
    assert card.rejected == 0
    assert card.files["train.csv"].records == TRAIN_ROWS
    assert card.files["test.csv"].records == TEST_ROWS
    assert 4 <= card.left_out_as_test <= 10
    assert 6 <= card.splits["train"].duplicates + card.splits["eval"].duplicates <= 20
    for split in card.splits.values():
        shares = [rows / split.rows for rows in split.rows_per_class.values()]
        assert min(shares) > 0.2
        assert max(shares) < 0.33
        assert 0.1 < split.markup_share < 0.4


def test_every_slot_is_filled_and_ordinals_are_words(sample: Path) -> None:
    texts = " ".join(text for name in ("train.csv", "test.csv") for _, text in rows_of(sample / name))
    assert "{" not in texts
    for wrong in ("twoth", "threeth", "fiveth", "nineth"):
        assert wrong not in texts


def test_a_linear_model_gets_about_nine_in_ten(sample: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train, test = rows_of(sample / "train.csv"), rows_of(sample / "test.csv")
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=5, max_iter=1_000))
    model.fit([text for _, text in train], [label for label, _ in train])
    accuracy = model.score([text for _, text in test], [label for label, _ in test])
    assert 0.88 <= accuracy <= 0.94


def test_another_set_of_classes_is_refused(tmp_path: Path) -> None:
    other = parse_corpus("format: 1\nname: bbc\nclasses: [tech, sport]\n", "corpus.yaml")
    with pytest.raises(AgnewsError, match="no stories"):
        write_sample(tmp_path, other)
