"""Names that strangers choose stay in the folder that they are joined to."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agnews.components.storage.safe_relative import safe_relative
from agnews.schemas.errors import AgnewsError


@pytest.mark.parametrize(
    "name", ["a", "a/b.txt", "variables/variables.data-00000-of-00001", "..a", "a..", "Zażółć.txt", "a b"]
)
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert safe_relative(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/../../x", "a/..", "/etc/passwd", "//host/share", "a//b", "a/", "C:/x", "c:x", "a\\..\\x",
     "a\0b", "a\nb", "a\x1b[31m", "\ud800", "a" * 5000],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(AgnewsError, match="lead out of the folder") as caught:
        safe_relative(name, within="s3://bucket/models")
    assert "s3://bucket/models" in str(caught.value.found)
    assert str(caught.value.found).isprintable()


@given(st.text(st.sampled_from("ab./\\:C\0\n"), max_size=12))
def test_what_passes_stays_below_on_every_system(name: str) -> None:
    try:
        safe_relative(name)
    except AgnewsError:
        return
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(name)
        assert not path.is_absolute()
        assert not path.drive
        assert ".." not in path.parts
