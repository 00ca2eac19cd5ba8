from __future__ import annotations

import pytest

from agnews.components.text.has_markup import has_markup


@pytest.mark.parametrize("text", ["a\\b", "it #39;s", "&lt;b&gt;", "AT&amp;T", "<br>", "quot;Hi quot;"])
def test_finds_markup(text: str) -> None:
    assert has_markup(text)


@pytest.mark.parametrize("text", ["plain", "first; second", "1 < 2", "<MSFT.O>", "AT&T", "ranked #25; lost"])
def test_prose_is_no_markup(text: str) -> None:
    assert not has_markup(text)
