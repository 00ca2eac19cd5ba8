#!/usr/bin/env bash
# Kubeflow Pipelines' local runner cannot evaluate the conditions that its own compiler writes.
#
# Seen with kfp 2.16.1: `dsl.If(task.output == True)` compiles to "inputs.parameter_values[...] == true", which kfp.local hands to
# Python's eval without those names. It logs "Condition evaluation failed ... name 'inputs' is not defined", takes the condition as
# not met, leaves the branch out and ends with SUCCESS.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "kfp==2.16.1"
cd "$work"
cat > surprise.py <<'PYTHON'
import logging
import pathlib
import sys
import kfp
from kfp import dsl, local

warnings = []


class Listener(logging.Handler):
    def emit(self, record):
        warnings.append(record.getMessage())


logging.getLogger().addHandler(Listener())
local.init(local.SubprocessRunner(use_venv=False), pipeline_root="root")


@dsl.container_component
def unused():
    return dsl.ContainerSpec(image="debian:12", command=["true"])


@dsl.component(install_kfp_package=False)
def is_right() -> bool:
    return True


@dsl.component(install_kfp_package=False)
def branch(marker: str):
    open(marker, "w").close()


@dsl.pipeline
def choose(marker: str):
    with dsl.If(is_right().output == True):
        branch(marker=marker)


# Components run with the Python of PATH.
marker = pathlib.Path("was-here").absolute()
choose(marker=str(marker))
failed = [line for line in warnings if "Condition evaluation failed" in line]
print(f"kfp {kfp.__version__}: the branch of a condition that is true ran: {marker.exists()}; {failed[:1]}")
sys.exit(marker.exists() or not failed)
PYTHON
PATH="$work/venv/bin:$PATH" "$work/venv/bin/python" surprise.py
