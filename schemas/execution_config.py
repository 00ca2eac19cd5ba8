"""How a run is carried out and who hears of it: nothing here decides what is learnt, so nothing runs again for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from agnews.schemas.hide_credentials import hide_credentials
from agnews.schemas.learning_config import Section

Event = Literal["failed", "held_back", "pushed", "nothing_new", "drift"]


class SecretReference(Section):
    """Where a secret is: in a variable of the environment or in a file, and never in the configuration itself."""

    env: str | None = None
    """Name of the variable."""
    file: Path | None = None
    """A file with nothing else in it."""

    @model_validator(mode="after")
    def _is_one(self) -> SecretReference:
        if (self.env is None) == (self.file is None):
            raise ValueError("give either env, the name of a variable, or file, a path")
        return self


def _without_credentials(address: str) -> str:
    if not address.startswith(("http://", "https://")):
        raise ValueError("an address begins with https:// or http://")
    if "@" in address.split("://", 1)[1].split("/", 1)[0]:
        raise ValueError("the address holds credentials; give {env: NAME} or {file: PATH} in its place")
    return address


class WebhookChannel(Section):
    """A POST of JSON."""

    kind: Literal["webhook"]
    url: str | SecretReference
    """Where to; a reference where the address itself is secret."""
    secret: SecretReference | None = None
    """Signs the body: `X-Agnews-Signature` is `sha256=` and the HMAC of `X-Agnews-Timestamp`, a full stop and the
    body."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str | SecretReference) -> str | SecretReference:
        return _without_credentials(url) if isinstance(url, str) else url


class SlackChannel(Section):
    """An incoming webhook of Slack, or of what understands the same form (Mattermost, Rocket.Chat)."""

    kind: Literal["slack"]
    url: SecretReference
    """Whoever knows the address may write to the channel, so it is a secret."""


