"""What programs import: `agnews.load(uri).predict(texts)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agnews.components.prediction.loaded_model import LoadedModel, Prediction, load

__all__ = ["LoadedModel", "Prediction", "load"]


def __getattr__(name: str) -> Any:
    """Imports what is asked for, TensorFlow with it: every module of ours passes here, and most of them need none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agnews.components.prediction import loaded_model

    return getattr(loaded_model, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
