"""Where the word pieces of a run are, once they are learnt."""

from __future__ import annotations

from agnews.schemas.features import VOCABULARY_FILE
from agnews.schemas.learning_config import LEARN, TextConfig


def locate_vocabulary(text: TextConfig, transform_graph: str) -> TextConfig:
    """Puts the place of learnt word pieces into settings that say that they are learnt.

    Args:
        text: The section `text`.
        transform_graph: Folder or URI of the graph that cuts texts into them.

    Returns:
        The section, with a `vocabulary` that can be found.
    """
    if text.vocabulary != LEARN:
        return text
    return text.model_copy(update={"vocabulary": f"{transform_graph}/{VOCABULARY_FILE}"})
