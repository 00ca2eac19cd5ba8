#!/usr/bin/env bash
# Apache Beam's Python DirectRunner has a mode `in_memory`, the default: "within the process".
#
# Seen with apache-beam 2.77.0: with `--direct_running_mode=in_memory` a batch pipeline is first handed to the Prism runner,
# a program in Go that is downloaded from GitHub. Without a network that is tried, logged and given up, and the pipeline runs in
# the process after all. `--runner=FnApiRunner` goes there at once.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "apache-beam==2.77.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import logging
import sys
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

told = []


class Listener(logging.Handler):
    def emit(self, record):
        told.append(record.getMessage())


logging.getLogger().addHandler(Listener())
logging.getLogger().setLevel(logging.INFO)


def tries_prism(flag):
    told.clear()
    with beam.Pipeline(options=PipelineOptions([flag])) as pipeline:
        _ = pipeline | beam.Create([1, 2]) | beam.Map(lambda number: number + 1)
    return "Running pipeline with PrismRunner." in told


in_memory, named = tries_prism("--direct_running_mode=in_memory"), tries_prism("--runner=FnApiRunner")
print(f"apache-beam {beam.__version__}: in_memory tries Prism: {in_memory}; FnApiRunner by name: {named}")
sys.exit(not in_memory or named)
PYTHON
HOME="$work" "$work/venv/bin/python" surprise.py
