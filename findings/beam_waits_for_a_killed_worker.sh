#!/usr/bin/env bash
# `--direct_running_mode=multi_processing` of Apache Beam's Python SDK has the work of a pipeline done by processes.
#
# Seen with apache-beam 2.77.0: when the kernel kills one of them, for its memory for example, Beam prints the exit code from the
# thread that has waited for the process, and goes on waiting for the answer, without end.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" venv -q --python 3.11 "$work/venv"
"$uv" pip install -q --python "$work/venv/bin/python" "apache-beam==2.77.0"
cd "$work"
cat > pipeline.py <<'PYTHON'
import os
import signal

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions


def be_killed(number):
    with open("killed", "w") as file:
        file.write(str(number))
    os.kill(os.getpid(), signal.SIGKILL)


options = ["--runner=FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=1"]
with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
    _ = pipeline | beam.Create([1]) | beam.Map(be_killed)
PYTHON
HOME="$work" setsid "$work/venv/bin/python" pipeline.py > output 2>&1 &
pipeline=$!
for _ in $(seq 300); do [ -e killed ] && break; sleep 1; done
sleep 60
waits=no
kill -0 "$pipeline" 2>/dev/null && waits=yes
kill -9 -- "-$pipeline" 2>/dev/null || true
echo "apache-beam 2.77.0: worker killed: $([ -e killed ] && echo yes || echo no); told: '$(grep -o 'Worker subprocess exited.*' output | tail -1)'; still waiting a minute later: $waits"
[ -e killed ] && [ "$waits" = yes ]
