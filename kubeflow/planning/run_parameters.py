"""What a run of the compiled pipeline can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agnews.pipeline.node_settings import CORPUS_PARTS

Kind = Literal["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "STRUCT"]

DATA_URI = "data_uri"
PUSH_URI = "push_uri"
CORPUS_URI = "corpus_uri"
MODEL = "model"
EPOCHS = "epochs"
FORCE_PROMOTION = "force_promotion"
NO_PUSH = "no_push"
RUN_ID = "run_id"
MODEL_NAME = "model_name"
NOTIFY = "notify"


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
        "STRING", "Folder or URI with the files that the corpus names, or with dated spans; sample for generated news."
    ),
    CORPUS_URI: RunParameter(
        "STRING", "URI of the description of a corpus; empty takes the one that this was compiled with."
    ),
    PUSH_URI: RunParameter("STRING", "Folder or URI that models are pushed to."),
    MODEL: RunParameter("STRING", "Kind of model; the settings of each kind were fixed when this was compiled."),
    EPOCHS: RunParameter("NUMBER_INTEGER", "Passes over the training rows; 0 for what the model's settings say."),
    FORCE_PROMOTION: RunParameter(
        "BOOLEAN", "Push the model even if rules for a promotion fail; a failed smoke test stops it still."
    ),
    NO_PUSH: RunParameter("BOOLEAN", "Judge and test the model, and put it into no store."),
}
"""By name."""


CONFIGS = "configs"
CODE = "code"
CORPUS = "corpus"
SCRATCH_URI = "scratch_uri"

PLAN_CONSTANTS: dict[str, Kind] = {CONFIGS: "STRUCT", CODE: "STRUCT", CORPUS: "STRING", SCRATCH_URI: "STRING"}
"""What it takes besides the parameters of the run: a RunConfig by kind of model, the digest of the code by node, the
description of the corpus, and where backups of a training are kept."""


PLAN = "Plan"
"""The step that every compiled run begins with: it decides what the others are told."""
TELLING = "Notify"
"""The step that tells how a run ended, where somebody is to be told."""

NOTIFY_INPUTS: dict[str, Kind] = {RUN_ID: "STRING", PUSH_URI: "STRING", MODEL_NAME: "STRING", NOTIFY: "STRUCT"}
"""What the step takes that tells how a run ended; the last one is a `NotifyConfig`."""


def corpus_output(node: str) -> str:
    """Returns the name of what a node is told of the corpus."""
    return f"corpus_{node}"


TOLD_OF_CORPUS = tuple(node for node in CORPUS_PARTS if node != "Trainer")
"""Nodes with a property `corpus`; the Trainer has it among its settings."""

PROCEED = "proceed"
SUMMARY = "summary"

PLAN_OUTPUTS: dict[str, Kind] = {
    PROCEED: "BOOLEAN",
    "data_digest": "STRING",
    "production": "STRING",
    "anchor": "STRING",
    "fingerprint": "STRING",
    "transform_settings": "STRING",
    "trainer_settings": "STRING",
    "linear_unwanted": "STRING",
    "max_length": "NUMBER_INTEGER",
    "max_unknown_share": "NUMBER_DOUBLE",
    **{corpus_output(node): "STRING" for node in TOLD_OF_CORPUS},
}
"""What it gives: whether there is anything to do, and what nodes are told that is known only now."""
