"""Asks Hugging Face's BERT normaliser and pre-tokenizer about every code point, for agnews.components.text.

    python3.11 -m venv /tmp/hf && /tmp/hf/bin/pip install "tokenizers==0.22.2"
    /tmp/hf/bin/python tests/golden/record_character_classes.py

Prints the ranges that `components/text/normalize.py` holds.
"""

# ruff: noqa: T201

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from tokenizers import normalizers, pre_tokenizers

CODE_POINTS = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]


def ranges(points: Iterable[int]) -> Iterator[str]:
    """Yields `9-a` for a run of neighbours, `d` for a point alone."""
    for _, group in itertools.groupby(enumerate(sorted(points)), key=lambda pair: pair[1] - pair[0]):
        run = [point for _, point in group]
        yield f"{run[0]:x}" if len(run) == 1 else f"{run[0]:x}-{run[-1]:x}"


def main() -> None:
    """Classifies each code point by what becomes of it between two letters."""
    cased = normalizers.BertNormalizer(strip_accents=False, lowercase=False)
    uncased = normalizers.BertNormalizer(strip_accents=True, lowercase=True)
    splitter = pre_tokenizers.BertPreTokenizer()
    became = {point: cased.normalize_str(f"a{chr(point)}b") for point in CODE_POINTS}
    removed = {point for point, text in became.items() if text == "ab"}
    spaces = {point for point, text in became.items() if text == "a b"}
    ideographs = {point for point, text in became.items() if text == f"a {chr(point)} b"}
    accents = {point for point in CODE_POINTS if uncased.normalize_str(f"a{chr(point)}b") == "ab"} - removed
    punctuation = {point for point in CODE_POINTS if len(splitter.pre_tokenize_str(f"a{chr(point)}b")) == 3}
    for name, points in {
        "REMOVED": removed,
        "SPACES": spaces,
        "IDEOGRAPHS": ideographs,
        "PUNCTUATION": punctuation,
        "ACCENTS": accents,
    }.items():
        print(f"{name}\n    {' '.join(ranges(points))}")


if __name__ == "__main__":
    main()
