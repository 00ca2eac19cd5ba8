"""What columns are called in public corpora, in lower case."""

from __future__ import annotations

LABELS = (
    "label",
    "class",
    "category",
    "intent",
    "target",
    "sentiment",
    "topic",
    "class_name",
    "tag",
    "genre",
    "polarity",
    "y",
    "rating",
    "stars",
    "labels",
)
"""Those of a class, the likeliest first."""
TEXTS = (
    "text",
    "title",
    "headline",
    "sentence",
    "content",
    "body",
    "review",
    "question",
    "message",
    "comment",
    "description",
    "tweet",
    "utterance",
    "query",
    "document",
    "texts",
)
"""Those of a text."""
PARTS = ("split", "set", "fold")
"""Those that tell which split a row belongs to."""
KEYS = ("id", "idx", "index", "uid", "guid", "date", "url")
"""Those that name a row, or say when and where it was found."""
