"""TensorFlow Serving's gRPC interface, by the client that `tensorflow-serving-api` publishes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("tensorflow_serving.apis", reason="the extra agnews[grpc] is not installed")
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_server.json_response import Limits

SPORTS = "The coach praised his team"
BUSINESS = "Profit warning sends shares down"
Code = grpc.StatusCode


class Client:
    """Stubs on a channel."""

    def __init__(self, server: Any) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{server.state.grpc_port}")
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, *texts: str, version: int | None = None, timeout: float = 30.0, **options: Any) -> Any:
        return self.prediction.Predict(request(*texts, version=version), timeout, **options)


def request(*texts: str, version: int | None = None, name: str = "agnews") -> Any:
    found = predict_pb2.PredictRequest()
    found.model_spec.name = name
    if version is not None:
        found.model_spec.version.value = version
    found.inputs["text"].CopyFrom(tf.make_tensor_proto(list(texts), shape=[len(texts)]))
    return found


@pytest.fixture(scope="module")
def server(toy_models: Any, start_server: Any, tmp_path_factory: pytest.TempPathFactory, make_store: Any) -> Any:
    store = make_store(tmp_path_factory.mktemp("grpc"))
    store.push(toy_models["sure"])
    with start_server(store.store, grpc_address=("127.0.0.1", 0)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    found = Client(server)
    yield found
    found.channel.close()


def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    return error.code(), error.details()


def test_a_call_is_answered_as_a_request_over_http(server: Any, client: Client) -> None:
    answer = client.predict(SPORTS, BUSINESS)
    assert (answer.model_spec.name, answer.model_spec.signature_name) == ("agnews", "serving_default")
    assert str(answer.model_spec.version.value) == server.state.host.version
    arrays = {name: tf.make_ndarray(tensor) for name, tensor in answer.outputs.items()}
    rows = server.predict(SPORTS, BUSINESS).json()["predictions"]
    assert arrays["label"].tolist() == [row["label"].encode() for row in rows]
    assert arrays["class_id"].tolist() == [row["class_id"] for row in rows]
    assert arrays["class_id"].dtype == np.int64
    assert np.array_equal(arrays["probabilities"], np.array([row["probabilities"] for row in rows], np.float32))


def test_a_filter_a_version_and_other_shapes(server: Any, client: Client) -> None:
    asked = request(SPORTS, version=int(server.state.host.version))
    asked.output_filter.append("label")
    assert list(client.prediction.Predict(asked, 30).outputs) == ["label"]
    # TensorFlow writes a tensor of equal values as one of them.
    asked.inputs["text"].CopyFrom(tf.make_tensor_proto(SPORTS, shape=[3, 1]))
    assert tf.make_ndarray(client.prediction.Predict(asked, 30).outputs["label"]).tolist() == [b"Sports"] * 3


def test_a_version_that_abstains_says_where(toy_store: Any, toy_models: Any, start_server: Any) -> None:
    toy_store.push(toy_models["sure"], abstains_below=0.5)
    with start_server(toy_store.store, grpc_address=("127.0.0.1", 0)) as server:
        client = Client(server)
        asked = request(SPORTS, "nothing that it knows")
        whole = client.prediction.Predict(asked, 30.0)
        assert set(whole.outputs) == {"class_id", "label", "probabilities", "abstained"}
        asked.output_filter.append("abstained")
        alone = client.prediction.Predict(asked, 30.0)
        assert set(alone.outputs) == {"abstained"}
        for answer in (whole, alone):
            found = tf.make_ndarray(answer.outputs["abstained"])
            assert (found.dtype, found.tolist()) == (np.bool_, [False, True])
        client.channel.close()


def test_errors_have_the_codes_of_grpc(client: Client) -> None:
    assert refusal(lambda: client.predict(SPORTS, version=1))[0] is Code.NOT_FOUND
    code, words = refusal(lambda: client.prediction.Predict(request(SPORTS, name="other"), 30))
    assert (code, words) == (Code.NOT_FOUND, "Servable not found for request: Latest(other)")
    asked = request(SPORTS)
    asked.model_spec.signature_name = "nothing"
    code, words = refusal(lambda: client.prediction.Predict(asked, 30))
    assert code is Code.INVALID_ARGUMENT
    assert 'Serving signature name: "nothing" not found' in words
    asked = request(SPORTS)
    asked.inputs["more"].CopyFrom(asked.inputs["text"])
    assert refusal(lambda: client.prediction.Predict(asked, 30))[0] is Code.INVALID_ARGUMENT
    asked = request()
    asked.inputs["text"].CopyFrom(tf.make_tensor_proto([0.5]))
    assert "not of float32" in refusal(lambda: client.prediction.Predict(asked, 30))[1]
    # One value and an enormous shape: no memory is spent on it.
    asked.inputs["text"].CopyFrom(request("a").inputs["text"])
    asked.inputs["text"].tensor_shape.dim[0].size = 10**12
    code, words = refusal(lambda: client.prediction.Predict(asked, 30))
    assert (code, "1,024" in words) == (Code.INVALID_ARGUMENT, True)
    assert refusal(lambda: client.predict("a" * 70_000))[0] is Code.INVALID_ARGUMENT
    labelled = request(SPORTS)
    labelled.model_spec.version_label = "canary"
    assert refusal(lambda: client.prediction.Predict(labelled, 30))[0] is Code.INVALID_ARGUMENT
    classify = classification_pb2.ClassificationRequest(model_spec=asked.model_spec)
    assert refusal(lambda: client.prediction.Classify(classify, 30))[0] is Code.UNIMPLEMENTED
    reload = model_management_pb2.ReloadConfigRequest()
    assert refusal(lambda: client.models.HandleReloadConfigRequest(reload, 30))[0] is Code.UNIMPLEMENTED


def test_metadata_and_status_are_those_of_the_other_interface(server: Any, client: Client) -> None:
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "agnews"
    found = get_model_metadata_pb2.SignatureDefMap()
    client.prediction.GetModelMetadata(asked, 30).metadata["signature_def"].Unpack(found)
    over_http = server.client.get("/v1/models/agnews/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert found.signature_def.keys() == over_http.keys()
    status = get_model_status_pb2.GetModelStatusRequest(model_spec=asked.model_spec)
    (version,) = client.models.GetModelStatus(status, 30).model_version_status
    assert str(version.version) == server.state.host.version
    assert version.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE


def test_calls_are_counted_and_known_by_their_ids(server: Any, client: Client) -> None:
    _, call = client.prediction.Predict.with_call(request(SPORTS), 30, metadata=(("x-request-id", "mine-7"),))
    assert dict(call.trailing_metadata())["x-request-id"] == "mine-7"
    refusal(lambda: client.predict(SPORTS, version=1))
    page = server.client.get("/metrics").text
    assert 'agnews_requests_total{code="200",endpoint="grpc predict"}' in page
    assert 'agnews_requests_total{code="404",endpoint="grpc predict"}' in page


def test_the_door_and_the_limits_are_those_of_the_other_interface(
    toy_store: Any, toy_models: Any, start_server: Any
) -> None:
    toy_store.push(toy_models["sure"])
    secret = "0123456789abcdef"
    limits = Limits(body_bytes=200_000, instances=4)
    with start_server(
        toy_store.store, token=AccessToken(secret), limits=limits, grpc_address=("127.0.0.1", 0)
    ) as server:
        client = Client(server)
        assert refusal(lambda: client.predict(SPORTS))[0] is Code.UNAUTHENTICATED
        wrong = (("authorization", "Bearer 0123456789abcdeX"),)
        assert refusal(lambda: client.predict(SPORTS, metadata=wrong))[0] is Code.UNAUTHENTICATED
        shown = (("authorization", f"Bearer {secret}"),)
        assert client.predict(SPORTS, metadata=shown).model_spec.name == "agnews"
        assert refusal(lambda: client.predict(*["a"] * 5, metadata=shown))[0] is Code.INVALID_ARGUMENT
        # More than a message may hold is not even read.
        assert refusal(lambda: client.predict("a" * 300_000, metadata=shown))[0] is Code.RESOURCE_EXHAUSTED
        server.state.bytes_in_flight = limits.inflight_bytes
        assert refusal(lambda: client.predict(SPORTS, metadata=shown))[0] is Code.UNAVAILABLE
        server.state.bytes_in_flight = 0
        client.channel.close()


def test_what_is_under_way_is_answered_when_the_server_stops(
    toy_store: Any, toy_models: Any, start_server: Any
) -> None:
    toy_store.push(toy_models["sure"])
    answers: list[Any] = []
    with start_server(toy_store.store, grpc_address=("127.0.0.1", 0)) as server:
        client = Client(server)
        version, run = server.state.host.current, server.state.host.current.run
        begun = threading.Event()

        def slow(*arguments: Any) -> Any:
            begun.set()
            threading.Event().wait(1.0)
            return run(*arguments)

        version.run = slow
        asking = threading.Thread(target=lambda: answers.append(client.predict(SPORTS)))
        asking.start()
        assert begun.wait(10)
    asking.join(10)
    assert [answer.model_spec.name for answer in answers] == ["agnews"]
    client.channel.close()


def test_a_client_that_waits_no_longer_is_let_go(server: Any, client: Client) -> None:
    version, run = server.state.host.current, server.state.host.current.run

    def slow(*arguments: Any) -> Any:
        threading.Event().wait(0.5)
        return run(*arguments)

    version.run = slow
    try:
        assert refusal(lambda: client.predict(SPORTS, timeout=0.1))[0] is Code.DEADLINE_EXCEEDED
    finally:
        version.run = run
    assert client.predict(SPORTS).model_spec.name == "agnews"
    assert server.state.bytes_in_flight == 0


def test_two_servers_do_not_share_a_port(toy_store: Any, toy_models: Any, server: Any) -> None:
    from agnews.components.model_server.graceful_server import listening_socket
    from agnews.schemas.errors import AgnewsError

    with pytest.raises(AgnewsError, match="cannot be used"):
        listening_socket("127.0.0.1", server.state.grpc_port)
    with socket.create_connection(("127.0.0.1", server.state.grpc_port)):
        pass


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
SETTINGS_ACK = b"\0\0\0\4\1\0\0\0\0"
HEADERS_FRAME, END_HEADERS = b"\1", b"\4"


def _literal(name: bytes, value: bytes) -> bytes:
    """A header without compression (RFC 7541, 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def begin_call(server: Any, *more: tuple[bytes, bytes]) -> socket.socket:
    """Opens a connection and begins a call whose message never comes."""
    connection = socket.create_connection(("127.0.0.1", server.state.grpc_port), timeout=20)
    headers = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/tensorflow.serving.PredictionService/Predict"),
        (b":authority", b"here"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        *more,
    ]
    block = b"".join(_literal(name, value) for name, value in headers)
    frame = len(block).to_bytes(3, "big") + HEADERS_FRAME + END_HEADERS + (1).to_bytes(4, "big") + block
    connection.sendall(PREFACE + SETTINGS_ACK + frame)
    return connection


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    found = b""
    while wanted not in found:
        part = connection.recv(65536)
        if not part:
            break
        found += part
    return found


def test_a_stranger_is_refused_before_a_message_has_come(toy_store: Any, toy_models: Any, start_server: Any) -> None:
    toy_store.push(toy_models["sure"])
    token = AccessToken("0123456789abcdef")
    with start_server(toy_store.store, token=token, grpc_address=("127.0.0.1", 0)) as server:
        with begin_call(server) as connection:
            assert b"grpc-status" in read_until(connection, b"Bearer TOKEN")
        assert 'agnews_refused_total{limit="no token"} 1.0' in server.state.metrics.page().decode()


def test_a_message_has_to_come_in_time_and_leaves_room_for_others(
    toy_store: Any, toy_models: Any, start_server: Any
) -> None:
    toy_store.push(toy_models["sure"])
    limits = Limits(deadline_seconds=1.0, body_bytes=1 << 20, inflight_bytes=2 << 20)
    with start_server(toy_store.store, limits=limits, grpc_address=("127.0.0.1", 0)) as server:
        slow = [begin_call(server) for _ in range(2)]
        for connection in slow:
            assert b"did not come within 1 seconds" in read_until(connection, b"did not come within 1 seconds")
            connection.close()
        client = Client(server)
        assert client.predict(SPORTS).model_spec.name == "agnews"
        client.channel.close()
        assert server.state.bytes_in_flight == 0
        assert 'agnews_refused_total{limit="body"} 2.0' in server.state.metrics.page().decode()


def test_there_are_only_so_many_connections(toy_store: Any, toy_models: Any, start_server: Any) -> None:
    toy_store.push(toy_models["sure"])
    with start_server(toy_store.store, limits=Limits(connections=4), grpc_address=("127.0.0.1", 0)) as server:
        place = ("127.0.0.1", server.state.grpc_port)
        held = [socket.create_connection(place, timeout=20) for _ in range(8)]
        for connection in held:
            connection.sendall(PREFACE)
        answered = [bool(read_until(connection, b"\0\0\0\4")) for connection in held]
        assert sorted(answered) == [False] * 4 + [True] * 4
        for connection in held:
            connection.close()
