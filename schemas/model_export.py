"""`export.json`: what a version was turned into for another engine, and whether it may be served."""

from __future__ import annotations

from typing import ClassVar, Literal

from agnews.schemas.document import Document, Part
from agnews.schemas.evaluation import PairedTest

ExportEngine = Literal["openvino", "onnxruntime"]
Precision = Literal["float32", "bfloat16", "int8"]


class ExportSpeed(Part):
    """Processor milliseconds for a text, in batches of texts of similar length on one thread, side by side."""

    engine: float
    tensorflow: float
    processor: str
    """Where it was measured; another one may see another ratio."""


class ExportTest(Part):
    """The export against the version that it was made of, on rows that neither training nor calibration has seen."""

    rows: int
    source: str
    """File or run that they are from."""
    changed_answers: int
    """Rows to which the two give different classes."""
    largest_difference: float
    """Of a probability."""
    paired: PairedTest
    """Its baseline is the version in float32."""


class ModelExport(Document):
    """A folder with a model for an engine, and the graph that makes its tokens."""

    FILE: ClassVar = "export.json"

    format: Literal[1] = 1
    engine: ExportEngine
    precision: Precision
    version: str
    """Number of the version; empty where it was made before it had one."""
    parent_digest: str
    """The version's, so that an export of other weights is not taken; empty where it was pushed with the version, which
    has it in its own digest."""
    digest: str
    """sha256 over the other files of the folder."""
    classes: int
    longest: int = 0
    """Tokens of a text at most; 0 where the version does not say."""
    calibration_rows: int
    """Rows from which the ranges of int8 were taken; 0 where none are needed."""
    passed: bool
    """Whether the paired test finds it not worse than its parent, and every answer is a distribution."""
    reason: str
    """Why, in a sentence."""
    test: ExportTest
    speed: ExportSpeed
    versions: dict[str, str]
    """Of the libraries that made it."""

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.engine}-{self.precision}"
