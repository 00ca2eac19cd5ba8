"""Feeds parsers what no writer writes, guided by the code that it reaches.

python tests/fuzz/fuzz.py request --seconds 60       one target
python tests/fuzz/fuzz.py request build/fuzz/...     an input again, with a debugger if you like
python tests/fuzz/fuzz.py --all --seconds 60         all, as many at once as there are processors

Inputs that reach new code are kept in build/fuzz/TARGET (or in the folder that AGNEWS_FUZZ_FOLDER names), and the next
call begins with them.

References:
    https://github.com/google/atheris, on libFuzzer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from targets import TARGETS

from agnews.components.available_cores import available_cores

HOME = Path(os.environ.get("AGNEWS_FUZZ_FOLDER") or Path(__file__).parents[2] / "build" / "fuzz")
_LONGEST = 1 << 14
_SLOW_SECONDS = 20
_MEGABYTES = 4096


@dataclass(frozen=True)
class Outcome:
    """What came of fuzzing a target.

    Attributes:
        target: Its name.
        passed: Whether nothing was found.
        log: What the fuzzer said.
    """

    target: str
    passed: bool
    log: str

    @property
    def summary(self) -> str:
        """The last words, without the noise before them."""
        telling = [line for line in self.log.splitlines() if line.strip()]
        return "\n".join(telling[-1:] if self.passed else telling[-40:])


def fuzz(name: str, seconds: int, megabytes: int = _MEGABYTES) -> Outcome:
    """Runs one target in a process of its own.

    Args:
        name: Its name.
        seconds: How long.
        megabytes: More memory than this is a finding.
    """
    command = [sys.executable, __file__, name, "--seconds", str(seconds), "--megabytes", str(megabytes), "--inside"]
    # libFuzzer reads the peak of its process, and Linux lets a program begin with the size of the process that started
    # it: a shell between the two makes that size a small one.
    command = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *command]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    return Outcome(name, done.returncode == 0, done.stdout)


def _inside(name: str, seconds: int, megabytes: int) -> None:
    import atheris

    target = TARGETS[name]
    with atheris.instrument_imports(include=["agnews"]):
        eat = target.make()
    kept = HOME / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="agnews-fuzz-") as scratch:
        seeds, words = Path(scratch) / "seeds", Path(scratch) / "words"
        seeds.mkdir()
        for number, content in enumerate(target.seeds()):
            (seeds / str(number)).write_bytes(content)
        escaped = ["".join(f"\\x{byte:02x}" for byte in word.encode()) for word in target.words]
        words.write_text("".join(f'"{word}"\n' for word in escaped))
        options = [
            f"-max_total_time={seconds}",
            f"-timeout={_SLOW_SECONDS}",
            f"-rss_limit_mb={megabytes}",
            f"-artifact_prefix={HOME}/{name}-",
            f"-max_len={_LONGEST}",
            "-print_final_stats=0",
            *([f"-dict={words}"] if target.words else []),
        ]
        atheris.Setup([sys.argv[0], *options, str(kept), str(seeds)], eat)
        atheris.Fuzz()


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS))
    parser.add_argument("input", nargs="?", type=Path, help="a file to eat again")
    parser.add_argument("--all", action="store_true", help="all targets")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--megabytes", type=int, default=_MEGABYTES, help="more memory than this is a finding")
    parser.add_argument("--jobs", type=int, default=available_cores(), help="targets at once")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        _inside(options.target, options.seconds, options.megabytes)
        return 0
    if options.input:
        TARGETS[options.target].make()(options.input.read_bytes())
        return 0
    names = sorted(TARGETS) if options.all else [options.target]
    if names == [None]:
        parser.error("name a target, or --all")
    failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(lambda name: fuzz(name, options.seconds, options.megabytes), names):
            failed += not outcome.passed
            print(f"{outcome.target}: {'nothing found' if outcome.passed else 'FOUND'}\n{outcome.summary}", flush=True)  # noqa: T201
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
