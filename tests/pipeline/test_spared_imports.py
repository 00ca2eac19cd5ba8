from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from agnews.pipeline.spared_imports import spared_imports


class Knot:
    """What nothing but the collector can remove."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_is_loaded_inside_is_out_of_sight_and_all_else_is_not() -> None:
    before = weakref.ref(Knot())
    with spared_imports():
        assert not gc.isenabled()
        assert before() is None, "garbage is not kept for ever"
        inside = weakref.ref(Knot())
    assert gc.isenabled()
    behind = weakref.ref(Knot())
    gc.collect()
    assert behind() is None
    assert inside() is not None
    gc.unfreeze()
    gc.collect()
    assert inside() is None


def test_the_collector_is_back_after_an_import_that_fails() -> None:
    with pytest.raises(ModuleNotFoundError), spared_imports():
        raise ModuleNotFoundError
    assert gc.isenabled()


def test_who_has_switched_it_off_is_not_overruled() -> None:
    gc.disable()
    try:
        with spared_imports():
            pass
        assert not gc.isenabled()
        assert gc.get_freeze_count() == 0
    finally:
        gc.enable()
