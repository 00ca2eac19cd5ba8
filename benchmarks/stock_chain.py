"""Everything but training: this pipeline against the stock TFX components, on the same rows, in one run.

The stock chain is CsvExampleGen, StatisticsGen, Transform (tensorflow-text's BertTokenizer, with its post-transform
statistics) and Evaluator (the model that this pipeline has just trained, the figures and slices that TFMA has
ready-made). It runs with the Beam flags of this pipeline, and with `--as-it-comes` also with the flag of TFX's
templates for in-process work. Chains take turns, each under the same local runner in a process of its own. Printed are
seconds and processor seconds node by node, the median of their ratios with the smallest and largest, and peak memory.

    python benchmarks/stock_chain.py ../shared/data/agnews --pairs 3
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agnews.pipeline.observer import NodeResult

os.environ["TF_USE_LEGACY_KERAS"] = "1"

AS_IT_COMES = ("--direct_running_mode=in_memory",)
STOCK = ("CsvExampleGen", "StatisticsGen", "Transform", "Evaluator")
OURS_FOR = {"CsvExampleGen": "NewsExampleGen"}

Times = dict[str, tuple[float, float]]
"""Seconds and processor seconds by node."""


class Stopwatch:
    """An observer of a run that keeps seconds and processor seconds, those of child processes too."""

    def __init__(self) -> None:
        self.times: Times = {}

    def planned(self, nodes: object, skipped: object) -> None:
        """Not asked for."""

    def started(self, node: str) -> None:
        """Looks at the clocks."""
        self._start = (time.monotonic(), sum(os.times()[:4]))

    def finished(self, result: NodeResult) -> None:
        """Looks at the clocks again."""
        seconds, processor = self._start
        self.times[result.node] = (time.monotonic() - seconds, sum(os.times()[:4]) - processor)

    def write(self, out: Path) -> None:
        """Writes the times and the peak memory of this process."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        out.write_text(json.dumps({"times": self.times, "peak_rss_mb": peak}))


def write_stock_csv(data: Path, folder: Path) -> None:
    """Writes the rows the way CsvExampleGen can read them: a header, one line a row, ready-made features."""
    from agnews.components.text.has_markup import has_markup

    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
        with (
            (data / f"{split}.csv").open(newline="", encoding="utf-8") as source,
            (folder / split / "rows.csv").open("w", newline="", encoding="utf-8") as target,
        ):
            writer = csv.writer(target)
            writer.writerow(["text", "label", "num_words", "has_markup", "row"])
            for number, (label, title, description) in enumerate(csv.reader(source), 1):
                text = f"{title} {description}".replace("\n", " ")
                markup = "yes" if has_markup(text) else "no"
                writer.writerow([text, int(label) - 1, len(text.split()), markup, number])


def preprocessing_fn(inputs: dict[str, object]) -> dict[str, object]:
    """What a stock BERT sample does: tokenise with BertTokenizer, pad to 128."""
    import tensorflow as tf
    import tensorflow_text as text

    from agnews.components.text.vocabulary import load_vocabulary

    vocabulary = load_vocabulary("minilm")
    table = tf.lookup.StaticVocabularyTable(
        tf.lookup.KeyValueTensorInitializer(
            list(vocabulary.tokens), list(range(len(vocabulary.tokens))), key_dtype=tf.string, value_dtype=tf.int64
        ),
        1,
    )
    tokenizer = text.BertTokenizer(table, lower_case=True, token_out_type=tf.int64)
    texts = tf.reshape(inputs["text"], [-1])
    ids = tokenizer.tokenize(texts).merge_dims(-2, -1)[:, :126]
    start = tf.fill([tf.size(texts), 1], tf.constant(101, tf.int64))
    end = tf.fill([tf.size(texts), 1], tf.constant(102, tf.int64))
    packed = tf.concat([start, ids, end], axis=1).to_tensor(0, shape=[None, 128])
    return {"input_word_ids": packed, "input_mask": tf.cast(packed > 0, tf.int64), "label": inputs["label"]}


def run_stock(rows: Path, model: Path, root: Path, out: Path, beam_args: Sequence[str]) -> None:
    """Runs the stock chain and writes seconds by node and peak memory."""
    from tensorflow_model_analysis.proto import config_pb2 as tfma
    from tfx import v1 as tfx

    from agnews.pipeline.local.local_runner import LocalRunner

    split = tfx.proto.Input.Split
    example_gen = tfx.components.CsvExampleGen(
        input_base=str(rows),
        input_config=tfx.proto.Input(
            splits=[split(name="train", pattern="train/*"), split(name="test", pattern="test/*")]
        ),
    )
    examples = example_gen.outputs["examples"]
    statistics = tfx.components.StatisticsGen(examples=examples)
    schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    transform = tfx.components.Transform(
        examples=examples, schema=schema.outputs["schema"], preprocessing_fn="stock_chain.preprocessing_fn"
    )
    model_type = tfx.types.standard_artifacts.Model
    importer = tfx.dsl.Importer(source_uri=str(model), artifact_type=model_type).with_id("model")
    # The figures that our Evaluator gives, as far as TFMA has them ready-made: no calibration error of all classes, no
    # slices by length.
    accuracy = tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.5}))
    config = tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(signature_name="serving_examples", label_key="label", prediction_key="probabilities")
        ],
        slicing_specs=[
            tfma.SlicingSpec(),
            tfma.SlicingSpec(feature_keys=["label"]),
            tfma.SlicingSpec(feature_keys=["has_markup"]),
        ],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(class_name="SparseCategoricalAccuracy"),
                    tfma.MetricConfig(class_name="ExampleCount"),
                ],
                thresholds={"sparse_categorical_accuracy": accuracy},
            ),
            tfma.MetricsSpec(
                metrics=[tfma.MetricConfig(class_name="Precision"), tfma.MetricConfig(class_name="Recall")],
                binarize=tfma.BinarizationOptions(class_ids={"values": list(range(4))}),
            ),
        ],
    )
    evaluator = tfx.components.Evaluator(
        examples=examples, model=importer.outputs["result"], eval_config=config, example_splits=["test"]
    )
    watch = Stopwatch()
    LocalRunner(watch, "stock-run", keep=root / "failed").run(
        tfx.dsl.Pipeline(
            pipeline_name="stock",
            pipeline_root=str(root / "artifacts"),
            components=[example_gen, statistics, schema, transform, importer, evaluator],
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(root / "db")),
            beam_pipeline_args=list(beam_args),
        )
    )
    watch.write(out)


