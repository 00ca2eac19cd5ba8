"""Which properties of nodes are known only when a run starts, and where they come from."""

from __future__ import annotations

from agnews.kubeflow.planning.plan_values import PLAN_OUTPUTS
from agnews.kubeflow.planning.run_parameters import DATA_URI, FORCE_PROMOTION, PUSH_URI, RUN_PARAMETERS, Kind

RUN_TIME_VALUES: dict[str, dict[str, str]] = {
    "NewsExampleGen": {"data_uri": DATA_URI, "digest": "data_digest"},
    "BaselineModel": {"push_uri": PUSH_URI, "production": "production"},
    "Transform": {"custom_config": "transform_settings"},
    "TokenGate": {"max_length": "max_length", "max_unknown_share": "max_unknown_share"},
    "Trainer": {"custom_config": "trainer_settings"},
    "Evaluator": {"force_promotion": FORCE_PROMOTION},
    "Pusher": {"push_uri": PUSH_URI, "fingerprint": "fingerprint"},
}
"""By node and property: the name of a parameter of the run, or of an output of the step Plan. All other properties are
constants of the compiled pipeline. `withdrawn` of the Pusher is one of them, and empty: a run that would make a
withdrawn version ends with Plan."""

RUN_ID = "run_id"
KNOWS_THE_RUN = frozenset({"Pusher", "Report"})
"""Nodes that are told the id of the run. It is another one each time, so the cache cannot answer for them."""


def kind_of(name: str) -> Kind:
    """Returns the type of a parameter of the run or of an output of the step Plan."""
    return RUN_PARAMETERS[name].kind if name in RUN_PARAMETERS else PLAN_OUTPUTS[name]
