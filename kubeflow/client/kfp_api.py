"""The only module that knows Kubeflow Pipelines' own client."""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import kfp_server_api as kfp
import urllib3
from kfp_server_api.exceptions import ApiException

from agnews.kubeflow.client.connection import Connection
from agnews.kubeflow.client.retry import Retry
from agnews.kubeflow.client.run_record import RecurringRunRecord, RowRecord, RunRecord, VersionRecord
from agnews.kubeflow.client.server_error import ServerError

Result = TypeVar("Result")
_NEWEST_FIRST = "created_at desc"
_ALL = 100_000
_LOOK = 64
_NONSENSE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)


class KfpApi:
    """Speaks to an API server of Kubeflow Pipelines 2, in our own words.

    It uses the generated client, `kfp_server_api`, and not `kfp.Client`, which reads and writes files in the home
    folder, waits for ever for a cancelled run, and prints.

    Every method sends requests again that may be sent twice; those that create something look first whether they did.
    All of them raise `ServerError`.

    Args:
        connection: The way to the server.
        retry: How often, and after how long; None: as the connection says.
    """

    def __init__(self, connection: Connection, retry: Retry | None = None) -> None:
        self.connection = connection
        self._retry = retry or Retry(connection.attempts)
        settings = kfp.Configuration(host=connection.host)
        settings.ssl_ca_cert = str(connection.ca_file) if connection.ca_file else None
        # urllib3 would repeat requests on its own, creations among them.
        settings.retries = False
        self._client = _Client(settings)
        # At level debug the generated client logs whole answers.
        logging.getLogger("kfp_server_api").setLevel(logging.INFO)
        self._experiments = kfp.ExperimentServiceApi(self._client)
        self._pipelines = kfp.PipelineServiceApi(self._client)
        self._uploads = kfp.PipelineUploadServiceApi(self._client)
        self._runs = kfp.RunServiceApi(self._client)
        self._recurring = kfp.RecurringRunServiceApi(self._client)
        self.multi_user = False
        self.server_version = ""

    @classmethod
    def connect(cls, connection: Connection, retry: Retry | None = None) -> KfpApi:
        """Makes sure that there is a server of the right version at the other end.

        Args:
            connection: The way to the server.
            retry: How often, and after how long.

        Returns:
            The API.

        Raises:
            ServerError: If there is no server, it is another one, or it wants a namespace and got none.
        """
        api = cls(connection, retry)
        try:
            health = api._repeat("tell its version", api._client.call_api, "/apis/v2beta1/healthz", "GET", **_ANY)
        except ServerError as error:
            if error.status == 404:
                raise ServerError.other_version(connection, f"no /apis/v2beta1/healthz ({error.found})") from error
            raise
        if not isinstance(health, dict) or "multi_user" not in health:
            raise ServerError.other_version(connection, f"an answer of another kind: {str(health)[:100]!r}")
        api.multi_user = bool(health["multi_user"])
        api.server_version = str(health.get("tag_name") or "")
        major = api.server_version.lstrip("v").partition(".")[0]
        if major.isdigit() and int(major) != 2:
            raise ServerError.other_version(connection, f"version {api.server_version}")
        if api.multi_user and not connection.namespace:
            raise ServerError(
                "The server has several users, each with a namespace, and none was named.",
                fix="Give --namespace, or set AGNEWS_KFP_NAMESPACE.",
            )
        return api

    @property
    def _namespace(self) -> dict[str, str]:
        # A server for one user has everything in the namespace '', and refuses a schedule that names another one.
        known = self.multi_user and self.connection.namespace
        return {"namespace": self.connection.namespace} if known else {}

    @property
    def keeps_runs(self) -> bool:
        """Whether a run goes on when the recurring run that started it is deleted: from 2.16 on."""
        version = re.match(r"v?2\.(\d+)", self.server_version)
        return version is None or int(version[1]) >= 16

    # Pipelines and versions

    def find_pipeline(self, name: str) -> str | None:
        """Returns the server's identifier of the pipeline of this name, None if there is none."""
        for pipeline in self._pages(
            "list pipelines",
            self._pipelines.pipeline_service_list_pipelines,
            "pipelines",
            _ALL,
            filter=_equals("display_name", name),
            **self._namespace,
        ):
            if pipeline.display_name == name:
                return str(pipeline.pipeline_id)
        return None

    def create_pipeline(self, name: str, description: str) -> str:
        """Creates a pipeline that has no version yet, and returns the server's identifier of it."""
        body = kfp.V2beta1Pipeline(name=name, display_name=name, description=description, **self._namespace)

        def create() -> str:
            made = self._once("create the pipeline", self._pipelines.pipeline_service_create_pipeline, body)
            return str(made.pipeline_id)

        return self._retry.create(create, lambda: self.find_pipeline(name))

    def find_version(self, pipeline_id: str, name: str) -> VersionRecord | None:
        """Returns the version of this name, None if there is none."""
        for version in self._pages(
            "list versions",
            self._pipelines.pipeline_service_list_pipeline_versions,
            "pipeline_versions",
            _ALL,
            pipeline_id,
            filter=_equals("display_name", name),
        ):
            if version.display_name == name:
                return self._read(_version, version)
        return None

    def get_version(self, pipeline_id: str, version_id: str) -> VersionRecord:
        """Returns a version with its spec."""
        get = self._pipelines.pipeline_service_get_pipeline_version
        return self._read(_version, self._repeat("show the version", get, pipeline_id, version_id))

    def upload_version(
        self, pipeline_id: str, name: str, text: str, description: str, tags: Mapping[str, str] | None = None
    ) -> VersionRecord:
        """Uploads a version, or returns the one of this name if there is one by now.

        Args:
            pipeline_id: The pipeline.
            name: Name of the version.
            text: The compiled pipeline, YAML.
            description: What people read about it.
            tags: Labels by which the UI and filters find it, each up to 63 characters; servers before 2.17 leave them
                out.

        Returns:
            The version.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pipeline.yaml"
            file.write_text(text, encoding="utf-8")

            def upload() -> VersionRecord:
                return self._read(
                    _version,
                    self._once(
                        "upload the version",
                        self._uploads.upload_pipeline_version,
                        str(file),
                        name=name,
                        pipelineid=pipeline_id,
                        description=description,
                        **({"tags": json.dumps(tags)} if tags else {}),
                    ),
                )

            return self._retry.create(upload, lambda: self.find_version(pipeline_id, name))

    # Experiments

    def find_experiment(self, name: str) -> str | None:
        """Returns the server's identifier of the experiment of this name, None if there is none."""
        for experiment in self._pages(
            "list experiments",
            self._experiments.experiment_service_list_experiments,
            "experiments",
            _ALL,
            filter=_equals("display_name", name),
            **self._namespace,
        ):
            if experiment.display_name == name:
                return str(experiment.experiment_id)
        return None

    def create_experiment(self, name: str) -> str:
        """Creates an experiment, and returns the server's identifier of it."""
        body = kfp.V2beta1Experiment(display_name=name, **self._namespace)

        def create() -> str:
            made = self._once("create the experiment", self._experiments.experiment_service_create_experiment, body)
            return str(made.experiment_id)

        return self._retry.create(create, lambda: self.find_experiment(name))

    # Runs

    def create_run(self, run: RunRecord, mark: str, mlflow_experiment: str = "") -> RunRecord:
        """Starts a run.

        Args:
            run: What to start: name, experiment, pipeline, version, parameters, description, service account.
            mark: Text that no other run has in its description: by it the run is found again after a cut.
            mlflow_experiment: Experiment of MLflow in which the server's plug-in enters it; empty: as the server does.

        Returns:
            The run as the server knows it.
        """
        body = kfp.V2beta1Run(
            display_name=run.name,
            description=f"{run.description}\n{mark}".strip(),
            experiment_id=run.experiment_id,
            pipeline_version_reference=kfp.V2beta1PipelineVersionReference(
                pipeline_id=run.pipeline_id, pipeline_version_id=run.version_id
            ),
            runtime_config=kfp.V2beta1RuntimeConfig(parameters=run.parameters),
            service_account=run.service_account or None,
            plugins_input={"mlflow": {"experiment_name": mlflow_experiment}} if mlflow_experiment else None,
        )

        def find() -> RunRecord | None:
            newest = self.list_runs(limit=50, experiment_id=run.experiment_id)
            return next((found for found in newest if mark in found.description), None)

        def create() -> RunRecord:
            try:
                return self._read(_run, self._once("start the run", self._runs.run_service_create_run, body))
            except ServerError as error:
                if mlflow_experiment and error.status == 400 and "plugins_input" in str(error.found):
                    raise ServerError(
                        "This server has no plug-in for MLflow: 2.17 is the first that has one.",
                        found=error.found,
                        fix="Leave --mlflow-experiment out, or upgrade the server.",
                        status=error.status,
                    ) from error
                raise

        return self._retry.create(create, find)

    def list_runs(self, *, limit: int, experiment_id: str = "", recurring_run_id: str = "") -> list[RunRecord]:
        """Returns runs, newest first.

        Args:
            limit: How many at most.
            experiment_id: Of this experiment only.
            recurring_run_id: Of this recurring run only.
        """
        options: dict[str, object] = {"sort_by": _NEWEST_FIRST, **self._namespace}
        if experiment_id:
            options["experiment_id"] = experiment_id
        if recurring_run_id:
            options["filter"] = _equals("recurring_run_id", recurring_run_id)
        pages = self._pages("list runs", self._runs.run_service_list_runs, "runs", limit, **options)
        return [self._read(_run, run) for run in pages]

    def get_run(self, run_id: str) -> RunRecord:
        """Returns a run with its rows."""
        return self._read(_run, self._repeat("show the run", self._runs.run_service_get_run, run_id))

    def retry_run(self, run_id: str) -> None:
        """Lets a run that failed or was stopped go on: failed steps, and what follows them, run again."""
        retry = self._runs.run_service_retry_run

        def going_on() -> bool | None:
            # Refused a second time, since the first request was carried out and only its answer was lost.
            return None if self.get_run(run_id).finished else True

        def request() -> bool:
            self._once("run the failed steps again", retry, run_id)
            return True

        self._retry.create(request, going_on)

    def stop_run(self, run_id: str) -> None:
        """Asks the server to stop a run. The run ends a little later."""
        self._repeat("stop the run", self._runs.run_service_terminate_run, run_id)

    def read_log(self, run_id: str, pod: str) -> Iterator[bytes]:
        """Reads the log of a pod of a run, as long as the pod or its archived log exists.

        Args:
            run_id: The run.
            pod: Name of the pod.

        Returns:
            Pieces of the log.
        """
        # The only way to a log that the API server has; it is in no OpenAPI document. What it says of a pod that is
        # gone does not pass, so that trying again is of no use.
        answer = self._once(
            "show the log",
            self._client.call_api,
            "/apis/v1alpha1/runs/{run_id}/nodes/{node_id}/log",
            "GET",
            path_params={"run_id": run_id, "node_id": pod},
            _preload_content=False,
        )
        try:
            pieces = answer.stream(65536)
            first = b""
            while len(first) < _LOOK and (piece := next(pieces, b"")):
                first += piece
            self._require_log(first)
            yield first
            yield from pieces
        except urllib3.exceptions.HTTPError as error:
            raise ServerError.cut(self.connection, "show the log", str(error)) from error
        finally:
            answer.release_conn()

    def _require_log(self, first: bytes) -> None:
        """Errors come with status 200; a gateway or the UI answers with a page of its own."""
        start = first.lstrip()[:15].lower()
        if start.startswith((b"<!doctype", b"<html")):
            raise ServerError.no_logs(self.connection)
        if first.startswith(b'{"error_message"'):
            said = first.decode("utf-8", "replace")
            raise ServerError.answered(self.connection, "show the log", 404, said)

    # Recurring runs

    def list_recurring_runs(self) -> list[RecurringRunRecord]:
        """Returns all recurring runs of the namespace, oldest first."""
        pages = self._pages(
            "list schedules",
            self._recurring.recurring_run_service_list_recurring_runs,
            "recurring_runs",
            _ALL,
            sort_by="created_at",
            **self._namespace,
        )
        return [self._read(_recurring_run, run) for run in pages]

    def has_recurring_run(self, recurring_run_id: str) -> bool:
        """Whether the server has this recurring run."""
        try:
            self._repeat("show the schedule", self._recurring.recurring_run_service_get_recurring_run, recurring_run_id)
        except ServerError as error:
            if error.status != 404:
                raise
            return False
        return True

    def create_recurring_run(
        self, wanted: RecurringRunRecord, find: Callable[[], RecurringRunRecord | None]
    ) -> RecurringRunRecord:
        """Creates a recurring run.

        Args:
            wanted: What to create.
            find: Finds it again after a cut.

        Returns:
            It, as the server knows it.
        """
        window = {"start_time": wanted.start, "end_time": wanted.end}
        trigger = (
            kfp.V2beta1Trigger(cron_schedule=kfp.V2beta1CronSchedule(cron=wanted.cron, **window))
            if wanted.cron
            else kfp.V2beta1Trigger(
                periodic_schedule=kfp.V2beta1PeriodicSchedule(interval_second=str(wanted.interval_seconds), **window)
            )
        )
        body = kfp.V2beta1RecurringRun(
            display_name=wanted.name,
            description=wanted.description,
            experiment_id=wanted.experiment_id,
            pipeline_version_reference=kfp.V2beta1PipelineVersionReference(
                pipeline_id=wanted.pipeline_id, pipeline_version_id=wanted.version_id
            ),
            runtime_config=kfp.V2beta1RuntimeConfig(parameters=wanted.parameters),
            max_concurrency=str(wanted.max_concurrency),
            trigger=trigger,
            mode=kfp.RecurringRunMode.ENABLE if wanted.enabled else kfp.RecurringRunMode.DISABLE,
            no_catchup=not wanted.catch_up,
            service_account=wanted.service_account or None,
            **self._namespace,
        )
        create = self._recurring.recurring_run_service_create_recurring_run
        return self._retry.create(
            lambda: self._read(_recurring_run, self._once("create the schedule", create, body)), find
        )

    def set_enabled(self, recurring_run_id: str, enabled: bool) -> None:
        """Enables or disables a recurring run. Runs that it has started go on."""
        if enabled:
            self._repeat(
                "resume the schedule", self._recurring.recurring_run_service_enable_recurring_run, recurring_run_id
            )
        else:
            self._repeat(
                "pause the schedule", self._recurring.recurring_run_service_disable_recurring_run, recurring_run_id
            )

    def delete_recurring_run(self, recurring_run_id: str) -> None:
        """Deletes a recurring run. It is no error if it is gone already.

        Its runs stay, also one that goes on; servers before 2.16 end that one (see `keeps_runs`).
        """
        delete = self._recurring.recurring_run_service_delete_recurring_run
        policy = {"propagation_policy": "ORPHAN"} if self.keeps_runs else {}
        try:
            self._repeat("delete the schedule", delete, recurring_run_id, **policy)
        except ServerError as error:
            if error.status != 404:
                raise

    # The way to the server

    def _pages(
        self, doing: str, method: Callable[..., Any], items: str, limit: int, *arguments: str, **options: object
    ) -> Iterator[Any]:
        token, seen = "", set[str]()
        while token not in seen:
            seen.add(token)
            page = self._repeat(
                doing,
                method,
                *arguments,
                page_size=min(limit, 100),
                **({"page_token": token} if token else {}),
                **options,
            )
            found: Sequence[Any] = self._read(lambda page: getattr(page, items) or (), page)
            yield from found[:limit]
            limit -= len(found)
            token = page.next_page_token or ""
            if not token or limit <= 0:
                return
        raise ServerError.other_version(self.connection, f"the same page of a list twice (when asked to {doing})")

    def _read(self, convert: Callable[[Any], Result], value: Any) -> Result:
        """Makes a record of what the generated client has read, which checks few of the types that it promises."""
        try:
            return convert(value)
        except _NONSENSE as error:
            raise ServerError.other_version(self.connection, f"an answer of another form: {error!r}"[:300]) from error

    def _repeat(self, doing: str, method: Callable[..., Any], *arguments: object, **options: object) -> Any:
        return self._retry.repeat(lambda: self._once(doing, method, *arguments, **options))

    def _once(self, doing: str, method: Callable[..., Any], *arguments: object, **options: object) -> Any:
        way = self.connection
        self._client.default_headers.update(way.headers())
        try:
            return method(*arguments, **options, _request_timeout=(way.connect_timeout, way.read_timeout))
        except ApiException as error:
            if str(error.reason).startswith("Failed to parse"):
                raise ServerError.other_version(way, f"{error.reason} (when asked to {doing})"[:300]) from error
            if not error.status:
                raise ServerError.untrusted(way, str(error.reason).replace("\n", ": ")) from error
            raise ServerError.answered(way, doing, error.status, error.body or "") from error
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise ServerError.unreachable(way, _reason(error)) from error
        except urllib3.exceptions.HTTPError as error:
            raise ServerError.cut(way, doing, _reason(error)) from error
        except _NONSENSE as error:
            # What the generated client trips over: other JSON, types and dates than are promised.
            found = f"an answer of another form when asked to {doing}: {error!r}"[:300]
            raise ServerError.other_version(way, found) from error