def run_ours(data: Path, root: Path, out: Path) -> None:
    """Runs this pipeline with one epoch of training; writes the times."""
    from rich.console import Console

    from agnews.pipeline.load_config import load_config
    from agnews.pipeline.local.live_view import LiveView
    from agnews.pipeline.local.run_locally import RunRequest, run_locally
    from agnews.pipeline.paths import prepare_root

    watch = Stopwatch()

    class View(LiveView):
        def started(self, node: str) -> None:
            super().started(node)
            watch.started(node)

        def finished(self, result: NodeResult) -> None:
            watch.finished(result)
            super().finished(result)

    config = load_config(None, [f"data.source={data.resolve()}", "training.epochs=1"])
    with View(Console(), "ours", lambda result: "") as view:
        run_locally(RunRequest(config, prepare_root(root), "ours", "stock_chain.py"), view)
    watch.write(out)


def start(scratch: Path, name: str, data: Path, flags: Sequence[str]) -> tuple[Times, float]:
    """Runs a chain in a process of its own and returns its times and peak memory in MiB."""
    print(f"{name} ...", flush=True)
    places = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "TF_CPP_MIN_LOG_LEVEL": "2"}
    root, out, log = scratch / "root", scratch / "times.json", scratch / "log"
    shutil.rmtree(root, ignore_errors=True)
    paths = [scratch / "rows", scratch / "model", root, out]
    command = [sys.executable, __file__, str(data), *flags, "--chain", *map(str, paths)]
    with log.open("w") as file:
        done = subprocess.run(command, check=False, env=environment, stdout=file, stderr=file)
    if done.returncode:
        raise SystemExit(f"the chain failed:\n{log.read_text()[-3000:]}")
    result = json.loads(out.read_text())
    return {node: tuple(pair) for node, pair in result["times"].items()}, result["peak_rss_mb"]


def main() -> None:
    """Runs the chains in turns and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv")
    parser.add_argument("--pairs", type=int, default=3, help="runs of each chain")
    parser.add_argument("--as-it-comes", action="store_true", help="run the stock chain with TFX's own flag too")
    parser.add_argument("--chain", nargs=4, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--tuned", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.chain:
        from agnews.pipeline.beam.beam_arguments import LOCAL_ARGUMENTS

        rows, model, root, out = arguments.chain
        if arguments.ours:
            run_ours(arguments.data, root, out)
        else:
            run_stock(rows, model, root, out, beam_args=LOCAL_ARGUMENTS if arguments.tuned else AS_IT_COMES)
        return
    chains = {"with our Beam flags": ["--tuned"]} | ({"as it comes": []} if arguments.as_it_comes else {})
    ours: list[tuple[Times, float]] = []
    stock: dict[str, list[tuple[Times, float]]] = {name: [] for name in chains}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        write_stock_csv(arguments.data, scratch / "rows")
        for _ in range(arguments.pairs):
            ours.append(start(scratch, "ours", arguments.data, ["--ours"]))
            (trained,) = (scratch / "root" / "artifacts" / "Trainer" / "model").glob("*/Format-Serving")
            shutil.rmtree(scratch / "model", ignore_errors=True)
            shutil.copytree(trained, scratch / "model" / "Format-Serving")
            for name, flags in chains.items():
                stock[name].append(start(scratch, f"stock {name}", arguments.data, flags))
    for name, results in stock.items():
        print_ratios(name, ours, results)


def print_ratios(name: str, ours: list[tuple[Times, float]], stock: list[tuple[Times, float]]) -> None:
    """Prints seconds node by node, medians of all pairs, and the ratios stock / ours."""
    print(f"\nstock {name}, {len(ours)} pairs: medians; ratio with the smallest and the largest")
    for kind, what in enumerate(("seconds", "processor seconds")):
        print(f"{what:<18}{'stock':>8}{'ours':>8}{'ratio':>8}")
        rows = [(node, [node], [OURS_FOR.get(node, node)]) for node in STOCK]
        rows.append(("these four", list(STOCK), [OURS_FOR.get(node, node) for node in STOCK]))
        rows.append(("all but Trainer", list(STOCK), [node for node in ours[0][0] if node != "Trainer"]))
        for label, theirs_of, ours_of in rows:
            pairs = [
                (sum(their[node][kind] for node in theirs_of), sum(our[node][kind] for node in ours_of))
                for (our, _), (their, _) in zip(ours, stock, strict=True)
            ]
            ratios = [their / our for their, our in pairs]
            their, our = (statistics.median(column) for column in zip(*pairs, strict=True))
            bounds = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(f"{label:<18}{their:8.1f}{our:8.1f}{statistics.median(ratios):8.2f}  {bounds}")
    peaks = [statistics.median(peak for _, peak in results) for results in (stock, ours)]
    print(f"peak memory: stock {peaks[0]:.0f} MiB, ours with training {peaks[1]:.0f} MiB")


if __name__ == "__main__":
    main()
