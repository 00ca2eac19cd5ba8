"""The columns of `agnews predict` and `agnews batch`: one row a text that was answered, in the order of the texts."""

from __future__ import annotations

ID = "id"
"""string, the row's own identifier, or where it stands."""
LABEL = "label"
"""string, name of the likeliest class."""
PROBABILITIES = "probabilities"
"""By name of the class: an object in JSON Lines, a struct of float32 in Parquet. CSV has a column a class instead."""
MODEL_VERSION = "model_version"
"""string, the version of the model that answered."""
TEXT = "text"
"""string, what was asked, where the user wants it repeated."""
