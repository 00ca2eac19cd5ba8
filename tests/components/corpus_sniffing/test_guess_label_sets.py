from __future__ import annotations

import pytest

from agnews.components.corpus_sniffing.guess_label_sets import guess_label_sets


@pytest.mark.parametrize(
    ("cells", "separator", "empty"),
    [
        (["a|b", "b", "", "a|c", "c|b|a"] * 5, "|", 5),
        (["a; b", "b", "c; a"] * 5, ";", 0),
        (["sport, film", "film", "sport"] * 5, ",", 0),
        (['["a", "b"]', '["b"]', "[]"] * 5, None, 5),
    ],
)
def test_classes_are_told_apart_by_what_stands_between_them(
    cells: list[str], separator: str | None, empty: int
) -> None:
    found = guess_label_sets(cells)
    assert found is not None
    assert (found.separator, found.empty) == (separator, empty)
    assert all(name == name.strip() for cell in cells for name in found.split(cell))


@pytest.mark.parametrize(
    "cells",
    [
        ["a", "b", "c"] * 5,
        [f"A text, of number {i}, with commas" for i in range(30)],
        ["Paris, France", "Rome, Italy", "Oslo, Norway"],
        ["World", "Sports", "Business", "Science, technology"] * 10,
        ["a|a", "b|b"] * 10,
        ['["a"]', '["b"]'] * 5,
        ["", ""],
        [],
    ],
)
def test_what_is_one_class_or_a_text_is_left_alone(cells: list[str]) -> None:
    assert guess_label_sets(cells) is None
