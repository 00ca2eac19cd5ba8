"""Engines side by side on one version's weights: TensorFlow, each export that there is, and OpenVINO's own conversion.

    python benchmarks/engines.py DATA --root ROOT [--rows 960] [--pairs 15] [--base AGNEWS --base-root ROOT]

DATA is a folder with AG News' test.csv, ROOT one whose version in production was exported in int8 for OpenVINO. Pairs
are taken in turn, and what is compared is processor time; medians and 90 % intervals of the ratio are printed. With
--base, whole commands of another checkout (its `agnews`) answer the same file too, with the same weights in its root.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from core_peak import peak

from agnews.components.engines.find_export import find_exports
from agnews.components.engines.optional_package import import_optional
from agnews.components.engines.text_engine import open_export
from agnews.components.model_export.cut_model import CutModel
from agnews.components.model_store import ModelStore
from agnews.components.model_store.find_pushed_model import find_pushed_model

BATCH = 32
Answer = Callable[[Sequence[bytes]], np.ndarray]


def hand_written(cut: CutModel, calibration: Sequence[bytes], folder: str) -> Answer:
    """What OpenVINO's documentation says: convert, quantise as a transformer, compile, ask."""
    openvino, nncf = import_optional("openvino", "This"), import_optional("nncf", "This")
    model = openvino.convert_model(cut.network())
    tokens = [cut.tokens([text]) for text in calibration]
    quantised = nncf.quantize(
        model,
        nncf.Dataset(tokens, lambda each: {0: each[0], 1: each[1]}),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(tokens),
    )
    openvino.save_model(quantised, f"{folder}/hand.xml")
    compiled = openvino.Core().compile_model(f"{folder}/hand.xml", "CPU", {"INFERENCE_NUM_THREADS": 1})
    request = compiled.create_infer_request()

    def answer(texts: Sequence[bytes]) -> np.ndarray:
        ids, mask = cut.tokens(texts)
        found: np.ndarray = request.infer({0: ids, 1: mask})[0]
        return found

    return answer


def seconds(answer: Answer, batches: Sequence[Sequence[bytes]]) -> float:
    """Processor time of all threads."""
    began = time.process_time()
    for batch in batches:
        answer(batch)
    return time.process_time() - began


def interval(ratios: Sequence[float]) -> str:
    """Median and the middle 90 % of ratios."""
    low, middle, high = np.quantile(ratios, [0.05, 0.5, 0.95])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def in_process(texts: Sequence[bytes], calibration: Sequence[bytes], root: str, pairs: int) -> None:
    """All engines in this process, in turn."""
    pushed = find_pushed_model(ModelStore(f"{root}/models", "agnews"))
    cut = CutModel(pushed.folder)
    sides: dict[str, Answer] = {"TensorFlow, as it is served": cut.probabilities}
    for found in find_exports(pushed.folder):
        sides[f"{found.export.name}, exported by agnews"] = open_export(found, batches=1).probabilities
    with tempfile.TemporaryDirectory() as folder:
        sides["openvino-int8, written by hand"] = hand_written(cut, calibration, folder)
        order = sorted(range(len(texts)), key=lambda each: -len(texts[each]))
        batches = [[texts[each] for each in order[at : at + BATCH]] for at in range(0, len(order), BATCH)]
        wanted = np.concatenate([cut.probabilities(batch) for batch in batches]).argmax(axis=1)
        same = {
            name: float((np.concatenate([answer(batch) for batch in batches]).argmax(axis=1) == wanted).mean())
            for name, answer in sides.items()
        }
        taken: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(pairs):
            for name, answer in sides.items():
                taken[name].append(seconds(answer, batches))
    first = next(iter(taken))
    print("libraries", {name: version(name) for name in ("tensorflow", "openvino", "nncf", "onnxruntime")})
    for name, each in taken.items():
        milliseconds = 1000 * float(np.median(each)) / len(texts)
        ratio = interval([one / two for one, two in zip(taken[first], each, strict=True)])
        print(
            f"{name:40} {milliseconds:7.2f} ms a text  {ratio} times TensorFlow  {100 * same[name]:.2f} % same answers"
        )
    ours = next(name for name in taken if name.startswith("openvino-int8, exported"))
    hand = taken["openvino-int8, written by hand"]
    print("ours against the script by hand:", interval([two / one for one, two in zip(taken[ours], hand, strict=True)]))


def whole_commands(file: str, rows: int, root: str, base: str, base_root: str, pairs: int) -> None:
    """`agnews predict` of both checkouts on a file of all rows and on one row: the difference is the rows' own."""

    def processor(agnews: str, at: str, count: int) -> float:
        with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as part:
            with Path(file).open(newline="") as source:
                for number, line in enumerate(csv.reader(source)):
                    if number > count:
                        break
                    csv.writer(part).writerow(line)
            part.flush()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [agnews, "predict", "--root", at, "--file", part.name, "--format", "jsonl"],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    ours = str(Path(sys.executable).with_name("agnews"))
    ratios = []
    for _ in range(pairs):
        there = processor(base, base_root, rows) - processor(base, base_root, 1)
        here = processor(ours, root, rows) - processor(ours, root, 1)
        ratios.append(there / here)
        print(f"  base {1000 * there / rows:.2f} ms a row, here {1000 * here / rows:.2f}", flush=True)
    print("agnews predict, rows per processor second, against", base, interval(ratios))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--root", default="workspace")
    parser.add_argument("--rows", type=int, default=960)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--base", default="")
    parser.add_argument("--base-root", default="")
    options = parser.parse_args()
    print("one core at most:", ", ".join(f"{peak(name):.0f} GFLOP/s in {name}" for name in ("float32", "int8")))
    file = f"{options.data}/test.csv"
    with Path(file).open(newline="") as source:
        lines = list(csv.reader(source))[1 : options.rows + 301]
    texts = [" ".join(line[1:]).encode() for line in lines]
    in_process(texts[: options.rows], texts[options.rows :], options.root, options.pairs)
    if options.base:
        whole_commands(file, options.rows, options.root, options.base, options.base_root or options.root, options.pairs)


if __name__ == "__main__":
    main()
