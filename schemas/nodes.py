"""The nodes of the pipeline: the code behind each, what it hands on, and what it is told only when a run starts.

One row a node, for all that works on nodes by their names: digests of code, the compiler, the report, the table of a
run. What a node is connected to stands in `pipeline/pipeline.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agnews.schemas.data_card import DataCard
from agnews.schemas.data_check import DataCheck
from agnews.schemas.document import Document
from agnews.schemas.evaluation import Evaluation
from agnews.schemas.linear_check import LinearCheck
from agnews.schemas.push_outcome import PushOutcome
from agnews.schemas.smoke_report import SmokeReport
from agnews.schemas.token_check import TokenCheck
from agnews.schemas.training_record import TrainingRecord


@dataclass(frozen=True)
class Output:
    """Something that a node hands on to the node Report.

    Attributes:
        key: Name of the output in the node's spec.
        report_input: Name of Report's input that takes it; empty where Report does not.
        document: What its folder holds, where that is a document.
    """

    key: str
    report_input: str = ""
    document: type[Document] | None = None


@dataclass(frozen=True)
class Node:
    """A row.

    Attributes:
        code: Module that it runs; with all that this imports, it makes the node's code version. Empty for a standard
            component of TFX without code of ours.
        outputs: Those that are read by name.
        run_time: By property: the parameter of a compiled run, or the output of its first step, that holds the value.
            All other properties are constants of a compiled pipeline.
        step: Name of the step that it shares with neighbours where a cluster runs several nodes in one container; empty
            for a step of its own.
        is_optional: Whether the graph has it only where the configuration asks for it.
        knows_the_run: Whether a compiled run tells it its id, which keeps the server's cache from answering for it.
    """

    code: str = ""
    outputs: tuple[Output, ...] = ()
    run_time: Mapping[str, str] = field(default_factory=dict)
    step: str = ""
    knows_the_run: bool = False
    is_optional: bool = False


NODES: dict[str, Node] = {
    "NewsExampleGen": Node(
        code="agnews.components.news_example_gen.executor",
        outputs=(Output("data_card", "data_card", DataCard),),
        run_time={"data_uri": "data_uri", "digest": "data_digest", "corpus": "corpus_NewsExampleGen"},
        step="data",
    ),
    "StatisticsGen": Node(
        code="agnews.components.feature_statistics.executor",
        outputs=(Output("statistics", "statistics"),),
        step="data",
    ),
    "ImportSchemaGen": Node(
        code="agnews.components.schema_importer",
        run_time={"corpus": "corpus_ImportSchemaGen"},
        step="data",
    ),
    "ExampleValidator": Node(outputs=(Output("anomalies", "anomalies"),), step="data"),
    "BaselineModel": Node(
        code="agnews.components.baseline_model.executor",
        outputs=(Output("model", "baseline"),),
        run_time={"push_uri": "push_uri", "production": "production", "anchor": "anchor"},
        step="data",
    ),
    "DataGate": Node(
        code="agnews.components.data_gate.executor",
        outputs=(Output("report", "data_check", DataCheck),),
        run_time={"corpus": "corpus_DataGate"},
        step="data",
    ),
    "LinearBaseline": Node(
        code="agnews.components.linear_baseline.executor",
        outputs=(Output("report", document=LinearCheck),),
        run_time={"corpus": "corpus_LinearBaseline", "unwanted": "linear_unwanted"},
        step="data",
    ),
    "Transform": Node(
        code="agnews.components.transformation.component",
        outputs=(Output("transform_graph", "transform_graph"),),
        run_time={"custom_config": "transform_settings"},
        step="transform",
    ),
    "TokenGate": Node(
        code="agnews.components.token_gate.executor",
        outputs=(Output("report", "token_check", TokenCheck),),
        run_time={"max_length": "max_length", "max_unknown_share": "max_unknown_share"},
        step="transform",
    ),
    "Trainer": Node(
        code="agnews.components.trainer",
        outputs=(Output("model_run", "model_run", TrainingRecord),),
        run_time={"custom_config": "trainer_settings"},
    ),
    "Exporter": Node(code="agnews.components.exporter.executor", step="decide", is_optional=True),
    "Evaluator": Node(
        code="agnews.components.evaluator.executor",
        outputs=(Output("evaluation", "evaluation", Evaluation), Output("predictions", "predictions")),
        run_time={"force_promotion": "force_promotion", "corpus": "corpus_Evaluator"},
        step="decide",
    ),
    "SmokeTest": Node(
        code="agnews.components.smoke_test.executor",
        outputs=(Output("report", "smoke_report", SmokeReport),),
        run_time={"corpus": "corpus_SmokeTest"},
        step="decide",
    ),
    "Pusher": Node(
        code="agnews.components.pusher.executor",
        outputs=(Output("pushed_model", "pushed_model", PushOutcome),),
        # `withdrawn` is a constant, and empty: a compiled run that would make a withdrawn version ends before it.
        run_time={
            "push_uri": "push_uri",
            "fingerprint": "fingerprint",
            "corpus": "corpus_Pusher",
            "no_push": "no_push",
        },
        knows_the_run=True,
        step="decide",
    ),
    "Report": Node(code="agnews.components.report.executor", step="decide", knows_the_run=True),
}
"""By name, in the order of a run."""
