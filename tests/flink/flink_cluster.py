"""A session cluster of Flink on loopback: JobManager, TaskManagers, Beam's job server, a worker pool for each of them.

    python tests/flink/flink_cluster.py FOLDER [TASKMANAGERS]

starts one, prints what an execution file says of it, and ends it with Ctrl-C or when it is ended itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

BEAM, FLINK = "2.62.0", "1.19"
"""What Maven Central gives under these names; Beam's Python is newer, which works."""

JARS = Path(os.environ.get("AGNEWS_FLINK_JARS", Path.home() / ".cache" / "agnews" / "flink"))
"""Where jars are kept from run to run."""

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>agnews</groupId><artifactId>flink</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.beam</groupId><artifactId>beam-runners-flink-{FLINK}</artifactId>
      <version>{BEAM}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


def missing_programs() -> str:
    """Says which programs a cluster needs and this machine lacks; empty where all are there."""
    lacking = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return f"no {' and no '.join(lacking)} on PATH (apt-get install default-jre-headless maven)" if lacking else ""


def fetch_jars(folder: Path) -> Path:
    """Fetches Flink and Beam's runner by name from Maven Central, once.

    Args:
        folder: Where they are kept.

    Returns:
        The folder with the jars.
    """
    jars = folder / f"beam-{BEAM}-flink-{FLINK}"
    if not (jars / ".whole").exists():
        jars.mkdir(parents=True, exist_ok=True)
        (folder / "pom.xml").write_text(_POM, encoding="utf-8")
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        subprocess.run([*command, "-DincludeScope=runtime"], cwd=folder, check=True, timeout=600)
        (jars / ".whole").touch()
    return jars


def free_port() -> int:
    """Returns a port that nobody listens at."""
    with closing(socket.socket()) as listener:
        listener.bind(("localhost", 0))
        return int(listener.getsockname()[1])


@dataclass
class TaskManager:
    """One machine of the cluster.

    Attributes:
        process: The TaskManager.
        number: Which it is.
    """

    process: subprocess.Popen[bytes]
    number: int


