"""How a run is carried out and who hears of it: nothing here decides what is learnt, so nothing runs again for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

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


class ExecutionConfig(Section):
    """The execution file."""

    notify: NotifyConfig = NotifyConfig()
