from __future__ import annotations

import pytest

from agnews.components.corpus_files.text_key import normalize, text_key


@pytest.mark.parametrize(
    "other",
    [
        "OIL PRICES RISE, it's said",
        "  Oil prices\trise,\nit's  said ",
        "Oil prices rise, it #39;s said",
        "Oil prices rise, it&#39;s said",
        "Oil\\prices rise, it's\\said",
        "<b>Oil</b> prices rise, it's said",
        "&lt;b&gt;Oil&lt;/b&gt; prices rise, it's said",
    ],
)
def test_copies_that_differ_in_markup_case_and_space_are_the_same(other: str) -> None:
    assert normalize(other) == normalize("Oil prices rise, it's said")
    assert text_key(other) == text_key("Oil prices rise, it's said")


@pytest.mark.parametrize(
    "other", ["Oil prices rise its said", "Oil prices rose, it's said", "Oil price rise, it's said"]
)
def test_other_words_and_punctuation_make_another_text(other: str) -> None:
    assert text_key(other) != text_key("Oil prices rise, it's said")


def test_the_key_never_changes() -> None:
    # Splits depend on it: another value would move rows between train and eval of every corpus.
    assert text_key("Oil prices rise") == 15224841997798911212
