"""Draws the picture of the README: a real run, as the terminal shows it at its end.

python docs/images/record_run.py --root workspace --data ../shared/data/agnews docs/images/run.svg
"""

from __future__ import annotations

import argparse
import io
import os
import re
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

WIDTH = 100


def main() -> None:
    """Runs the pipeline, then draws the table of its nodes and what it ends with."""
    from rich.console import Console
    from rich.text import Text

    from agnews.pipeline.load_config import load_config
    from agnews.pipeline.local.live_view import LiveView
    from agnews.pipeline.local.run_locally import RunRequest, run_locally
    from agnews.pipeline.paths import new_run_id, prepare_root, root_lock
    from agnews.pipeline.reports.describe_node import describe_node
    from agnews.pipeline.reports.show_report import show_report

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--root", type=Path, required=True)
    arguments = parser.parse_args()

    paths, run_id = prepare_root(arguments.root), new_run_id()
    source = str(Path(arguments.data).absolute()) if arguments.data != "sample" else "sample"
    request = RunRequest(load_config("transformer", [f"data.source={source}"]), paths, run_id, "agnews run")
    title = f"run {run_id}  data {arguments.data}  model transformer"
    view = LiveView(Console(file=io.StringIO()), title, describe_node)
    with root_lock(paths.lock, f"run {run_id}"), view:
        report = run_locally(request, view)

    screen = Console(record=True, force_terminal=True, width=WIDTH, file=io.StringIO(), highlight=False)
    screen.print(Text(f"$ agnews run --data {arguments.data}", style="bold green"))
    screen.print(view)
    show_report(report, paths, screen)
    # The picture must not fetch fonts from anywhere when it is looked at.
    picture = re.sub(r"@font-face \{.*?\}", "", screen.export_svg(title="agnews"), flags=re.DOTALL)
    arguments.picture.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
