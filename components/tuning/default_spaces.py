"""What `agnews tune` searches where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from agnews.components.tuning.dimension import Dimension

DEFAULT_SPACES: Mapping[str, Mapping[str, Dimension]] = {
    "transformer": {
        "training.learning_rate": Dimension(low=3e-4, high=1e-2, log=True),
        "training.batch_size": Dimension(values=(32, 64, 128, 256)),
        "model.hidden_dim": Dimension(values=(32, 64, 96, 128)),
        "model.num_layers": Dimension(low=1, high=3),
        "model.dropout": Dimension(low=0.0, high=0.4),
        "model.word_dropout": Dimension(low=0.0, high=0.7),
    },
    "bert_frozen": {
        "training.learning_rate": Dimension(low=3e-4, high=3e-2, log=True),
        "training.batch_size": Dimension(values=(32, 64, 128, 256)),
        "model.head_dim": Dimension(values=(0, 128, 256, 512)),
        "model.dropout": Dimension(low=0.0, high=0.5),
    },
    "bert_finetune": {
        "training.learning_rate": Dimension(low=2e-5, high=3e-4, log=True),
        "training.batch_size": Dimension(values=(16, 32, 64)),
        "training.epochs": Dimension(low=1, high=3),
        "model.frozen_layers": Dimension(low=0, high=2),
        "model.dropout": Dimension(low=0.0, high=0.4),
    },
}
"""By the model's kind: keys of the configuration, and what each may be."""
