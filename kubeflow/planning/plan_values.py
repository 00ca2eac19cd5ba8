"""What the step Plan takes and gives, by name."""

from __future__ import annotations

from agnews.kubeflow.planning.run_parameters import Kind

CONFIGS = "configs"
CODE = "code"
SCRATCH_URI = "scratch_uri"

PLAN_CONSTANTS: dict[str, Kind] = {CONFIGS: "STRUCT", CODE: "STRUCT", SCRATCH_URI: "STRING"}
"""What it takes besides the parameters of the run: a RunConfig by kind of model, the digest of the code by node, and
where backups of a training are kept."""

PROCEED = "proceed"
SUMMARY = "summary"

PLAN_OUTPUTS: dict[str, Kind] = {
    PROCEED: "BOOLEAN",
    "data_digest": "STRING",
    "production": "STRING",
    "fingerprint": "STRING",
    "transform_settings": "STRING",
    "trainer_settings": "STRING",
    "max_length": "NUMBER_INTEGER",
    "max_unknown_share": "NUMBER_DOUBLE",
}
"""What it gives: whether there is anything to do, and what nodes are told that is known only now."""
