from __future__ import annotations

from pathlib import Path

import pytest

from agnews.components.tuning.read_search_space import DEFAULT_SPACES, read_search_space, show_search_space
from agnews.schemas.errors import AgnewsError


@pytest.mark.parametrize("kind", DEFAULT_SPACES)
def test_what_is_shown_can_be_read(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(show_search_space(DEFAULT_SPACES[kind]))
    assert read_search_space(file) == DEFAULT_SPACES[kind]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing"),
        ("- 1", "list"),
        ("a: [", "expected"),
        ("training.epochs: 3", "training.epochs: 3"),
        ("training.epochs: {low: 3}", "give low and high, or values"),
        ("training.epochs: {low: 3, high: 2}", "not above high"),
        ("training.epochs: {values: []}", "values is empty"),
        ("training.epochs: {low: 1, high: 2, values: [1]}", "either low and high, or values"),
        ("training.epochs: {low: 0, high: 2, log: true}", "above 0"),
        ("training.epochs: {low: 0, high: 2, steps: 3}", "steps: extra inputs are not permitted"),
        ("training.epochs: {low: some, high: 2}", "low: input should be a valid"),
    ],
)
def test_a_file_that_is_no_search_space_is_refused_with_the_place(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(AgnewsError) as caught:
        read_search_space(file)
    assert said in f"{caught.value.found} {caught.value.fix}".lower()
    assert str(file) in caught.value.problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match=r"gone\.yaml"):
        read_search_space(tmp_path / "gone.yaml")


def test_numbers_as_people_write_them(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(
        "training.learning_rate: {low: 1e-4, high: 1e-2, log: true}\ntraining.clip_norm: {values: [null, 1.0]}"
    )
    space = read_search_space(file)
    assert space["training.learning_rate"].ends == (1e-4, 1e-2)
    assert space["training.clip_norm"].ends == (None, 1.0)
