"""Where an exported model says what it is."""

from __future__ import annotations

FACTS_FILE = "assets.extra/model.json"
"""Facts about the model, beside the files of the SavedModel; TensorFlow Serving leaves this folder alone."""
ALPHABET = "alphabet"
"""Key of the characters that the vocabulary has pieces for, a string."""
