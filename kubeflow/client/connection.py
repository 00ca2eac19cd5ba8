"""Where the API server is, and how to prove to it who we are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from agnews.components.storage.read_secret import read_secret
from agnews.schemas.errors import AgnewsError
from agnews.schemas.hide_credentials import hide_credentials

PREFIX = "AGNEWS_KFP_"


class Authentication(StrEnum):
    """How a request proves who sends it.

    Attributes:
        NONE: Not at all, as through `kubectl port-forward`.
        BEARER: A token, from a file or from AGNEWS_KFP_TOKEN.
        SERVICE_ACCOUNT: The token that Kubernetes projects into a pod, read anew for every request since it rotates.
        COOKIE: The session cookie of a browser login, from a file or from AGNEWS_KFP_COOKIE.
    """

    NONE = "none"
    BEARER = "bearer"
    SERVICE_ACCOUNT = "service-account"
    COOKIE = "cookie"


def _checked_host(host: str) -> str:
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with http:// or https://")
    if hide_credentials(host) != host:
        raise ValueError("must not hold a user name or a password")
    return host.rstrip("/")


class Connection(BaseModel):
    """Everything that is known about the way to the server. Holds no secret that a repr would show.

    Attributes:
        host: Address of the API server or of the UI before it, with http:// or https://.
        ui_host: Address for links that people open; empty: the host.
        namespace: Namespace of the user; not needed, and left out, where the server has a single one.
        artifacts: Where the server keeps the artifacts of runs, as `s3://mlpipeline/v2/artifacts`: logs are read there
            where the host hands no request for one on. Empty: nowhere else.
        authentication: How to prove who we are; None: what the other settings say.
        token_file: File with a bearer token.
        token: The token itself, from the environment only.
        cookie_file: File with the cookie, as `name=value`.
        cookie: The cookie itself, from the environment only.
        service_account_file: File that Kubernetes keeps up to date.
        ca_file: Certificate authority of the server, in PEM; None: those that certifi ships.
        connect_timeout: Seconds until a connection must stand.
        read_timeout: Seconds that the server may be silent.
        attempts: How often a request is sent at most, if it fails for a reason that may pass.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Annotated[str, AfterValidator(_checked_host)] = "http://localhost:8888"
    ui_host: str = ""
    namespace: str = ""
    artifacts: str = ""
    authentication: Authentication | None = None
    token_file: Path | None = None
    token: SecretStr | None = None
    cookie_file: Path | None = None
    cookie: SecretStr | None = None
    service_account_file: Path = Path("/var/run/secrets/kubeflow/pipelines/token")
    ca_file: Path | None = None
    connect_timeout: float = Field(default=10.0, gt=0)
    read_timeout: float = Field(default=60.0, gt=0)
    attempts: int = Field(default=5, ge=1)

    @classmethod
    def read(cls, given: Mapping[str, object], environment: Mapping[str, str] = os.environ) -> Connection:
        """Puts together what was given (flags) and what the environment says; what was given wins.

        Args:
            given: Settings by the names of the attributes; None stands for "not given".
            environment: Environment variables; AGNEWS_KFP_HOST sets `host`, and so on.

        Returns:
            The connection.

        Raises:
            AgnewsError: If a setting is wrong, two ways to prove who we are were given, or a file is missing.
        """
        settings: dict[str, object] = {
            key: environment[PREFIX + key.upper()] for key in cls.model_fields if environment.get(PREFIX + key.upper())
        }
        settings |= {key: value for key, value in given.items() if value is not None}
        try:
            connection = cls.model_validate(settings)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = str(first["loc"][0])
            secret = name in ("token", "cookie")
            raise AgnewsError(
                f"The connection's setting `{name}` is wrong: {first['msg'].removeprefix('Value error, ')}.",
                found=None if secret else hide_credentials(str(settings.get(name))),
                fix=f"Correct --{name.replace('_', '-')} or the environment variable {PREFIX}{name.upper()}.",
            ) from None
        connection._check()
        return connection

    @property
    def kind(self) -> Authentication:
        """How requests prove who sends them, said or inferred."""
        if self.authentication is not None:
            return self.authentication
        if self.token_file or self.token:
            return Authentication.BEARER
        if self.cookie_file or self.cookie:
            return Authentication.COOKIE
        return Authentication.NONE

    @property
    def ui(self) -> str:
        """Address for links."""
        return (self.ui_host or self.host).rstrip("/")

    def headers(self) -> dict[str, str]:
        """Reads the credential anew, since files of tokens rotate.

        Returns:
            The headers that prove who we are. Do not log them.

        Raises:
            AgnewsError: If the credential's file cannot be read or is empty.
        """
        match self.kind:
            case Authentication.BEARER:
                return {"authorization": f"Bearer {_secret(self.token_file, self.token, 'TOKEN')}"}
            case Authentication.SERVICE_ACCOUNT:
                return {"authorization": f"Bearer {_secret(self.service_account_file, None, 'TOKEN')}"}
            case Authentication.COOKIE:
                return {"cookie": _secret(self.cookie_file, self.cookie, "COOKIE", words=True)}
            case Authentication.NONE:
                return {}

    def _check(self) -> None:
        bearer, cookie = self.token_file or self.token, self.cookie_file or self.cookie
        if self.authentication is None and bearer and cookie:
            raise AgnewsError(
                "Both a token and a cookie were given, and one of them has to be chosen.",
                fix="Say which with --auth bearer or --auth cookie.",
            )
        wanted = {Authentication.BEARER: bearer, Authentication.COOKIE: cookie}
        if not wanted.get(self.kind, True):
            name = "token" if self.kind is Authentication.BEARER else "cookie"
            raise AgnewsError(
                f"The {name} for --auth {self.kind} is missing.",
                fix=f"Give --{name}-file FILE, or set {PREFIX}{name.upper()}.",
            )
        if self.ca_file is not None and not self.ca_file.is_file():
            raise AgnewsError(
                "The file with the certificate authority does not exist.",
                found=self.ca_file,
                fix="Correct --ca-file; `kubectl config view --raw` shows the authority of a cluster.",
            )
        parts = urlsplit(self.host)
        if self.kind is not Authentication.NONE and parts.scheme == "http" and not _private(parts.hostname or ""):
            raise AgnewsError(
                "A credential would cross the network unencrypted.",
                found=self.host,
                fix="Use https://, or a port-forward to localhost.",
            )


def _private(hostname: str) -> bool:
    return hostname in ("localhost", "127.0.0.1", "::1") or hostname.endswith((".svc", ".svc.cluster.local"))


def _secret(file: Path | None, value: SecretStr | None, name: str, *, words: bool = False) -> str:
    variable = f"{PREFIX}{name}"
    given = {variable: value.get_secret_value() if value else ""}
    found = read_secret(variable, file=file, environment=given, words=words)
    if found is None:
        raise AgnewsError("The credential from the environment is empty.", fix=f"Set {variable} anew.")
    return found.get_secret_value()
