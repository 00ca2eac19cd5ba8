"""The way from a request to the model and back."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agnews.components.model_server.http_error import HttpError
from agnews.components.model_server.json_answer import error_answer, json_answer
from agnews.components.model_server.predict_answer import write_predict_answer
from agnews.components.model_server.predict_request import read_predict_request
from agnews.components.model_server.read_body import read_body
from agnews.components.model_server.served_version import ServedVersion
from agnews.components.model_server.serving_state import ServingState


class PredictEndpoint:
    """Answers predictions of the version in production, as an ASGI application of its own.

    Nearly all requests are for one path. The gate hands them to this directly, past the routing of the framework,
    which costs as much as all the rest of the work on a request for a small model.

    Args:
        state: The server.
    """

    def __init__(self, state: ServingState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        try:
            answer = await self.answer(scope, receive, self._state.host.name)
        except HttpError as error:
            answer = error_answer(error.status, error.message, error.headers)
        await answer(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, name: str, version: str = "") -> Response:
        """Asks a version.

        Args:
            scope: The request.
            receive: Gives its body.
            name: Of the model.
            version: A number, or nothing for the one in production.

        Returns:
            The predictions.

        Raises:
            HttpError: There is no such version, or the request is malformed or exceeds a limit.
        """
        limits = self._state.limits
        body = await read_body(scope, receive, limits)
        with self._state.host.borrow(name, version) as model:
            asked = read_predict_request(body, lambda signature: _argument(model, signature), limits)
            outputs = await self._state.batcher.run(model, asked.signature, asked.values)
        return json_answer(write_predict_answer(outputs, is_row_form=asked.is_row_form))


def _argument(model: ServedVersion, signature: str) -> str:
    if signature in model.signatures:
        return model.signatures[signature].argument
    if signature in model.signature_defs:
        raise HttpError(400, f"Failed to get input map for signature: {signature}")
    raise HttpError(400, f'Serving signature name: "{signature}" not found in signature def')
