"""Everything but training: this pipeline against the stock TFX components, on the same rows, in one run.

The stock chain is CsvExampleGen, StatisticsGen, Transform (tensorflow-text's BertTokenizer, with its post-transform
statistics) and Evaluator (the model that this pipeline has just pushed, the figures and slices that TFMA has
ready-made). It runs twice: as it
comes, with the Beam flag of TFX's templates for in-process work, and with the Beam flags of this pipeline. All run
under TFX's local runner, each in a process of its own. Printed are seconds node by node, ratios, and peak memory.

    python benchmarks/stock_chain.py ../shared/data/agnews
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

AS_IT_COMES = ("--direct_running_mode=in_memory",)
STOCK = ("CsvExampleGen", "StatisticsGen", "Transform", "Evaluator")
OURS_FOR = {"CsvExampleGen": "NewsExampleGen"}


def write_stock_csv(data: Path, folder: Path) -> None:
    """Writes the rows the way CsvExampleGen can read them: a header, one line a row, ready-made features."""
    from agnews.components.corpus_files.text_key import has_markup

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
    from agnews.pipeline.observer import NodeResult

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
    seconds: dict[str, float] = {}

    class Stopwatch:
        def planned(self, nodes: object, skipped: object) -> None:
            pass

        def started(self, node: str) -> None:
            print(f"  stock {node} ...", flush=True)

        def finished(self, result: NodeResult) -> None:
            seconds[result.node] = result.seconds

    LocalRunner(Stopwatch(), "stock-run", keep=root / "failed").run(
        tfx.dsl.Pipeline(
            pipeline_name="stock",
            pipeline_root=str(root / "artifacts"),
            components=[example_gen, statistics, schema, transform, importer, evaluator],
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(root / "db")),
            beam_pipeline_args=list(beam_args),
        )
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    out.write_text(json.dumps({"seconds": seconds, "peak_rss_mb": peak}))


def run_ours(data: Path, root: Path) -> dict[str, object]:
    """Runs this pipeline with one epoch of training and returns its report."""
    agnews = Path(sys.executable).with_name("agnews")
    command = [agnews, "run", "--data", data, "--root", root, "--set", "training.epochs=1"]
    subprocess.run([str(part) for part in command], check=True)
    (report,) = root.glob("runs/*/report.json")
    document: dict[str, object] = json.loads(report.read_text())
    return document


def main() -> None:
    """Runs both and prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv")
    parser.add_argument("--stock", nargs=4, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tuned", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stock:
        from agnews.pipeline.pipeline import BEAM_ARGS

        run_stock(*arguments.stock, beam_args=BEAM_ARGS if arguments.tuned else AS_IT_COMES)
        return
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        ours = run_ours(arguments.data, scratch / "ours")
        write_stock_csv(arguments.data, scratch / "rows")
        shutil.copytree(str(ours["pushed_model"]), scratch / "model" / "Format-Serving")
        stock = {
            name: start_stock(scratch, name, arguments.data, flags)
            for name, flags in (("as it comes", []), ("with our Beam flags", ["--tuned"]))
        }
    for name, result in stock.items():
        print_ratios(name, ours, result)


def start_stock(scratch: Path, name: str, data: Path, flags: Sequence[str]) -> dict[str, object]:
    """Runs the stock chain in a process of its own and returns its seconds and memory."""
    print(f"stock {name}:", flush=True)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "TF_CPP_MIN_LOG_LEVEL": "2"}
    out, log = scratch / f"{name}.json", scratch / f"{name}.log"
    paths = [scratch / "rows", scratch / "model", scratch / name, out]
    command = [sys.executable, __file__, str(data), *flags, "--stock", *map(str, paths)]
    with log.open("w") as file:
        done = subprocess.run(command, check=False, env=environment, stderr=file)
    if done.returncode:
        raise SystemExit(f"the stock chain failed:\n{log.read_text()[-3000:]}")
    result: dict[str, object] = json.loads(out.read_text())
    return result


def print_ratios(name: str, ours: dict[str, object], stock: dict[str, object]) -> None:
    """Prints seconds node by node and the ratios stock / ours."""
    nodes: dict[str, dict[str, float]] = ours["nodes"]  # type: ignore[assignment]
    theirs: dict[str, float] = stock["seconds"]  # type: ignore[assignment]
    print(f"\nstock {name}")
    print(f"{'node':<16}{'stock s':>9}{'ours s':>9}{'ratio':>8}")
    totals = [0.0, 0.0]
    for node in STOCK:
        pair = theirs[node], nodes[OURS_FOR.get(node, node)]["seconds"]
        totals = [total + value for total, value in zip(totals, pair, strict=True)]
        print(f"{node:<16}{pair[0]:9.1f}{pair[1]:9.1f}{pair[0] / pair[1]:8.2f}")
    everything = sum(node["seconds"] for name, node in nodes.items() if name != "Trainer")
    print(f"{'these four':<16}{totals[0]:9.1f}{totals[1]:9.1f}{totals[0] / totals[1]:8.2f}")
    print(f"{'all but Trainer':<16}{totals[0]:9.1f}{everything:9.1f}{totals[0] / everything:8.2f}")
    print(f"peak memory: stock {stock['peak_rss_mb']:.0f} MiB, ours with training {ours['peak_rss_mb']:.0f} MiB")


if __name__ == "__main__":
    main()
