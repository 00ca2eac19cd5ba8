"""From a configuration and a deployment table to the YAML that a server of Kubeflow Pipelines 2 takes."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agnews.components.carried_corpus import MOST_CARRIED
from agnews.kubeflow.compiler.apply_deployment import apply_deployment
from agnews.kubeflow.compiler.build_spec import build_spec
from agnews.kubeflow.compiler.check_documents import check_documents
from agnews.kubeflow.compiler.check_notify import require_reachable_secrets
from agnews.kubeflow.compiler.fuse_steps import Step, fuse_steps, step_name
from agnews.kubeflow.compiler.plan_pods import plan_pods
from agnews.kubeflow.planning.run_parameters import (
    CODE,
    CONFIGS,
    CORPUS,
    CORPUS_URI,
    DATA_URI,
    EPOCHS,
    FORCE_PROMOTION,
    MODEL,
    NO_PUSH,
    PLAN,
    PUSH_URI,
    SCRATCH_URI,
    TELLING,
)
from agnews.pipeline.beam.choose_pipeline import VARIABLE
from agnews.pipeline.load_config import load_config
from agnews.pipeline.load_corpus import load_corpus
from agnews.pipeline.node_settings import CORPUS_PARTS
from agnews.pipeline.pipeline import PipelineContext, create_pipeline
from agnews.schemas.deployment import Deployment
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig, NotifyConfig
from agnews.schemas.learning_config import MODEL_CONFIGS, TextConfig, TransformerConfig
from agnews.schemas.run_config import RunConfig
from agnews.schemas.yaml_text import write_yaml

_LOGGER = logging.getLogger(__name__)


def model_choices(chosen: RunConfig) -> dict[str, RunConfig]:
    """Puts the settings of the other kinds beside the one that was chosen.

    Args:
        chosen: From the command line; it is the choice of its own kind.

    Returns:
        By kind. The others have the text, model and training of their packaged configuration, because those of the
        chosen one were not made for them, and everything else as it was chosen. Whether a training starts from the
        model in production is part of the graph, hence the same for all. A kind that cannot learn the corpus is left
        out, and who asks for it when a run starts is told so.
    """
    choices: dict[str, RunConfig] = {chosen.model.kind: chosen}
    for kind in sorted(set(MODEL_CONFIGS) - set(choices)):
        try:
            own = load_config(kind, corpus=chosen.data.corpus)
        except AgnewsError as refused:
            # What the description says of each kind was found valid before: this one does not fit its classes.
            _LOGGER.info("Compiled without %s: %s (%s)", kind, refused.problem, refused.found)
            continue
        training = own.training.model_copy(update={"warm_start": chosen.training.warm_start})
        choices[kind] = chosen.model_copy(update={"text": own.text, "model": own.model, "training": training})
    return choices


_WIDTH = 120


def write_documents(spec: Mapping[str, Any], platform: Mapping[str, Any]) -> str:
    """Writes YAML as KFP's compiler does: keys in order, the platform document second.

    Args:
        spec: The pipeline spec.
        platform: The platform document; empty for none.

    Returns:
        The text, with a head that lists the parameters of a run for who opens the file.
    """
    head = ["# PIPELINE DEFINITION", f"# Name: {spec['pipelineInfo']['name']}", "# Inputs:"]
    for name, parameter in spec["root"]["inputDefinitions"]["parameters"].items():
        default = f" [Default: {parameter['defaultValue']!r}]" if "defaultValue" in parameter else " [Required]"
        head.append(f"#    {name}: {parameter['parameterType']}{default} {parameter['description']}")
    documents = [spec, platform] if platform else [spec]
    return "\n".join(head) + "\n" + write_yaml(*documents, sort_keys=True, width=_WIDTH)


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
        notify: Who is told how a run ended; without channels there is no step for it.
        beam: What runs Beam jobs of the steps.
    """

    config: RunConfig
    deployment: Deployment
    image: str
    code: Mapping[str, str]
    data_uri: str | None = None
    push_uri: str | None = None
    notify: NotifyConfig = field(default_factory=NotifyConfig)
    beam: BeamConfig = field(default_factory=BeamConfig)


