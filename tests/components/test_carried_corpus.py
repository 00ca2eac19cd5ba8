from __future__ import annotations

import json
from pathlib import Path

import pytest

from agnews.components.carried_corpus import MOST_CARRIED, carry_corpus, read_carried_corpus
from agnews.schemas.corpus_document import packaged_corpus, parse_corpus
from agnews.schemas.errors import AgnewsError

LARGE = "format: 1\nname: large\nclasses:\n" + "".join(f"  {i}: class number {i}\n" for i in range(10_000))


def test_a_small_description_travels_as_it_is(tmp_path: Path) -> None:
    value = carry_corpus(packaged_corpus(), str(tmp_path))
    assert value == packaged_corpus().canonical()
    assert read_carried_corpus(value) == packaged_corpus()
    assert not list(tmp_path.iterdir())


def test_ten_thousand_classes_travel_as_a_digest_and_a_place(tmp_path: Path) -> None:
    corpus = parse_corpus(LARGE, "corpus.yaml")
    value = carry_corpus(corpus, str(tmp_path))
    assert len(value) < 1_000 < MOST_CARRIED < len(corpus.canonical())
    assert carry_corpus(corpus, str(tmp_path)) == value
    assert read_carried_corpus(value) == corpus


def test_another_content_under_the_same_name_is_refused(tmp_path: Path) -> None:
    value = carry_corpus(parse_corpus(LARGE, "corpus.yaml"), str(tmp_path))
    path = Path(json.loads(value)["corpus_uri"])
    path.write_text(path.read_text().replace("class number 7", "another"))
    with pytest.raises(AgnewsError, match="not the one that this run began with"):
        read_carried_corpus(value)
    path.unlink()
    with pytest.raises(AgnewsError, match="is gone"):
        read_carried_corpus(value)
