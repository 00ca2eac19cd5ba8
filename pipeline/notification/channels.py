"""The ways a message takes. Each function sends once, and raises where it could not."""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import ssl
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from email.message import EmailMessage
from http import HTTPStatus
from typing import Any

from agnews.components.storage.read_secret import read_secret
from agnews.pipeline.notification.message import Message
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import (
    Channel,
    CommandChannel,
    EmailChannel,
    SecretReference,
    SlackChannel,
    WebhookChannel,
)

SIGNATURE, TIMESTAMP, DELIVERY = "X-Agnews-Signature", "X-Agnews-Timestamp", "X-Agnews-Delivery"
_MINIMUM_OUTPUT = 200


class SendError(Exception):
    """A message was not taken.

    Attributes:
        again: Whether another try may help.
    """

    def __init__(self, problem: str, *, again: bool) -> None:
        super().__init__(problem)
        self.again = again


def send_once(channel: Channel, message: Message, seconds: float) -> None:
    """Sends a message by one channel.

    Args:
        channel: The channel.
        message: What to tell.
        seconds: When to give up.

    Raises:
        SendError: It was not taken; no secret is in the words.
        AgnewsError: A secret is not where the configuration says.
    """
    match channel:
        case WebhookChannel():
            _post(_address(channel.url), message.payload(), seconds, message, channel.secret)
        case SlackChannel():
            _post(_secret(channel.url), {"text": message.text}, seconds, message, None)
        case EmailChannel():
            _mail(channel, message, seconds)
        case CommandChannel():
            _run(channel, message, seconds)


def _address(url: str | SecretReference) -> str:
    return url if isinstance(url, str) else _secret(url)


def _secret(reference: SecretReference) -> str:
    found = read_secret(reference.env or "", file=reference.file)
    if found is None:
        raise AgnewsError(
            "A secret for notifications is not there.",
            found=f"no environment variable {reference.env}",
            fix="Set it where the run starts; in a pod it comes from a Kubernetes secret.",
        )
    return found.get_secret_value()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is signed for one address goes to no other."""

    def redirect_request(self, *_: object) -> None:
        """Follows none."""


def _post(
    url: str, payload: Mapping[str, Any], seconds: float, message: Message, secret: SecretReference | None
) -> None:
    body = json.dumps(payload, ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "agnews",
        # The same for every try, so that who gets it twice can tell.
        DELIVERY: str(uuid.uuid5(uuid.NAMESPACE_URL, f"{message.run_id} {message.event} {message.at.isoformat()}")),
    }
    if secret is not None:
        stamp = str(int(time.time()))
        key = _secret(secret).encode()
        headers |= {
            TIMESTAMP: stamp,
            SIGNATURE: "sha256=" + hmac.new(key, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest(),
        }
    try:
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - checked
        if request.type not in ("http", "https"):
            raise SendError("the address begins with neither https:// nor http://", again=False)
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=seconds) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        busy = error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code == HTTPStatus.TOO_MANY_REQUESTS
        raise SendError(f"the answer was {error.code}", again=busy) from None
    except urllib.error.URLError as error:
        raise SendError(f"it cannot be reached: {error.reason}", again=True) from None
    except ValueError:
        # The words of the error would hold the address.
        raise SendError("the address is none", again=False) from None
    except OSError as error:
        raise SendError(f"it cannot be reached: {error}", again=True) from None


def _mail(channel: EmailChannel, message: Message, seconds: float) -> None:
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.title.split())[:200]
    mail["From"], mail["To"] = channel.sender, ", ".join(channel.to)
    mail["X-Agnews-Event"] = message.event
    mail.set_content(message.text + "\n")
    secure = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(channel.host, channel.port, timeout=seconds, context=secure)
            if channel.security == "tls"
            else smtplib.SMTP(channel.host, channel.port, timeout=seconds)
        ) as server:
            if channel.security == "starttls":
                server.starttls(context=secure)
            if channel.user is not None and channel.password is not None:
                server.login(channel.user, _secret(channel.password))
            server.send_message(mail)
    except smtplib.SMTPResponseException as error:
        answer = f"the answer was {error.smtp_code}"
        raise SendError(answer, again=400 <= error.smtp_code < 500) from None
    except smtplib.SMTPRecipientsRefused:
        raise SendError("every recipient was refused", again=False) from None
    except smtplib.SMTPNotSupportedError as error:
        raise SendError(str(error), again=False) from None
    except (OSError, smtplib.SMTPException) as error:
        raise SendError(f"it cannot be reached: {error}", again=True) from None


def _run(channel: CommandChannel, message: Message, seconds: float) -> None:
    try:
        done = subprocess.run(
            channel.command,
            input=json.dumps(message.payload(), ensure_ascii=False).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SendError(f"it was ended after {seconds:.0f} seconds", again=False) from None
    except OSError as error:
        raise SendError(f"it cannot be started: {error.strerror}", again=False) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-_MINIMUM_OUTPUT:]
        raise SendError(f"it ended with {done.returncode}{f': {said}' if said else ''}", again=True)
