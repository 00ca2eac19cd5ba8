#!/usr/bin/env bash
# Kubeflow Pipelines' compiler writes YAML 1.1, and its server reads YAML 1.2.
#
# Seen with kfp 2.16.1: a string such as 1234567890123e45 (a short digest may look like this) is written without quotes, because it
# is no number in YAML 1.1, where a float needs a point. To a reader of YAML 1.2, here ruamel.yaml 0.18.15, it is the number
# 1.234567890123e+57.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "kfp==2.16.1" "ruamel.yaml==0.18.15"
cd "$work"
cat > surprise.py <<'PYTHON'
import sys
import kfp
import yaml
from kfp import compiler, dsl
from ruamel.yaml import YAML

DIGEST = "1234567890123e45"


@dsl.container_component
def echo(code: str):
    return dsl.ContainerSpec(image="debian:12", command=["echo"], args=[code])


@dsl.pipeline
def of_a_digest(code: str = DIGEST):
    echo(code=code)


compiler.Compiler().compile(of_a_digest, "pipeline.yaml")
text = open("pipeline.yaml").read()


def default(document):
    return document["root"]["inputDefinitions"]["parameters"]["code"]["defaultValue"]


old, new = default(yaml.safe_load(text)), default(YAML(typ="safe", pure=True).load(text))
print(f"kfp {kfp.__version__}: YAML 1.1 reads {old!r}, YAML 1.2 reads {new!r}")
sys.exit(old != DIGEST or not isinstance(new, float))
PYTHON
"$work/venv/bin/python" surprise.py
