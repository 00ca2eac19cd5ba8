"""One configuration for each kind of model that a run of the compiled pipeline may ask for."""

from __future__ import annotations

from agnews.pipeline.load_config import load_config
from agnews.schemas.run_config import MODEL_CONFIGS, RunConfig


def model_choices(chosen: RunConfig) -> dict[str, RunConfig]:
    """Puts the settings of the other kinds beside the one that was chosen.

    Args:
        chosen: From the command line; it is the choice of its own kind.

    Returns:
        By kind. The others have the text, model and training of their packaged configuration, because those of the
        chosen one were not made for them, and everything else as it was chosen. Whether a training starts from the
        model in production is part of the graph, hence the same for all.
    """
    choices: dict[str, RunConfig] = {chosen.model.kind: chosen}
    for kind in sorted(set(MODEL_CONFIGS) - set(choices)):
        own = load_config(kind)
        training = own.training.model_copy(update={"warm_start": chosen.training.warm_start})
        choices[kind] = chosen.model_copy(update={"text": own.text, "model": own.model, "training": training})
    return choices
