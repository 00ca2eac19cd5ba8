"""`agnews beam manifests`: a cluster of Flink on Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def manifests(
    image: Annotated[str, typer.Option(metavar="REF", help="Our image: the one that the steps have.")],
    claim: Annotated[
        str,
        typer.Option(metavar="NAME", help="Persistent volume claim that steps and workers share (ReadWriteMany)."),
    ],
    path: Annotated[str, typer.Option(metavar="PATH", help="Where it is mounted, on both sides.")] = "/mnt/beam",
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the cluster.")] = "agnews-flink",
    machines: Annotated[int, typer.Option("--taskmanagers", min=1, max=1000, metavar="N", help="TaskManagers.")] = 2,
    slots: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Slots of each, and workers.")] = 2,
    worker_cpu: Annotated[str, typer.Option(metavar="N", help="Processors of a TaskManager's workers.")] = "2",
    worker_memory: Annotated[str, typer.Option(metavar="N", help="Memory of a TaskManager's workers.")] = "6Gi",
    flink_version: Annotated[str, typer.Option(metavar="X.Y", help="Version of Flink.")] = "1.19",
    job_server: Annotated[
        str | None,
        typer.Option("--job-server-image", metavar="REF", help="Beam's job server; default: that of the Beam here."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: standard output.")] = None,
) -> None:
    """Write what Kubernetes needs for a cluster of Flink: for kubectl apply.

    It is a FlinkDeployment of the Flink operator (a session cluster, in each TaskManager a worker pool of our image),
    and Beam's job server with its Service. The head of the file has the lines for `settings` of the deployment table.

    [bold]Examples[/bold]

      agnews beam manifests --image registry.example/agnews:1a2b3c4 --claim news --out flink.yaml
      kubectl apply -f flink.yaml
    """
    from agnews.components.storage.atomic_output import write_atomically
    from agnews.kubeflow.flink.build_manifests import FlinkRequest, flink_manifests, table_settings
    from agnews.schemas.yaml_text import write_yaml

    request = FlinkRequest(
        image, claim, path, name, machines, slots, worker_cpu, worker_memory, flink_version, job_server
    )
    head = ["# settings of the deployment table:", *(f"#   - {line}" for line in table_settings(request))]
    head.append(
        f"# and in its rows NewsExampleGen, StatisticsGen and Transform: volumes: [{{path: {path}, claim: {claim}}}]"
    )
    text = "\n".join(head) + "\n" + write_yaml(*flink_manifests(request), sort_keys=False)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_atomically(out, text)
    typer.echo(f"{out}: kubectl apply -f {out}")
