#!/usr/bin/env bash
# A worker of Apache Beam's Python SDK collects elements in a buffer before it sends them. The buffer may also be sent after some time:
# `data_buffer_time_limit_ms`, one second with `--direct_running_mode=multi_threading`.
#
# Seen with apache-beam 2.77.0: a thread sends and then empties the buffer while the worker's thread goes on writing into it, and
# no lock holds the two apart. What is written in between is gone: no error, no warning, fewer elements.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" venv -q --python 3.11 "$work/venv"
"$uv" pip install -q --python "$work/venv/bin/python" "apache-beam==2.77.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import sys
import time
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

WANTED = 20_000

def make_slowly(_):
    for number in range(WANTED):
        yield b"x" * 2000
        if number % 50 == 0:
            time.sleep(0.005)


def keep(number):
    Path("count").write_text(str(number))


def count(*flags):
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", *flags])) as pipeline:
        made = pipeline | beam.Create([0]) | beam.FlatMap(make_slowly) | beam.Reshuffle()
        _ = made | beam.combiners.Count.Globally() | beam.Map(keep)
    return int(Path("count").read_text())


in_memory = count()
threads = [count("--direct_running_mode=multi_threading") for _ in range(4)]
print(f"apache-beam {beam.__version__}: of {WANTED:,} elements {in_memory:,} arrive in memory, {threads} with threads")
sys.exit(in_memory != WANTED or all(arrived == WANTED for arrived in threads))
PYTHON
HOME="$work" "$work/venv/bin/python" surprise.py