class _Client(kfp.ApiClient):
    """Hands on errors that the generated client trips over: without a body (TLS), or with one that is no UTF-8."""

    def request(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().request(*arguments, **options)
        except ApiException as error:
            error.body = (error.body or b"").decode("utf-8", "replace").encode()
            raise


_ANY: dict[str, object] = {"response_type": "object", "_return_http_data_only": True}


def _reason(error: Exception) -> str:
    # urllib3 puts the object's address before the reason.
    return str(error).rpartition("object at 0x")[2].partition(": ")[2] or str(error) or type(error).__name__


def _equals(key: str, value: str) -> str:
    text = json.dumps({"predicates": [{"operation": "EQUALS", "key": key, "string_value": value}]})
    # Servers decode a filter once more than the address that it stands in: of `a+b` they would make `a b`.
    return text.replace("%", "%25").replace("+", "%2B")


def _time(value: datetime | None) -> datetime | None:
    # The server writes the start of the era where it means "not yet".
    return value.astimezone(UTC) if value is not None and value.year > 1970 else None


def _version(version: Any) -> VersionRecord:
    return VersionRecord(
        pipeline_id=version.pipeline_id,
        version_id=version.pipeline_version_id,
        name=version.display_name or "",
        created_at=_time(version.created_at),
        description=version.description or "",
        spec=version.pipeline_spec,
    )


def _run(run: Any) -> RunRecord:
    if not isinstance(run.run_id, str):
        raise ValueError("a run without an identifier")
    reference, config = run.pipeline_version_reference, run.runtime_config
    details = run.run_details.task_details if run.run_details else None
    return RunRecord(
        run_id=run.run_id,
        name=run.display_name or "",
        state=run.state or "",
        created_at=_time(run.created_at),
        finished_at=_time(run.finished_at),
        experiment_id=run.experiment_id or "",
        pipeline_id=(reference.pipeline_id if reference else None) or "",
        version_id=(reference.pipeline_version_id if reference else None) or run.pipeline_version_id or "",
        recurring_run_id=run.recurring_run_id or "",
        error=(run.error.message if run.error else None) or "",
        description=run.description or "",
        parameters=dict((config.parameters if config else None) or {}),
        service_account=run.service_account or "",
        mlflow=_mlflow(run.plugins_output),
        history=tuple(entry.state or "" for entry in run.state_history or ()),
        rows=tuple(_row(task) for task in details or ()),
    )


def _row(task: Any) -> RowRecord:
    return RowRecord(
        name=task.display_name or "",
        state=task.state or "",
        started_at=_time(task.start_time),
        ended_at=_time(task.end_time),
        children=tuple(child.pod_name for child in task.child_tasks or () if child.pod_name),
    )


def _mlflow(outputs: Any) -> str:
    plugin = (outputs or {}).get("mlflow")
    if plugin is None:
        return ""
    return f"{plugin.state or ''} {plugin.state_message or ''}".strip()


def _recurring_run(run: Any) -> RecurringRunRecord:
    trigger, reference, config = run.trigger, run.pipeline_version_reference, run.runtime_config
    cron = trigger.cron_schedule if trigger else None
    period = trigger.periodic_schedule if trigger else None
    window = cron or period
    return RecurringRunRecord(
        name=run.display_name or "",
        pipeline_id=(reference.pipeline_id if reference else None) or "",
        version_id=(reference.pipeline_version_id if reference else None) or run.pipeline_version_id or "",
        experiment_id=run.experiment_id or "",
        cron=(cron.cron if cron else None) or "",
        interval_seconds=int((period.interval_second if period else None) or 0),
        start=_time(window.start_time) if window else None,
        end=_time(window.end_time) if window else None,
        parameters=dict((config.parameters if config else None) or {}),
        max_concurrency=int(run.max_concurrency or 1),
        catch_up=not run.no_catchup,
        enabled=run.status == "ENABLED",
        description=run.description or "",
        service_account=run.service_account or "",
        recurring_run_id=run.recurring_run_id or "",
        created_at=_time(run.created_at),
    )
