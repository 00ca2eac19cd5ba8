"""The routes over real HTTP: TensorFlow Serving's answers, its errors, and what we add."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import shutil
import subprocess
from typing import Any

import httpx
import numpy as np
import pytest
import tensorflow as tf

MODEL = "/v1/models/agnews"
PREDICT = f"{MODEL}:predict"
SPORTS = "The coach praised his team"
BUSINESS = "Profit warning sends shares down"


def softmax(*scores: float) -> list[float]:
    powers = np.exp(scores)
    return (powers / powers.sum()).tolist()


def test_rows_are_answered_as_predictions_in_their_order(shared_server: Any) -> None:
    answer = shared_server.predict(SPORTS, BUSINESS)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    sports, business = answer.json()["predictions"]
    assert sports.keys() == {"class_id", "label", "probabilities"}
    assert (sports["class_id"], sports["label"]) == (1, "Sports")
    assert (business["class_id"], business["label"]) == (2, "Business")
    assert sports["probabilities"] == pytest.approx(softmax(0, 3, 0, 0), abs=1e-6)
    assert business["probabilities"] == pytest.approx(softmax(0, 0, 3, 0), abs=1e-6)


@pytest.mark.parametrize("inputs", [[SPORTS, BUSINESS], {"text": [SPORTS, BUSINESS]}])
def test_columns_are_answered_as_outputs(shared_server: Any, inputs: object) -> None:
    outputs = shared_server.client.post(PREDICT, json={"inputs": inputs}).json()["outputs"]
    assert outputs["class_id"] == [1, 2]
    assert outputs["label"] == ["Sports", "Business"]
    assert np.shape(outputs["probabilities"]) == (2, 4)


def test_named_rows_and_base64_are_the_same_texts(shared_server: Any) -> None:
    plain = shared_server.predict(SPORTS).json()
    encoded = {"b64": base64.b64encode(SPORTS.encode()).decode()}
    for instance in ({"text": SPORTS}, encoded, {"text": encoded}):
        assert shared_server.client.post(PREDICT, json={"instances": [instance]}).json() == plain


def test_texts_that_are_not_utf_8_can_be_sent_as_base64(shared_server: Any) -> None:
    instance = {"b64": base64.b64encode(b"coach \xff\xfe\x00").decode()}
    assert shared_server.client.post(PREDICT, json={"instances": [instance]}).status_code == 200


def test_nothing_in_column_form_gives_nothing(shared_server: Any) -> None:
    answer = shared_server.client.post(PREDICT, json={"inputs": []})
    assert answer.json() == {"outputs": {"class_id": [], "label": [], "probabilities": []}}


def test_the_content_type_of_a_request_does_not_matter(shared_server: Any) -> None:
    content = b'{"instances": ["coach"]}'
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert shared_server.client.post(PREDICT, content=content, headers=headers).status_code == 200


def test_another_signature_is_asked_by_its_name(shared_server: Any) -> None:
    example = tf.train.Example()
    example.features.feature["text"].bytes_list.value.append(SPORTS.encode())
    instance = {"b64": base64.b64encode(example.SerializeToString()).decode()}
    body = {"signature_name": "serving_examples", "instances": [instance]}
    assert shared_server.client.post(PREDICT, json=body).json() == shared_server.predict(SPORTS).json()
    tokens = shared_server.client.post(PREDICT, json=body | {"signature_name": "transform_features"}).json()
    (row,) = tokens["predictions"]
    assert row["padding_mask"] == [True] * 6
    assert all(isinstance(number, int) for number in row["token_ids"])


def test_what_the_model_cannot_read_is_the_clients_mistake(shared_server: Any) -> None:
    body = {"signature_name": "serving_examples", "instances": ["no tf.Example"]}
    answer = shared_server.client.post(PREDICT, json=body)
    assert answer.status_code == 400
    assert "Could not parse example input" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        (f"{MODEL}/versions/50:predict", 404, "Servable not found for request: Specific(agnews, 50)"),
        (f"{MODEL}/versions/HELLO:predict", 400, f"Malformed request: POST {MODEL}/versions/HELLO:predict"),
        (f"{MODEL}/version/50:predict", 400, f"Malformed request: POST {MODEL}/version/50:predict"),
        (
            f"{MODEL}/versions/18446744073709551615:predict",
            400,
            "Failed to convert version: 18446744073709551615 to numeric.",
        ),
        ("/v1/foo", 400, "Malformed request: POST /v1/foo"),
        (f"{PREDICT}/", 400, f"Malformed request: POST {PREDICT}/"),
        (f"{PREDICT}?key=1", 400, f"Malformed request: POST {PREDICT}?key=1"),
        (f"{MODEL}%3Apredict", 400, f"Malformed request: POST {MODEL}%3Apredict"),
        (f"{MODEL}/versions/{'0' * 4999}5:predict", 404, "Servable not found for request: Specific(agnews, 5)"),
        (f"{MODEL}/versions/{'9' * 5000}:predict", 400, f"Failed to convert version: {'9' * 200} to numeric."),
    ],
)
def test_errors_about_paths_are_those_of_tensorflow_serving(
    shared_server: Any, path: str, status: int, error: str
) -> None:
    answer = shared_server.client.post(path, json={"instances": ["a"]})
    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_a_version_is_asked_by_its_number(shared_server: Any) -> None:
    version = shared_server.state.host.version
    by_number = shared_server.client.post(f"{MODEL}/versions/{version}:predict", json={"instances": [SPORTS]})
    assert by_number.json() == shared_server.predict(SPORTS).json()


def test_the_status_is_that_of_tensorflow_serving(shared_server: Any) -> None:
    version = shared_server.state.host.version
    expected = {
        "model_version_status": [
            {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    assert shared_server.client.get(MODEL).json() == expected
    assert shared_server.client.get(f"{MODEL}/versions/{version}").json() == expected
    unknown = shared_server.client.get(f"{MODEL}/versions/5")
    assert (unknown.status_code, unknown.json()) == (404, {"error": "Could not find version 5 of model agnews"})
    other = shared_server.client.get("/v1/models/other")
    assert (other.status_code, other.json()) == (404, {"error": "Could not find any versions of model other"})


def test_metadata_describe_the_signatures(shared_server: Any) -> None:
    metadata = shared_server.client.get(f"{MODEL}/metadata").json()
    version = shared_server.state.host.version
    assert metadata["model_spec"] == {"name": "agnews", "signature_name": "", "version": version}
    signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["text"] == {
        "dtype": "DT_STRING",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "serving_default_text:0",
    }
    assert signature["outputs"].keys() == {"class_id", "label", "probabilities"}
    assert signature["outputs"]["probabilities"]["dtype"] == "DT_FLOAT"
    assert shared_server.client.get(f"{MODEL}/versions/{version}/metadata").json() == metadata


def test_the_card_tells_what_the_page_shows(shared_server: Any) -> None:
    card = shared_server.client.get(f"{MODEL}/card").json()
    assert card["version"] == shared_server.state.host.version
    assert card["accuracy"] == 0.91
    assert card["classes"] == ["World", "Sports", "Business", "Sci/Tech"]
    assert card["pushed_at"].endswith("Z")
    assert (card["title"], card["text"], card["language"]) == ("AG News", "news text", "en")
    assert card["question"] == "What is this news about?"
    assert len(card["examples"]) == 5


def test_a_model_without_explanations_says_so(shared_server: Any) -> None:
    answer = shared_server.client.post(f"{MODEL}:explain", json={"instances": ["a"]})
    assert answer.status_code == 400
    assert answer.json() == {"error": 'Serving signature name: "explain" not found in signature def'}


def test_health_readiness_and_counters(shared_server: Any) -> None:
    shared_server.predict(SPORTS)
    assert shared_server.client.get("/healthz").json() == {"status": "alive"}
    ready = shared_server.client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["version"] == shared_server.state.host.version
    page = shared_server.client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    for line in (
        f'agnews_model_info{{version="{shared_server.state.host.version}"}} 1.0',
        'agnews_requests_total{code="200",endpoint="predict"}',
        'agnews_request_seconds_bucket{endpoint="predict",le="0.1"}',
        "agnews_batch_rows_sum",
        "agnews_queue_rows 0.0",
    ):
        assert line in page.text


def test_every_answer_has_the_security_headers_and_none_says_what_runs_here(shared_server: Any) -> None:
    for path in ("/healthz", "/docs", MODEL, "/v1/foo", "/nothing"):
        headers = shared_server.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_the_interface_is_described_without_anything_from_elsewhere(shared_server: Any) -> None:
    document = shared_server.client.get("/openapi.json").json()
    assert {"/v1/models/{name}:predict", "/v1/models/{name}", "/metrics", "/readyz"} <= document["paths"].keys()
    page = shared_server.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in document["paths"]:
        assert path in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert "//" not in page.text.replace(shared_server.url, "")
    # A command that is copied from the page is answered.
    (command,) = (each for each in re.findall(r"<code>(curl .*?)</code>", page.text) if "agnews:predict" in each)
    done = subprocess.run(shlex.split(html.unescape(command)), capture_output=True, check=True)
    assert json.loads(done.stdout)["predictions"]
    assert shared_server.client.get("/docs.css").headers["content-type"].startswith("text/css")


def test_connections_are_kept(shared_server: Any) -> None:
    with httpx.Client(base_url=shared_server.url, limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(3):
            answer = client.post(PREDICT, json={"instances": ["coach"]})
            assert answer.headers.get("connection", "keep-alive") == "keep-alive"


@pytest.mark.parametrize("path", ["/V1/MODELS/agnews:PREDICT", "/v1/Models/agnews:predict"])
def test_capitals_in_a_path_do_not_matter_but_in_the_name_of_the_model(shared_server: Any, path: str) -> None:
    assert shared_server.client.post(path, json={"instances": [SPORTS]}).status_code == 200
    other = shared_server.client.post(path.replace("agnews", "AGNEWS"), json={"instances": [SPORTS]})
    assert (other.status_code, other.json()["error"]) == (404, "Servable not found for request: Latest(AGNEWS)")
    assert shared_server.client.get("/V1/MODELS/agnews").status_code == 200


@pytest.mark.parametrize("path", ["/docs/", f"{MODEL}/", f"{MODEL}/card/"])
def test_nobody_is_sent_to_a_place_that_the_client_named(shared_server: Any, path: str) -> None:
    answer = shared_server.client.get(path, headers={"Host": "localhost"}, follow_redirects=False)
    assert answer.status_code in (400, 404)
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        *("/healthz", "/readyz", "/metrics", "/", "/label", "/docs", "/docs.css", "/openapi.json"),
        *("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/agnews", "/v2/models/agnews/ready"),
    ],
)
def test_who_asks_for_the_head_gets_the_code_alone(shared_server: Any, path: str) -> None:
    answer = shared_server.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == shared_server.client.get(path).headers["content-type"]


@pytest.mark.parametrize(
    ("inputs", "labels"),
    [
        ({"instances": [[SPORTS], [BUSINESS]]}, [["Sports"], ["Business"]]),
        ({"instances": [{"text": [SPORTS, BUSINESS]}]}, [["Sports", "Business"]]),
    ],
)
def test_lists_of_lists_are_answered_in_their_form(shared_server: Any, inputs: object, labels: object) -> None:
    answer = shared_server.client.post(PREDICT, json=inputs).json()["predictions"]
    assert [row["label"] for row in answer] == labels
    assert np.shape([row["probabilities"] for row in answer]) == (*np.shape(labels), 4)


def test_a_text_that_is_no_list_is_answered_without_one(shared_server: Any) -> None:
    for inputs in (SPORTS, {"text": SPORTS}, {"b64": base64.b64encode(SPORTS.encode()).decode()}):
        outputs = shared_server.client.post(PREDICT, json={"inputs": inputs}).json()["outputs"]
        assert (outputs["class_id"], outputs["label"]) == (1, "Sports")
        assert np.shape(outputs["probabilities"]) == (4,)


def test_a_long_name_is_not_sent_back_whole(shared_server: Any) -> None:
    answer = shared_server.client.post(PREDICT, json={"instances": ["a"], "signature_name": "s" * 3_000_000})
    assert answer.status_code == 400
    assert len(answer.content) < 400


@pytest.mark.parametrize("k", [1, 2, 4, 9])
def test_the_likeliest_classes_come_by_name_where_a_request_says_how_many(shared_server: Any, k: int) -> None:
    texts = [SPORTS, "nothing", "profit of a coach"]
    whole = shared_server.client.post(f"{MODEL}:predict", json={"instances": texts}).json()["predictions"]
    classes = shared_server.client.get(f"{MODEL}/card").json()["classes"]

    found = shared_server.client.post(f"{MODEL}:predict", json={"instances": texts, "k": k}).json()["predictions"]

    for named, row in zip(found, whole, strict=True):
        order = sorted(range(4), key=lambda place: -row["probabilities"][place])[:k]
        assert named == {
            "class_id": row["class_id"],
            "label": row["label"],
            "top_labels": [classes[place] for place in order],
            "top_probabilities": [row["probabilities"][place] for place in order],
        }
        assert named["top_labels"][0] == row["label"]
    columns = shared_server.client.post(f"{MODEL}:predict", json={"inputs": texts, "k": k}).json()["outputs"]
    assert columns["top_labels"] == [row["top_labels"] for row in found]


@pytest.mark.parametrize("k", [0, -1, 1.5, "5", True, [1]])
def test_no_number_of_classes_is_refused(shared_server: Any, k: object) -> None:
    answer = shared_server.client.post(f"{MODEL}:predict", json={"instances": ["a"], "k": k})
    assert answer.status_code == 400
    assert "'k' must be a whole number from 1" in answer.json()["error"]


def test_the_likeliest_classes_of_what_gives_no_probabilities_are_refused(shared_server: Any) -> None:
    text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"a"]))
    example = tf.train.Example(features=tf.train.Features(feature={"text": text}))
    given = {"b64": base64.b64encode(example.SerializeToString()).decode()}
    body = {"signature_name": "transform_features", "instances": [given], "k": 2}
    answer = shared_server.client.post(f"{MODEL}:predict", json=body)
    assert answer.status_code == 400
    assert "'k' is for signatures that give probabilities" in answer.json()["error"]


def test_a_version_that_abstains_says_where(toy_store: Any, toy_models: Any, start_server: Any) -> None:
    toy_store.push(toy_models["sure"], abstains_below=0.5)
    with start_server(toy_store.store) as server:
        sure, unsure = server.predict(SPORTS, "nothing that it knows").json()["predictions"]
        assert (sure["label"], sure["abstained"]) == ("Sports", False)
        assert unsure["abstained"] is True
        assert max(unsure["probabilities"]) < 0.5
        body = {"instances": [SPORTS, "nothing"], "k": 1}
        top = server.client.post(f"{MODEL}:predict", json=body).json()["predictions"]
        assert [row["abstained"] for row in top] == [False, True]
        signatures = server.client.get(f"{MODEL}/metadata").json()["metadata"]["signature_def"]["signature_def"]
        assert signatures["serving_default"]["outputs"]["abstained"]["dtype"] == "DT_BOOL"
        assert "abstained" not in signatures["transform_features"]["outputs"]


def test_a_version_that_answers_always_has_no_word_about_it(shared_server: Any) -> None:
    assert "abstained" not in shared_server.predict("nothing that it knows").json()["predictions"][0]