class EmailChannel(Section):
    """An e-mail by SMTP."""

    kind: Literal["email"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` sends in the clear, and no password."""
    sender: str
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    user: str | None = None
    password: SecretReference | None = None

    @model_validator(mode="after")
    def _keeps_the_password(self) -> EmailChannel:
        if self.password is not None and self.security == "none":
            raise ValueError("a password is not sent in the clear: security must be starttls or tls")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        for address in (self.sender, *self.to):
            if "@" not in address or not address.isprintable() or " " in address:
                raise ValueError(f"no address for e-mail: {address[:60]!r}")
        return self


class CommandChannel(Section):
    """A program that gets the JSON on standard input."""

    kind: Literal["command"]
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """The program and its arguments; no shell reads them."""


Channel = Annotated[
    WebhookChannel | SlackChannel | EmailChannel | CommandChannel,
    Field(discriminator="kind"),
]


class NotifyConfig(Section):
    """Who hears of what became of a run."""

    on: tuple[Event, ...] = ("failed", "held_back", "pushed", "drift")
    """Of what: `failed`, `held_back` (the model was not good enough), `pushed`, `nothing_new`, `drift`."""
    channels: tuple[Channel, ...] = ()
    """By which ways; each is tried by itself."""
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    """Tries after the first, where the other side cannot be reached or is busy."""
    timeout_seconds: Annotated[float, Field(gt=0.0, le=300.0)] = 10.0
    """Of one try."""
    deadline_seconds: Annotated[float, Field(gt=0.0, le=600.0)] = 60.0
    """Of one channel with all its tries: a run waits no longer than that."""


BeamRunner = Literal["local", "auto", "multiprocess", "prism", "flink", "spark", "dataflow", "portable"]

_SAID_BY: Mapping[str, str] = {
    "runner": "runner",
    "parallelism": "parallelism",
    "flink_master": "flink_master",
    "job_endpoint": "job_endpoint",
    "environment_type": "environment",
    "environment_config": "environment",
    "sdk_container_image": "environment",
    "temp_location": "temp_location",
}
"""Options of Beam that keys of the section stand for."""


_SECRET = re.compile(r"(?i)secret|token|passw|credential|access_?key|api_?key")


class BeamConfig(Section):
    """What runs the steps over many rows."""

    runner: BeamRunner = "local"
    """`local` is this process; `multiprocess` several on this machine; `prism`, `flink`, `spark`, `dataflow` and
    `portable`, any job server, are engines. `auto` takes this process until the rows are so many that another pays."""
    flink_master: str | None = None
    """Address of Flink's JobManager, HOST:PORT of its REST interface."""
    job_endpoint: str | None = None
    """Address of Beam's job server, HOST:PORT."""
    parallelism: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Workers; default: one a processor for `multiprocess`, what the engine says for others."""
    environment: str | None = None
    """Where an engine finds Python: `external:HOST:PORT`, the worker pool beside each of its machines (default:
    `external:localhost:50000`); `loopback`, this machine; `docker:IMAGE`; `process:PROGRAM`, Beam's boot program."""
    temp_location: str | None = None
    """Folder or URI for what the engine stores between steps."""
    options: tuple[str, ...] = ()
    """Further options, passed on: `--name=value` each."""
    timeout_minutes: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """A job that takes longer is cancelled; null waits as long as it moves."""

    @field_validator("job_endpoint", "flink_master")
    @classmethod
    def _is_a_place(cls, place: str | None) -> str | None:
        if place is not None:
            host, _, port = place.rpartition(":")
            if not host or "/" in place or "@" in place or not port.isdecimal() or not 0 < int(port) < 65_536:
                raise ValueError("an address is HOST:PORT, without http://")
        return place

    @field_validator("temp_location")
    @classmethod
    def _holds_no_credentials(cls, place: str | None) -> str | None:
        if place is not None and hide_credentials(place) != place:
            raise ValueError("the address holds credentials; stores take them from the environment")
        return place

    @field_validator("environment")
    @classmethod
    def _is_an_environment(cls, environment: str | None) -> str | None:
        if environment is not None:
            kind, _, rest = environment.partition(":")
            if kind == "external":
                cls._is_a_place(rest)
            elif not (environment == "loopback" or (kind in ("docker", "process") and rest)):
                raise ValueError("give external:HOST:PORT, loopback, docker:IMAGE or process:PROGRAM")
        return environment

    @field_validator("options")
    @classmethod
    def _contradict_nothing(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if not option.startswith("--") or len(option) == 2:
                raise ValueError(f"{option!r} is no option: --name=value")
            name = option[2:].partition("=")[0]
            if _SECRET.search(name):
                raise ValueError(f"--{name} holds a secret, which others could read here; put it into the environment")
            if "multi_threading" in option or "data_buffer_time_limit_ms" in option:
                raise ValueError(f"with {option} Beam loses rows: it sends buffers while they are written")
            if name in _SAID_BY:
                raise ValueError(f"{option} is said by the key {_SAID_BY[name]}")
        return options

    @model_validator(mode="after")
    def _is_reachable(self) -> BeamConfig:
        if self.runner == "multiprocess":
            for name, key in (("direct_running_mode", "runner"), ("direct_num_workers", "parallelism")):
                if any(option.partition("=")[0] == f"--{name}" for option in self.options):
                    raise ValueError(f"--{name} is said by the key {key}")
        if self.runner in ("spark", "portable") and self.job_endpoint is None:
            raise ValueError(f"runner {self.runner} needs job_endpoint, the address of a job server")
        if self.runner == "flink" and self.job_endpoint is None and self.flink_master is None:
            raise ValueError("runner flink needs job_endpoint, the address of a job server, or flink_master")
        if self.runner == "dataflow" and self.temp_location is None:
            raise ValueError("runner dataflow needs temp_location, gs://BUCKET/FOLDER")
        return self


class ExecutionConfig(Section):
    """The execution file."""

    beam: BeamConfig = BeamConfig()
    notify: NotifyConfig = NotifyConfig()
