"""From a configuration and a deployment table to the YAML that a server of Kubeflow Pipelines 2 takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agnews.kubeflow.compiler.apply_deployment import apply_deployment
from agnews.kubeflow.compiler.build_spec import PLAN, build_spec
from agnews.kubeflow.compiler.check_documents import check_documents
from agnews.kubeflow.compiler.model_choices import model_choices
from agnews.kubeflow.compiler.step_name import step_name
from agnews.kubeflow.compiler.write_documents import write_documents
from agnews.kubeflow.planning.plan_values import CODE, CONFIGS, SCRATCH_URI
from agnews.kubeflow.planning.run_parameters import DATA_URI, EPOCHS, FORCE_PROMOTION, MODEL, PUSH_URI
from agnews.pipeline.pipeline import Surroundings, create_pipeline
from agnews.schemas.deployment import Deployment
from agnews.schemas.run_config import RunConfig, TextConfig, TransformerConfig


@dataclass(frozen=True)
class CompileRequest:
    """What to compile.

    Attributes:
        config: The configuration of the kind of model that a run takes unless it says otherwise.
        deployment: What the steps get from the cluster.
        image: Image of all steps.
        code: Digest of the code by node, from `code_versions`.
        data_uri: Default of the parameter; None makes each run say it.
        push_uri: Default of the parameter; None makes each run say it.
    """

    config: RunConfig
    deployment: Deployment
    image: str
    code: Mapping[str, str]
    data_uri: str | None = None
    push_uri: str | None = None


def compile_pipeline(request: CompileRequest) -> str:
    """Compiles the pipeline. Neither cluster nor network nor bucket is needed.

    Args:
        request: What to compile.

    Returns:
        YAML: the pipeline spec, and the platform document where the table asks for what the spec has no place for.
        The same request gives the same bytes.

    Raises:
        AgnewsError: The table does not fit the pipeline, or what was compiled must not be run; the message says why.
    """
    config = request.config
    pipeline = create_pipeline(_shape(config), _surroundings(request))
    defaults = {
        DATA_URI: request.data_uri,
        PUSH_URI: request.push_uri,
        MODEL: config.model.kind,
        EPOCHS: 0,
        FORCE_PROMOTION: config.evaluation.force_promotion,
    }
    spec = build_spec(
        pipeline,
        image=request.image,
        defaults={name: value for name, value in defaults.items() if value is not None},
        plan_constants={
            CONFIGS: {kind: _as_constant(choice) for kind, choice in model_choices(config).items()},
            CODE: dict(request.code),
            SCRATCH_URI: request.deployment.scratch_uri,
        },
    )
    nodes = {step_name(node): node for node in (PLAN, *(component.id for component in pipeline.components))}
    platform = apply_deployment(spec, request.deployment, nodes)
    check_documents(spec, platform)
    return write_documents(spec, platform)


def _shape(config: RunConfig) -> RunConfig:
    """Leaves out what the step Plan decides, so that compiling asks for no encoder, which only the cluster may have."""
    return config.model_copy(update={"text": TextConfig(), "model": TransformerConfig()})


def _surroundings(request: CompileRequest) -> Surroundings:
    """All of these but the code are known when a run starts."""
    return Surroundings(
        pipeline_root="",
        push_uri="",
        data_digest="",
        scratch_uri="",
        production="",
        fingerprint="",
        code=request.code,
    )


def _as_constant(config: RunConfig) -> dict[str, Any]:
    """Leaves out the two keys that parameters of the run decide about, and what is null, which is the default of it."""
    decided = {"data": {"source"}, "evaluation": {"force_promotion"}}
    return config.model_dump(mode="json", exclude=decided, exclude_none=True)
