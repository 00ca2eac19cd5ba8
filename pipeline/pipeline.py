"""The pipeline: which steps there are and what they hand on to each other.

NewsExampleGen -> StatisticsGen ----> ExampleValidator -> DataGate
      |           ImportSchemaGen -/                        |  (must pass first)
      |                                                     v
      +-------------------------------------------> Transform -> TokenGate
                                                        |           |  (must pass first)
                                                        v           v
BaselineModel -> Evaluator <------ (Exporter) <---- Trainer <-------+
LinearBaseline -/   |
                    v
                SmokeTest -> Pusher -> Report, which reads what all of them found
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tfx.components import ExampleValidator, Trainer
from tfx.orchestration.pipeline import Pipeline
from tfx.proto.trainer_pb2 import EvalArgs, TrainArgs

from agnews.components.baseline_model.component import BaselineModel
from agnews.components.data_gate.component import DataGate
from agnews.components.evaluator.component import Evaluator
from agnews.components.exporter.component import Exporter
from agnews.components.feature_statistics.component import StatisticsGen
from agnews.components.linear_baseline.component import LinearBaseline
from agnews.components.news_example_gen.component import NewsExampleGen
from agnews.components.pusher.component import Pusher
from agnews.components.report.component import Report
from agnews.components.schema_importer import SchemaImporter
from agnews.components.smoke_test.component import SmokeTest
from agnews.components.token_gate.component import TokenGate
from agnews.components.transformation.component import Transform
from agnews.pipeline.beam.beam_arguments import LOCAL_ARGUMENTS
from agnews.pipeline.node_settings import (
    linear_unwanted,
    resolve_text,
    token_limits,
    trainer_settings,
    transform_settings,
)
from agnews.schemas.run_config import RunConfig


@dataclass(frozen=True)
class PipelineContext:
    """What a pipeline has to know besides its configuration.

    Attributes:
        pipeline_root: Folder or URI for the artifacts.
        push_uri: Folder or URI that receives pushed models.
        data_digest: Digest of the data, so that new data under an old name is noticed.
        scratch_uri: Folder or URI that stays from run to run, for what a cut training goes on from.
        production: Version that the candidate is judged against; see `BaselineModel`.
        anchor: What is brought of the best model ever pushed; see `BaselineModel`.
        fingerprint: Digest of all that decides about the model; written beside a pushed version.
        code: Digest of the code by node, from `agnews.pipeline.code_version`.
        metadata: Connection to the store of executions, for runners that need one.
        corpus: What nodes are told of the corpus, by node, from `carried_corpora`.
        replaces: Version in production that the candidate is not judged against and takes the place of all the same;
            empty where there is none.
        no_push: Whether the model is judged and tested, and put into no store.
        reason: Why somebody puts it into production, for the store's trail.
        withdrawn: Version that the run would make again and that somebody rolled back from; empty where there is none.
    """

    pipeline_root: str
    push_uri: str
    data_digest: str
    scratch_uri: str
    production: str
    fingerprint: str
    code: Mapping[str, str]
    corpus: Mapping[str, str]
    metadata: object | None = None
    withdrawn: str = ""
    replaces: str = ""
    no_push: bool = False
    reason: str = ""
    anchor: str = ""


def create_pipeline(config: RunConfig, around: PipelineContext) -> Pipeline:
    """Builds the graph.

    Args:
        config: What to learn from, what to train, and what a model must show.
        around: Where it runs.

    Returns:
        The pipeline; nothing is executed.

    Raises:
        AgnewsError: The encoder or the vocabulary cannot be found or is damaged, or they do not belong together.
    """
    text = resolve_text(config)
    corpus, code = around.corpus, around.code
    example_gen = NewsExampleGen(
        data_uri=config.data.source,
        corpus=corpus["NewsExampleGen"],
        window=config.data.window or 0,
        digest=around.data_digest,
        limit=config.data.limit or 0,
        eval_share=config.data.eval_share,
        max_reject_share=config.data.max_reject_share,
        seed=config.data.seed,
        code_version=code["NewsExampleGen"],
    )
    examples = example_gen.outputs["examples"]
    schema = SchemaImporter(corpus=corpus["ImportSchemaGen"], code_version=code["ImportSchemaGen"]).outputs["schema"]
    statistics_gen = StatisticsGen(examples=examples, code_version=code["StatisticsGen"])
    validator = ExampleValidator(statistics=statistics_gen.outputs["statistics"], schema=schema)
    baseline = BaselineModel(
        push_uri=around.push_uri,
        model_name=config.name,
        production=around.production,
        anchor=around.anchor,
        code_version=code["BaselineModel"],
    )
    data_gate = DataGate(
        data_card=example_gen.outputs["data_card"],
        schema=schema,
        anomalies=validator.outputs["anomalies"],
        corpus=corpus["DataGate"],
        baseline=baseline.outputs["model"],
        fail_on_drift=config.data.fail_on_drift,
        code_version=code["DataGate"],
    )
    linear = LinearBaseline(
        examples=examples,
        corpus=corpus["LinearBaseline"],
        unwanted=linear_unwanted(config),
        code_version=code["LinearBaseline"],
    )
    linear.add_upstream_node(data_gate)
    transform = Transform(examples=examples, schema=schema, custom_config=transform_settings(text, code["Transform"]))
    transform.add_upstream_node(data_gate)
    token_gate = TokenGate(
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        data_card=example_gen.outputs["data_card"],
        **token_limits(text),
        code_version=code["TokenGate"],
    )
    trainer = Trainer(
        run_fn="agnews.components.trainer.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        train_args=TrainArgs(splits=["train"]),
        eval_args=EvalArgs(splits=["eval"]),
        # Only then: otherwise each new model in production would make the Trainer run again.
        base_model=baseline.outputs["model"] if config.training.warm_start else None,
        custom_config=trainer_settings(config, text, around.scratch_uri, code["Trainer"], corpus["Trainer"]),
    )
    trainer.add_upstream_node(token_gate)
    model = trainer.outputs["model"]
    exporters = []
    if config.export.formats:
        exporter = Exporter(
            examples=examples,
            model=model,
            formats=",".join(config.export.formats),
            precision=config.export.precision,
            alpha=config.evaluation.alpha,
            code_version=code["Exporter"],
        )
        model = exporter.outputs["exported"]
        exporters = [exporter]
    evaluator = Evaluator(
        examples=examples,
        model=model,
        baseline=baseline.outputs["model"],
        linear=linear.outputs["report"],
        corpus=corpus["Evaluator"],
        **config.evaluation.model_dump(),
        code_version=code["Evaluator"],
    )
    blessing = evaluator.outputs["blessing"]
    smoke_test = SmokeTest(
        model=model,
        blessing=blessing,
        baseline=baseline.outputs["model"],
        corpus=corpus["SmokeTest"],
        **config.smoke_test.model_dump(),
        code_version=code["SmokeTest"],
    )
    pusher = Pusher(
        model=model,
        blessing=blessing,
        evaluation=evaluator.outputs["evaluation"],
        statistics=statistics_gen.outputs["statistics"],
        smoke_report=smoke_test.outputs["report"],
        examples=examples,
        predictions=evaluator.outputs["predictions"],
        data_card=example_gen.outputs["data_card"],
        push_uri=around.push_uri,
        model_name=config.name,
        corpus=corpus["Pusher"],
        replaces=around.replaces,
        no_push=around.no_push,
        reason=around.reason,
        fingerprint=around.fingerprint,
        withdrawn=around.withdrawn,
        code_version=code["Pusher"],
    )
    report = Report(
        data_card=example_gen.outputs["data_card"],
        statistics=statistics_gen.outputs["statistics"],
        anomalies=validator.outputs["anomalies"],
        baseline=baseline.outputs["model"],
        data_check=data_gate.outputs["report"],
        transform_graph=transform.outputs["transform_graph"],
        token_check=token_gate.outputs["report"],
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        predictions=evaluator.outputs["predictions"],
        smoke_report=smoke_test.outputs["report"],
        pushed_model=pusher.outputs["pushed_model"],
        code_version=code["Report"],
    )
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=around.pipeline_root,
        components=[
            example_gen,
            statistics_gen,
            schema.producer_component,
            validator,
            baseline,
            data_gate,
            linear,
            transform,
            token_gate,
            trainer,
            *exporters,
            evaluator,
            smoke_test,
            pusher,
            report,
        ],
        enable_cache=True,
        metadata_connection_config=around.metadata,
        beam_pipeline_args=list(LOCAL_ARGUMENTS),
    )