@dataclass
class Cluster:
    """A running cluster; leaving it ends all of its processes."""

    folder: Path
    jars: Path
    managers: int = 2
    slots: int = 2
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rest, self.jobs, self.pool_port = free_port(), free_port(), free_port()
        self.task_managers: list[TaskManager] = []
        self._ends = ExitStack()

    @property
    def master(self) -> str:
        """HOST:PORT of the REST interface."""
        return f"localhost:{self.rest}"

    @property
    def job_endpoint(self) -> str:
        """HOST:PORT of the job server."""
        return f"localhost:{self.jobs}"

    @property
    def environment(self) -> str:
        """Of Beam's jobs."""
        return f"external:localhost:{self.pool_port}"

    @property
    def pids(self) -> list[int]:
        """Its processes; workers are children of the pool."""
        machines = [manager.process for manager in self.task_managers]
        return [process.pid for process in (self.job_manager, *machines, self.job_server, self.pool)]

    def __enter__(self) -> Self:
        """Starts everything."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as ends:
            self._ends = ends
            self._write_configuration()
            self.job_manager = self._start("jobmanager", self._java(_JOB_MANAGER, "512m", "--executionMode", "cluster"))
            self.pool = self.start_pool()
            for number in range(self.managers):
                self.start_task_manager(number)
            self.job_server = self._start("jobserver", self._job_server())
            self.wait_until_ready()
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends everything."""
        self._ends.close()

    def start_pool(self) -> subprocess.Popen[bytes]:
        """Starts the worker pool, also anew after its end."""
        pool = [sys.executable, "-m", "agnews.pipeline.cli.main", "beam", "worker-pool", "--port", str(self.pool_port)]
        code = "import sys; from agnews.pipeline.cli.main import main; sys.argv[0] = 'agnews'; main()"
        return self._start("pool", [pool[0], "-c", code, *pool[3:], "--logs", str(self.folder / "workers")])

    def start_task_manager(self, number: int) -> TaskManager:
        """Starts a TaskManager, also anew after its end."""
        sizes = {
            "taskmanager.cpu.cores": "1.0",
            "taskmanager.memory.task.heap.size": "256m",
            "taskmanager.memory.task.off-heap.size": "0b",
            "taskmanager.memory.framework.heap.size": "128m",
            "taskmanager.memory.framework.off-heap.size": "128m",
            "taskmanager.memory.network.min": "64m",
            "taskmanager.memory.network.max": "64m",
            "taskmanager.memory.managed.size": "128m",
            "taskmanager.memory.jvm-metaspace.size": "256m",
            "taskmanager.memory.jvm-overhead.min": "192m",
            "taskmanager.memory.jvm-overhead.max": "192m",
            "taskmanager.resource-id": f"machine-{number}-{time.monotonic_ns()}",
        }
        dynamic = [word for key, value in sizes.items() for word in ("-D", f"{key}={value}")]
        process = self._start(f"taskmanager-{number}", self._java(_TASK_MANAGER, "768m", *dynamic))
        manager = TaskManager(process, number)
        self.task_managers = [other for other in self.task_managers if other.number != number] + [manager]
        return manager

    def wait_until_ready(self, seconds: float = 300.0) -> None:
        """Waits until all TaskManagers have registered and the job server listens."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.job_manager.poll() is None:
            with suppress(OSError, ValueError):
                with urllib.request.urlopen(f"http://{self.master}/overview", timeout=2) as answer:
                    overview = yaml.safe_load(answer.read())
                if overview["taskmanagers"] >= self.managers:
                    for port in (self.jobs, self.pool_port):
                        socket.create_connection(("localhost", port), timeout=2).close()
                    return
            time.sleep(0.3)
        logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log")))
        raise AssertionError(f"the cluster is not ready within {seconds:.0f} s:\n{logs}")

    def _write_configuration(self) -> None:
        settings = {
            "jobmanager.rpc.address": "localhost",
            "jobmanager.rpc.port": str(free_port()),
            "rest.port": str(self.rest),
            "rest.address": "localhost",
            "rest.bind-address": "localhost",
            "taskmanager.numberOfTaskSlots": str(self.slots),
            "taskmanager.host": "localhost",
            "taskmanager.network.sort-shuffle.min-buffers": "16",
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "5",
            "restart-strategy.fixed-delay.delay": "1 s",
            "heartbeat.interval": "2000",
            "heartbeat.timeout": "10000",
            "classloader.resolve-order": "parent-first",
            "blob.server.port": str(free_port()),
            "blob.storage.directory": str(self.folder / "blobs"),
            "io.tmp.dirs": str(self.folder / "tmp"),
            "jobmanager.memory.heap.size": "512m",
            "cluster.uncaught-exception-handling": "LOG",
            # On a machine that has other work, ten seconds are too few for a process to start.
            "pekko.startup-timeout": "120 s",
            "pekko.ask.timeout": "60 s",
            **self.settings,
        }
        for name in ("conf", "blobs", "tmp", "staged"):
            (self.folder / name).mkdir(exist_ok=True)
        lines = "".join(f"{key}: {value}\n" for key, value in settings.items())
        (self.folder / "conf" / "flink-conf.yaml").write_text(lines, encoding="utf-8")

    def _java(self, main: str, heap: str, *arguments: str) -> list[str]:
        opens = [
            f"--add-opens=java.base/{package}=ALL-UNNAMED"
            for package in ("java.lang", "java.util", "java.net", "java.nio", "sun.nio.ch", "java.lang.invoke")
        ]
        quiet = ["-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dlog.file=none", "-XX:+UseSerialGC"]
        classes = f"{self.jars}/*"
        configuration = ["--configDir", str(self.folder / "conf")] if main != _JOB_SERVER else []
        return ["java", f"-Xmx{heap}", *opens, *quiet, "-cp", classes, main, *configuration, *arguments]

    def _job_server(self) -> list[str]:
        return self._java(
            _JOB_SERVER,
            "512m",
            f"--flink-master={self.master}",
            "--job-host=localhost",
            f"--job-port={self.jobs}",
            "--artifact-port=0",
            "--expansion-port=0",
            f"--artifacts-dir={self.folder / 'staged'}",
        )

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        self._ends.callback(_end, process)
        return process


_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_JOB_SERVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def cluster(folder: Path, managers: int = 2, **settings: str) -> Iterator[Cluster]:
    """Lends a cluster."""
    with Cluster(folder, fetch_jars(JARS), managers, settings=settings) as running:
        yield running


if __name__ == "__main__":
    # Also while it starts: whoever ends this program otherwise leaves its JVMs behind.
    for ended_by in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ended_by, lambda number, frame: sys.exit(128 + number))
    with cluster(Path(sys.argv[1]).absolute(), int(sys.argv[2]) if sys.argv[2:] else 2) as started:
        section = {
            "runner": "flink",
            "flink_master": started.master,
            "job_endpoint": started.job_endpoint,
            "environment": started.environment,
            "parallelism": 2,
        }
        print(f"# processes: {' '.join(map(str, started.pids))}")  # noqa: T201 - what it is for
        print(yaml.safe_dump({"beam": section}), flush=True)  # noqa: T201
        while True:
            signal.pause()
