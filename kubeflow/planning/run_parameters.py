"""What a run of the compiled pipeline can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "STRUCT"]

DATA_URI = "data_uri"
PUSH_URI = "push_uri"
MODEL = "model"
EPOCHS = "epochs"
FORCE_PROMOTION = "force_promotion"


@dataclass(frozen=True)
class RunParameter:
    """A parameter of the pipeline.

    Attributes:
        kind: Its type, as Kubeflow Pipelines writes types.
        meaning: One sentence for people.
    """

    kind: Kind
    meaning: str


RUN_PARAMETERS: dict[str, RunParameter] = {
    DATA_URI: RunParameter(
        "STRING", "Folder or URI with train.csv and test.csv, or with dated spans; sample for generated news."
    ),
    PUSH_URI: RunParameter("STRING", "Folder or URI that models are pushed to."),
    MODEL: RunParameter("STRING", "Kind of model; the settings of each kind were fixed when this was compiled."),
    EPOCHS: RunParameter("NUMBER_INTEGER", "Passes over the training rows; 0 for what the model's settings say."),
    FORCE_PROMOTION: RunParameter(
        "BOOLEAN", "Push the model even if rules for a promotion fail; a failed smoke test stops it still."
    ),
}
"""By name."""
