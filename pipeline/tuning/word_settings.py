"""Settings in a few words."""

from __future__ import annotations

from collections.abc import Mapping

from agnews.components.tuning.dimension import Setting


def word_settings(settings: Mapping[str, Setting]) -> str:
    """Returns settings on one line, without the sections of their keys."""
    return "  ".join(f"{key.split('.')[-1]} {_word(value)}" for key, value in settings.items())


def _word(value: Setting) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)
