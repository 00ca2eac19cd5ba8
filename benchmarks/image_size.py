"""How large the images for serving are, against the one for everything, by what is installed in them.

    python benchmarks/image_size.py [--base CHECKOUT]

Installs what `kubeflow/Dockerfile` installs, from uv.lock and by uv, into folders of its own, takes away what it takes
away, and counts the bytes of all files. The base of the images, 120 MB of Debian and Python, is left out. CHECKOUT
is another state of the repository, whose only variant is compared with.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
UV = REPOSITORY / ".uv" / "bin" / "uv"


def installed_bytes(checkout: Path, *options: str) -> int:
    """Installs a variant and counts."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "environment"
        command = [str(UV), "sync", "--quiet", "--frozen", "--no-dev", "--no-install-project", *options]
        environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(target), "UV_COMPILE_BYTECODE": "1"}
        subprocess.run(command, check=True, cwd=checkout, env=environment)
        trim = checkout / "kubeflow" / "trim_packages.sh"
        if trim.exists():
            subprocess.run(["sh", str(trim), str(target)], check=True)
        else:
            # Older states took the headers alone.
            (packages,) = target.glob("lib/python*/site-packages")
            shutil.rmtree(packages / "tensorflow" / "include", ignore_errors=True)
        return sum(path.stat().st_size for path in target.rglob("*") if path.is_file() and not path.is_symlink())


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=REPOSITORY, metavar="CHECKOUT")
    base = installed_bytes(parser.parse_args().base)
    report: dict[str, float] = {"all MB": base // 10**6}
    for variant in ("serving", "serving-openvino", "serving-onnx"):
        extra = variant.replace("serving", "serve")
        size = installed_bytes(REPOSITORY, "--no-default-groups", "--extra", extra)
        report |= {f"{variant} MB": size // 10**6, f"{variant} / all": round(size / base, 3)}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