def compile_pipeline(request: CompileRequest) -> str:
    """Compiles the pipeline. Neither cluster nor network nor bucket is needed.

    The description of the corpus is compiled in; one that is too large to travel makes each run say `corpus_uri`.

    Args:
        request: What to compile.

    Returns:
        YAML: the pipeline spec, and the platform document where the table asks for what the spec has no place for.
        The same request gives the same bytes.

    Raises:
        AgnewsError: The table does not fit the pipeline, or what was compiled must not be run; the message says why.
    """
    config = request.config
    _require_name(config.name)
    pods = plan_pods(config, request.deployment, request.image)
    pipeline = create_pipeline(_shape(config), _context(request))
    content = load_corpus(config.data.corpus).corpus.canonical()
    is_carried = len(content.encode()) <= MOST_CARRIED
    defaults = {
        CORPUS_URI: "" if is_carried else None,
        DATA_URI: request.data_uri,
        PUSH_URI: request.push_uri,
        MODEL: config.model.kind,
        EPOCHS: 0,
        FORCE_PROMOTION: config.evaluation.force_promotion,
        NO_PUSH: False,
    }
    steps = fuse_steps([node.id for node in pipeline.components], request.deployment)
    spec = build_spec(
        pipeline,
        steps,
        image=request.image,
        defaults={name: value for name, value in defaults.items() if value is not None},
        plan_constants={
            CONFIGS: {kind: _as_constant(choice) for kind, choice in model_choices(config).items()},
            CODE: dict(request.code),
            CORPUS: content if is_carried else "",
            SCRATCH_URI: request.deployment.scratch_uri,
        },
        notify=request.notify.model_dump(mode="json", exclude_none=True) if request.notify.channels else None,
        pods=pods,
    )
    lone = [PLAN, TELLING] if request.notify.channels else [PLAN]
    if request.notify.channels:
        require_reachable_secrets(request.notify, request.deployment.row(TELLING))
    everything = [*(Step(step_name(node), (node,)) for node in lone), *steps]
    platform = apply_deployment(spec, request.deployment, everything, pods)
    _tell_beam_steps(spec, request.beam)
    check_documents(spec, platform)
    return write_documents(spec, platform)


def _tell_beam_steps(spec: dict[str, Any], beam: BeamConfig) -> None:
    """By a variable, which no cache looks at."""
    if beam == BeamConfig():
        return
    told = {"name": VARIABLE, "value": beam.model_dump_json(exclude_defaults=True)}
    for executor in spec["deploymentSpec"]["executors"].values():
        container = executor["container"]
        if any("beam_args" in word for word in container.get("args", ())):
            container["env"] = [*container.get("env", ()), told]


def _require_name(name: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name):
        raise AgnewsError(
            "Kubeflow Pipelines takes no pipeline of this name.",
            found=f"name = {name!r}",
            fix=f"Small letters, digits and hyphens: --set name={re.sub('[^a-z0-9-]+', '-', name.lower()).strip('-')}",
        )


def _shape(config: RunConfig) -> RunConfig:
    """Leaves out what the step Plan decides, so that compiling asks for no encoder, which only the cluster may have."""
    return config.model_copy(update={"text": TextConfig(), "model": TransformerConfig()})


def _context(request: CompileRequest) -> PipelineContext:
    """All of these but the code are known when a run starts."""
    return PipelineContext(
        pipeline_root="",
        push_uri="",
        data_digest="",
        scratch_uri="",
        production="",
        fingerprint="",
        code=request.code,
        corpus=dict.fromkeys(CORPUS_PARTS, ""),
    )


def _as_constant(config: RunConfig) -> dict[str, Any]:
    """Leaves out the keys that parameters of the run decide about, and what is null, which is the default of it."""
    decided = {"data": {"source", "corpus"}, "evaluation": {"force_promotion"}}
    return config.model_dump(mode="json", exclude=decided, exclude_none=True)
