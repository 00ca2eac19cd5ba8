"""What can go wrong between us and the server, each with its own message."""

from __future__ import annotations

import re
from enum import StrEnum

from agnews.kubeflow.client.connection import Authentication, Connection
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.json_text import read_json


class Failure(StrEnum):
    """Why a request failed.

    Attributes:
        UNREACHABLE: No connection; the request never arrived.
        CUT: The connection or the server failed after the request was sent; it may have been carried out.
        REFUSED: The server understood the request and refused it.
        ELSEWHERE: What answered does not know this request, and another server would.
    """

    UNREACHABLE = "unreachable"
    CUT = "cut"
    REFUSED = "refused"
    ELSEWHERE = "elsewhere"


class ServerError(AgnewsError):
    """A request that failed.

    Args:
        problem: What is wrong.
        found: What the server said.
        fix: What to do.
        exit_code: What the command line ends with.
        failure: Why it failed.
        status: HTTP status, 0 where there was none.
    """

    def __init__(
        self,
        problem: str,
        *,
        found: object = None,
        fix: str = "",
        exit_code: ExitCode = ExitCode.USAGE,
        failure: Failure = Failure.REFUSED,
        status: int = 0,
    ) -> None:
        super().__init__(problem, found=found, fix=fix, exit_code=exit_code)
        self.failure = failure
        self.status = status

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.failure in (Failure.UNREACHABLE, Failure.CUT)

    @classmethod
    def unreachable(cls, connection: Connection, reason: str) -> ServerError:
        """The server cannot be reached."""
        return cls(
            f"The Kubeflow Pipelines server at {connection.host} cannot be reached.",
            found=reason,
            fix="Check --host. For a port-forward: kubectl -n kubeflow port-forward svc/ml-pipeline 8888:8888",
            exit_code=ExitCode.UNAVAILABLE,
            failure=Failure.UNREACHABLE,
        )

    @classmethod
    def untrusted(cls, connection: Connection, reason: str) -> ServerError:
        """The server's certificate is not trusted."""
        return cls(
            f"The certificate of {connection.host} is not trusted.",
            found=reason,
            fix="Give the certificate authority of the server with --ca-file FILE.",
        )

    @classmethod
    def cut(cls, connection: Connection, doing: str, reason: str) -> ServerError:
        """The connection was lost, or the server was silent for too long."""
        return cls(
            f"The server at {connection.host} did not answer the request to {doing}.",
            found=reason,
            fix="Run the command again: it looks first at what was done already. "
            f"Slow servers need more than AGNEWS_KFP_READ_TIMEOUT={connection.read_timeout:g}.",
            exit_code=ExitCode.UNAVAILABLE,
            failure=Failure.CUT,
        )

    @classmethod
    def answered(cls, connection: Connection, doing: str, status: int, body: str) -> ServerError:
        """The server answered with a status that is no success.

        Args:
            connection: The way to the server.
            doing: What the request was to do, as a verb.
            status: HTTP status.
            body: What the server sent.

        Returns:
            The error that says what the status means here.
        """
        said = _said(body) or f"HTTP status {status}"
        if status == 401 or 300 <= status < 400:
            return cls(
                f"The server at {connection.host} does not know who we are.",
                found=f"{said} (authentication: {connection.kind})",
                fix=_LOG_IN[connection.kind],
                status=401,
            )
        if status == 403:
            where = f" in the namespace {connection.namespace}" if connection.namespace else ""
            return cls(
                f"The server knows who we are and does not allow us to {doing}{where}.",
                found=said,
                fix="Name your own namespace with --namespace, or ask for the role kubeflow-pipelines-edit.",
                status=status,
            )
        if status == 404:
            return cls(
                f"The server was asked to {doing}, and has nothing of that name.",
                found=said,
                fix=_MISSING,
                status=status,
            )
        if status == 500 and (gone := _GONE.search(body)):
            return cls(
                f"The server was asked to {doing}, and what that needs was deleted.",
                found=gone[0],
                fix="agnews submit, or agnews schedule apply PIPELINE.yaml, uploads a version of a pipeline again.",
                status=status,
            )
        if status == 500 and _WRONG.search(body):
            return cls(f"The server refused to {doing}.", found=said, fix="Mend what the server names.", status=status)
        if status == 429 or status >= 500:
            return cls(
                f"The server failed when asked to {doing}.",
                found=said,
                fix="Try again; if it stays so, look at its log: kubectl -n kubeflow logs deploy/ml-pipeline",
                exit_code=ExitCode.UNAVAILABLE,
                failure=Failure.CUT,
                status=status,
            )
        return cls(f"The server refused to {doing}.", found=said, fix="Mend what the server names.", status=status)

    @classmethod
    def no_logs(cls, connection: Connection) -> ServerError:
        """What answers is no API server, and does not hand the request for a log on to one."""
        return cls(
            f"{connection.host} shows no logs: it is a page or a gateway before the API server.",
            fix="Name the API server itself with --host (port 8888 of ml-pipeline), or the object store of the "
            "artifacts with AGNEWS_KFP_ARTIFACTS=s3://mlpipeline/v2/artifacts and the variables of AWS.",
            failure=Failure.ELSEWHERE,
            status=501,
        )

    @classmethod
    def other_version(cls, connection: Connection, found: str) -> ServerError:
        """The server is not one of Kubeflow Pipelines 2."""
        return cls(
            f"The server at {connection.host} does not speak the API v2beta1 of Kubeflow Pipelines 2.",
            found=found,
            fix="Check --host: it must be the API server (port 8888) or the UI before it, of Kubeflow Pipelines 2.",
            status=404,
        )


# A server that misses a version tells it as a fault of its own, which trying again does not mend.
_GONE = re.compile(r"ResourceNotFoundError: \w+ \S+ not found")
# And what it finds wrong or too long on its way to its database likewise.
_WRONG = re.compile(r"Invalid input error|Data too long for column")
_MISSING = "Look at what there is: agnews runs list, agnews schedule list. It may be in another --namespace."

_LOG_IN = {
    Authentication.NONE: "Give a token (--token-file or AGNEWS_KFP_TOKEN), a cookie (--cookie-file), or in a pod "
    "--auth service-account.",
    Authentication.BEARER: "The token is wrong or has expired: get a new one, for example with `kubectl create token`.",
    Authentication.SERVICE_ACCOUNT: "Mount a token for the audience pipelines.kubeflow.org into the pod.",
    Authentication.COOKIE: "The session has expired: log in with a browser and copy the cookie anew.",
}


def _said(body: str) -> str:
    try:
        document = read_json(body)
    except ValueError:
        # An error page of a proxy: its first words are enough to know who sent it.
        text = " ".join(body.split())
        return text[:200]
    if isinstance(document, dict):
        for key in ("message", "error_message", "error"):
            if isinstance(document.get(key), str) and document[key]:
                return str(document[key])[:1000]
    return str(document)[:200]
