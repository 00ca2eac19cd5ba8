"""The routes of labels that come back, and of the page to give them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agnews.components.feedback.choose_texts import LoggedText, QueuedText, choose_texts
from agnews.components.feedback.label_store import keep_labels
from agnews.components.feedback.random_share import TRAINING_ROW
from agnews.components.model_server.api_description import FEEDBACK, QUEUE
from agnews.components.model_server.json_response import HttpError, json_response
from agnews.components.model_server.predict_endpoint import read_body
from agnews.components.model_server.predict_request import check_length
from agnews.components.model_server.serving_state import HeldBytes, ServingState
from agnews.components.request_log.places import Places
from agnews.schemas.errors import AgnewsError
from agnews.schemas.feedback import GivenLabel, Source
from agnews.schemas.first_problem import first_problem
from agnews.schemas.kept_text import KeptText
from agnews.schemas.linear_check import DoubtfulLabel

if TYPE_CHECKING:
    from agnews.components.feedback.find_disagreements import SecondOpinion

Name = Annotated[str, PathParameter(pattern=r"^[^/:]+$", description="Name of the model.")]
_Model = TypeVar("_Model", bound=BaseModel)
_MOST_LABELS = 1000
_SHOWN = 20
_LONGEST_SHOWN = 500
_MOST_TEXTS = 20_000
_DAYS = timedelta(days=7)
_FRESH_SECONDS = 20.0
_UNREADABLE = (OSError, AgnewsError, ValueError)
"""What storage, Arrow and pydantic raise for files that are away or damaged."""
_LOG = logging.getLogger("uvicorn.error")


class _Labels(BaseModel):
    model_config = ConfigDict(extra="forbid")

    labels: Annotated[list[GivenLabel], Field(min_length=1, max_length=_MOST_LABELS)]
    source: Source = Source.API


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: Annotated[str, Field(min_length=1, max_length=100)]
    number: Annotated[int, Field(ge=1, le=100)] = 20
    skip: Annotated[list[str], Field(max_length=1000)] = []


class LabellingDesk:
    """Gives out texts to label and takes labels in.

    Args:
        state: The server.
        has_token: Whether clients have to show a token: labels change what is learnt, so nobody gives any without.
    """

    def __init__(self, state: ServingState, *, has_token: bool) -> None:
        self._state = state
        self._has_token = has_token
        self._read = -_FRESH_SECONDS
        self._logged: Sequence[LoggedText] = ()
        self._apart: Mapping[str, float] = {}
        self._training: Sequence[DoubtfulLabel] = ()
        self._opinion: SecondOpinion | None = None

    def places(self, name: str) -> Places:
        """Returns where labels go.

        Args:
            name: Of the model.

        Raises:
            HttpError: 404 for another model; 501 for one of several classes a text; 403 or 400 where the server was
                not started for labels.
        """
        with self._state.host.borrow(name):
            pass
        if self._state.host.current.corpus.label_sets is not None:
            raise HttpError(501, "Labels are taken one a text, and a text of this model may have several.")
        if not self._has_token:
            raise HttpError(403, "Labels are taken from people with a token only: start the server with --token-file.")
        if self._state.request_log is None:
            raise HttpError(400, "This server keeps nothing: start it with --log-requests DIR.")
        return self._state.request_log.settings.places

    async def keep(self, name: str, body: bytes) -> dict[str, Any]:
        """Takes labels.

        Args:
            name: Of the model.
            body: JSON.

        Returns:
            The answer, once they are on the disk.

        Raises:
            HttpError: They are no labels of this model, or of texts that nobody has.
        """
        places = self.places(name)
        asked = _parse(_Labels, body)
        classes = self._state.host.current.record.classes
        keeps_text = self._state.request_log is not None and self._state.request_log.settings.text is KeptText.ALL
        for number, each in enumerate(asked.labels):
            check_length(each.text.encode(), number, self._state.limits)
            if each.label not in classes:
                raise HttpError(400, f"There is no class {each.label!r}; {_classes(classes)}.")
            if not each.text and not keeps_text and not each.row.startswith(TRAINING_ROW):
                raise HttpError(
                    400, "Texts are not kept here (--log-text all keeps them): send the text with its label."
                )
        try:
            kept = await asyncio.to_thread(keep_labels, places, asked.labels, asked.source)
        except (OSError, AgnewsError) as error:
            # A disk or a bucket that says no may have taken them all the same.
            raise HttpError(
                503,
                "The labels could not be written for certain. Send them again: of one person the newest label counts.",
                {"Retry-After": "10"},
            ) from error
        return {"kept": [each.id for each in kept]}

    async def choose(self, name: str, body: bytes) -> dict[str, Any]:
        """Chooses texts to label.

        Args:
            name: Of the model.
            body: JSON: who asks, for how many, and which rows to leave out.

        Returns:
            The answer.

        Raises:
            HttpError: The server keeps no texts, or what it has kept cannot be read.
        """
        places = self.places(name)
        wish = _parse(_Wish, body)
        try:
            chosen = await asyncio.to_thread(self._choose, places, wish)
        except _UNREADABLE as error:
            # Files of the log are named in it: for people who run the server, and not for those who label.
            _LOG.warning("texts to label cannot be chosen: %s: %s", type(error).__name__, error)
            raise HttpError(503, "The log of requests cannot be read; the log of the server says more.") from error
        return {
            "classes": list(self._state.host.current.record.classes),
            "waiting": len(chosen),
            # What the model said comes with the label, not before it: people agree with what they are shown.
            "texts": [asdict(each) for each in chosen[: wish.number]],
        }

    def _choose(self, places: Places, wish: _Wish) -> list[QueuedText]:
        # They bring Arrow, which a server that keeps nothing does not need.
        from agnews.components.feedback.collect_labels import read_labelled
        from agnews.components.feedback.find_disagreements import SecondOpinion
        from agnews.components.feedback.read_logged_texts import read_newest_texts
        from agnews.components.feedback.training_rows import read_training_rows

        if time.monotonic() - self._read > _FRESH_SECONDS:
            self._opinion = self._opinion or SecondOpinion()
            self._logged = read_newest_texts(places, datetime.now(UTC) - _DAYS, _MOST_TEXTS)
            self._apart = self._opinion.disagreements(self._state.host.current.folder, self._logged)
            self._training = read_training_rows(places)
            self._read = time.monotonic()
        labelled, _ = read_labelled(places)
        skipped = set(wish.skip)
        return [
            each
            for each in choose_texts(
                self._logged,
                labelled,
                by=wish.by,
                number=wish.number + 1000,
                disagreements=self._apart,
                training=self._training,
            )
            if each.row not in skipped
        ]


def _classes(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"classes are {shown}" + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")


def _parse(kind: type[_Model], body: bytes) -> _Model:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        # Names that a client made up stand in it.
        raise HttpError(400, first_problem(error)[:_LONGEST_SHOWN]) from None


def feedback_routes(state: ServingState, *, has_token: bool) -> APIRouter:
    """Makes the routes that take labels and give out texts to label.

    Args:
        state: The server.
        has_token: Whether clients have to show a token.

    Returns:
        The routes `:feedback` and `:queue`, both our own.
    """
    router = APIRouter(prefix="/v1/models")
    desk = LabellingDesk(state, has_token=has_token)

    @router.post("/{name}:feedback", summary="Say what a text really is", **FEEDBACK)
    async def feedback(request: Request, name: Name) -> Response:
        """Keeps labels of texts that were answered, for `agnews feedback collect`."""
        with HeldBytes(state) as held:
            body = await read_body(request.scope, request.receive, state.limits, held)
            return json_response(orjson.dumps(await desk.keep(name, body)))

    @router.post("/{name}:queue", summary="Texts that are worth a label", **QUEUE)
    async def queue(request: Request, name: Name) -> Response:
        """Gives out texts to label, why each was chosen, and what the model said."""
        with HeldBytes(state) as held:
            body = await read_body(request.scope, request.receive, state.limits, held)
            return json_response(orjson.dumps(await desk.choose(name, body)))

    return router
