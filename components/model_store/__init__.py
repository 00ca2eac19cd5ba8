"""Where pushed models live: one folder a version, and a pointer to the one in production."""

from agnews.components.model_store.model_store import ModelStore

__all__ = ["ModelStore"]
