"""The configuration of a run: one validated, frozen tree.

`pipeline/configs/*.yaml` are instances of `RunConfig`. Only builders read it (the graph of the pipeline, the model
factory); layers and functions below them take flat keyword arguments.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from agnews.schemas.learning_config import (
    DevicesConfig,
    ModelConfig,
    Section,
    Seed,
    Share,
    TextConfig,
    TrainingConfig,
    TransformerConfig,
)
from agnews.schemas.model_export import Precision
from agnews.schemas.promotion_metric import PATTERN


class DataConfig(Section):
    """Which rows are learnt from."""

    corpus: str = "ag_news"
    """Which labelled texts: `ag_news`, or a file that describes others; `agnews corpus init` writes one."""
    source: str = "sample"
    """`sample` (generated news, for a first look), a folder, or a URI that TFX's file layer opens. A folder holds the
    files that the description of the corpus names (train.csv and test.csv), or dated spans of them
    (2026-11-22/train.csv, ...)."""
    window: Annotated[int, Field(ge=1)] | None = None
    """Learn from the newest that many spans of a folder of dated spans; null takes all."""
    limit: Annotated[int, Field(ge=8)] | None = None
    """Take a stratified, seeded subset of that many training rows; null takes all."""
    eval_share: Annotated[float, Field(gt=0.0, le=0.5)] = 0.05
    """Share of the training file that is kept for early stopping, chosen by a hash of the normalised text."""
    max_reject_share: Share = 0.01
    """The run stops when more than this share of the rows of a file cannot be used."""
    seed: Seed = 20260101
    """Seed of the subset that `limit` takes."""
    fail_on_drift: bool = False
    """Whether drift against the statistics of the last pushed model stops the run; otherwise it is only reported."""


class EvaluationConfig(Section):
    """What a model must show on the test split before it may be pushed."""

    min_accuracy: Share = 0.80
    """Least accuracy on the whole test split."""
    min_class_recall: Share = 0.65
    """The floor holds for every class by itself."""
    min_examples: Annotated[int, Field(ge=1)] = 400
    """Fewer test rows than this decide nothing."""
    min_class_examples: Annotated[int, Field(ge=0)] = 50
    """A class with fewer test rows decides nothing. 0 lets classes be without any, where the description says so."""
    metric: Annotated[str, Field(pattern=rf"^(?:{PATTERN.pattern})$")] = "accuracy"
    """What a model is compared by with the one in production, the best ever pushed and a linear one: `accuracy`,
    `macro_f1` where rare classes count as much as common ones, `micro_f1` where a text has several classes, or
    `recall:NAME`, the share of a class's rows that are found. Floors hold besides."""
    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05
    """Level of the paired tests: how often a model as good as the one in production and the best ever pushed is held
    back, at most. Where both are asked, each test has half of it."""
    anchor: Literal["keep", "ignore"] = "keep"
    """Whether the candidate is compared with the best model ever pushed on these test rows too, so that many small
    losses do not add up. `ignore` asks the one in production alone; if the model is pushed, it is the new best."""
    margin: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """What a model may be worse than the best ever pushed, a share of the rows, beyond noise and beyond the luck of
    having been chosen as the best."""
    beats_linear: Literal["require", "warn", "ignore"] = "warn"
    """What if a paired test at level alpha finds the model worse than a linear one of n-grams on the same rows:
    `require` holds it back, `warn` says so, `ignore` trains no linear one."""
    abstain_precision: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of its answers that a model has to get right, and says that it does not know where they would be fewer: an
    answer is `abstained` below a probability that is fitted on the eval split. 0 answers always."""
    force_promotion: bool = False
    """Promote the model although rules fail, for example when corrected labels make the one in production look better
    than it is. Verdict, record and report say so. Unusable answers and a failed smoke test stop it still."""


class ExportConfig(Section):
    """What else is made of the trained model, for engines that answer faster than TensorFlow."""

    formats: tuple[Literal["openvino", "onnx"], ...] = ()
    """Made of each model before it is judged, each held to the model itself by a paired test, and pushed with it;
    empty makes none, and the graph has no node for it. The extras `openvino` and `onnx` bring what it takes."""
    precision: Precision = "int8"
    """Of the arithmetic: `float32`, `bfloat16` (OpenVINO, on processors that compute in it) or `int8`."""

    @model_validator(mode="after")
    def _require_possible(self) -> Self:
        if "onnx" in self.formats and self.precision == "bfloat16":
            raise ValueError("ONNX Runtime does not compute in bfloat16 on a processor; take int8, float32 or openvino")
        if len(set(self.formats)) < len(self.formats):
            raise ValueError(f"a format is named twice: {', '.join(self.formats)}")
        return self


class SmokeTestConfig(Section):
    """What the exported model must show in a process of its own before it is pushed."""

    max_latency_ms: Annotated[float, Field(gt=0.0)] = 500.0
    """Median time of a request with one text."""
    max_size_mb: Annotated[float, Field(gt=0.0)] = 2000.0
    """Largest size of the exported model on disk."""
    timeout_seconds: Annotated[float, Field(gt=0.0)] = 300.0
    """Longest time for the whole test."""


class RunConfig(Section):
    """Everything that decides what a run produces. Where it is stored is not part of it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")] = "agnews"
    """Name of the pipeline and of the served model."""
    data: DataConfig = DataConfig()
    text: TextConfig = TextConfig()
    model: ModelConfig = TransformerConfig()
    training: TrainingConfig = TrainingConfig()
    devices: DevicesConfig = DevicesConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    export: ExportConfig = ExportConfig()
    smoke_test: SmokeTestConfig = SmokeTestConfig()
