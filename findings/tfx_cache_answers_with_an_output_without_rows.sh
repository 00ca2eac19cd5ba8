#!/usr/bin/env bash
# TFX answers a step from its cache if the folder of the earlier output exists; what is in it is not asked.
#
# Seen with tfx 1.21.0: with all files of the split `train` deleted and their folder left, a second run of CsvExampleGen and
# StatisticsGen is all cached and succeeds. A step behind it would read no row of train, without an error.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
printf '%s\n' "ml-metadata==1.17.1" "tensorflow-data-validation==1.16.1" "tensorflow==2.21.0" "protobuf==6.33.2" "pandas==2.3.3" "pyarrow==18.1.0" "tensorflow-metadata==1.21.0" "tfx-bsl==1.21.0" "attrs==23.2.0" "pyfarmhash==0.5.1" "setuptools==80.9.0" "apache-beam==2.77.0" > "$work/overrides"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" --override "$work/overrides" "tfx==1.21.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import pathlib
import sys
from importlib.metadata import version
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

pathlib.Path("data").mkdir()
pathlib.Path("data/rows.csv").write_text("class,title\n" + "a,one\nb,two\n" * 50)
connection = tfx.orchestration.metadata.sqlite_metadata_connection_config("db")


def run():
    generator = tfx.components.CsvExampleGen(input_base=str(pathlib.Path("data").absolute()))
    statistics = tfx.components.StatisticsGen(examples=generator.outputs["examples"])
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="cache",
            pipeline_root=str(pathlib.Path("out").absolute()),
            components=[generator, statistics],
            enable_cache=True,
            metadata_connection_config=connection,
            beam_pipeline_args=["--runner=FnApiRunner"],
        )
    )


run()
for path in pathlib.Path("out").rglob("Split-train/*.gz"):
    path.unlink()
run()
states = [
    metadata_store_pb2.Execution.State.Name(execution.last_known_state)
    for execution in sorted(MetadataStore(connection).get_executions(), key=lambda each: each.id)
]
print(f"tfx {version('tfx')}: states of two runs of two steps, the rows gone in between: {states}")
sys.exit(states != ["COMPLETE", "COMPLETE", "CACHED", "CACHED"])
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$work/venv/bin/python" surprise.py
