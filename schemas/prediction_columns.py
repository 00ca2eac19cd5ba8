"""The columns of `agnews predict` and `agnews batch`: one row a text that was answered, in the order of the texts."""

from __future__ import annotations

ID = "id"
"""string, the row's own identifier, or where it stands."""
LABEL = "label"
"""string, name of the likeliest class."""
PROBABILITIES = "probabilities"
"""By name of the class: an object in JSON Lines, a struct of float32 in Parquet. CSV has a column a class instead.

Of the likeliest classes alone: a list of structs of `label` and `probability` in Parquet, `ranked_names` in CSV."""
PROBABILITY = "probability"
"""float32, of one class."""
ABSTAINED = "abstained"
"""bool, whether the class is too unlikely to be an answer; only of a model that abstains. `true` or `false` in CSV."""
LABELS = "labels"
"""Names of all classes that the text is given; only of a model of several classes a text, of which `label` is the
likeliest one. A list; in CSV one cell, written as the labels of the corpus are."""
MODEL_VERSION = "model_version"
"""string, the version of the model that answered."""
TEXT = "text"
"""string, what was asked, where the user wants it repeated."""


def ranked_names(top: int) -> list[str]:
    """Returns the columns of CSV for the likeliest classes: `label`, `probability`, `label_2`, `probability_2`, ...

    Args:
        top: How many classes.
    """
    behind = ["", *(f"_{place}" for place in range(2, top + 1))]
    return [f"{name}{place}" for place in behind for name in (LABEL, PROBABILITY)]
