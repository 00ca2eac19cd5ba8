"""The Open Inference Protocol over real HTTP, by hand and by KServe's own client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_server.canary import Canary
from agnews.components.model_server.json_response import Limits

MODEL = "/v2/models/agnews"
INFER = f"{MODEL}/infer"
SPORTS = "The coach praised his team"
BUSINESS = "Profit warning sends shares down"
KSERVE = "kserve==0.21.0"


def body(*texts: str, **changes: Any) -> dict[str, Any]:
    tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": list(texts), **changes}
    return {"inputs": [{name: value for name, value in tensor.items() if value is not None}]}


def outputs(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {each["name"]: each for each in answer.json()["outputs"]}


def test_texts_are_answered_as_by_the_other_interface(shared_server: Any) -> None:
    answer = shared_server.client.post(INFER, json={**body(SPORTS, BUSINESS), "id": "mine"})
    document = answer.json()
    version = shared_server.state.host.version
    assert (document["model_name"], document["model_version"], document["id"]) == ("agnews", version, "mine")
    found = outputs(answer)
    expected = shared_server.predict(SPORTS, BUSINESS).json()["predictions"]
    assert found["label"] == {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["Sports", "Business"]}
    assert found["class_id"]["data"] == [row["class_id"] for row in expected]
    assert (found["probabilities"]["datatype"], found["probabilities"]["shape"]) == ("FP32", [2, 4])
    rows = np.array(found["probabilities"]["data"]).reshape(2, 4)
    assert rows.tolist() == [row["probabilities"] for row in expected]


@pytest.mark.parametrize(
    "sent",
    [
        body(SPORTS, BUSINESS, shape=[2, 1]),
        body(SPORTS, BUSINESS, shape=[1, 2], data=[[SPORTS, BUSINESS]]),
        body(SPORTS, BUSINESS, shape=[2, 1], data=[[SPORTS], [BUSINESS]]),
        {**body(SPORTS, BUSINESS), "outputs": [{"name": "label"}], "parameters": {"priority": 1}},
    ],
)
def test_nested_and_flat_data_are_the_same_texts(shared_server: Any, sent: dict[str, Any]) -> None:
    found = outputs(shared_server.client.post(INFER, json=sent))
    assert found["label"]["data"] == ["Sports", "Business"]
    assert found.keys() == ({"label"} if "outputs" in sent else {"class_id", "label", "probabilities"})


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({}, 400, "`inputs` must be a list of one tensor, `text`"),
        ({"inputs": [*body("a")["inputs"], *body("b")["inputs"]]}, 400, "a list of one tensor"),
        (body("a", name="input-0"), 400, 'has no input "input-0"; its only one is `text`'),
        (body("a", datatype="FP32"), 400, 'BYTES, not "FP32"'),
        (body("a", shape=[2]), 400, "`data` has 1 texts, and shape [2] is for 2"),
        (body("a", shape=[-1]), 400, "whole numbers"),
        (body("a", shape=None), 400, "`shape` must be"),
        (body("a", data=[3]), 400, "a list of texts, not 3"),
        (body(), 400, "no text"),
        (body("a", data=None, parameters={"binary_data_size": 5}), 400, "binary extension"),
        (body("a", parameters=5), 400, "`parameters` must be an object, not 5"),
        (body("a", parameters=["binary_data_size"]), 400, "`parameters` must be an object"),
        ({**body("a"), "id": 7}, 400, "`id` must be a string of UTF-8, not 7"),
        ({**body("a"), "outputs": [{"name": "score"}]}, 400, 'no output "score"; it has class_id, label'),
        (body("a", shape=[10**12], data=["a"]), 422, "1,024"),
        (body("a" * 70_000), 422, "65,536"),
    ],
)
def test_what_is_wrong_is_said(shared_server: Any, sent: dict[str, Any], status: int, words: str) -> None:
    answer = shared_server.client.post(INFER, json=sent)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})
    assert words in answer.json()["error"]


def test_an_id_that_could_not_be_sent_back_is_refused(shared_server: Any) -> None:
    sent = json.dumps({**body("a"), "id": "x"}).encode().replace(b'"x"', b'"\xff"')
    answer = shared_server.client.post(INFER, content=sent)
    assert (answer.status_code, answer.json()) == (400, {"error": '`id` must be a string of UTF-8, not "\\udcff".'})


def test_the_server_and_its_model_say_what_they_are(shared_server: Any) -> None:
    client, version = shared_server.client, shared_server.state.host.version
    assert client.get("/v2").json()["name"] == "agnews"
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    for path in (MODEL, f"{MODEL}/versions/{version}"):
        assert client.get(f"{path}/ready").json() == {"name": "agnews", "ready": True}
        document = client.get(path).json()
        assert document["versions"] == [version]
        assert document["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
        assert [(each["name"], each["datatype"]) for each in document["outputs"]] == [
            ("class_id", "INT64"),
            ("label", "BYTES"),
            ("probabilities", "FP32"),
        ]
    for path in ("/v2/models/other", f"{MODEL}/versions/1", f"{MODEL}/versions/1/ready"):
        assert client.get(path).status_code == 404
    assert client.post(f"{MODEL}/versions/1/infer", json=body("a")).status_code == 404
    assert client.get("/v2/elsewhere").status_code == 404


def test_the_same_door_is_closed_and_the_same_limits_hold(toy_store: Any, toy_models: Any, start_server: Any) -> None:
    toy_store.push(toy_models["sure"])
    secret = "0123456789abcdef"
    with start_server(toy_store.store, token=AccessToken(secret), limits=Limits(body_bytes=2000)) as server:
        assert server.client.get("/v2/health/ready").status_code == 200
        for path in ("/v2", MODEL, f"{MODEL}/ready"):
            assert server.client.get(path).status_code == 401
        assert server.client.post(INFER, json=body("a")).status_code == 401
        shown = {"Authorization": f"Bearer {secret}"}
        assert server.client.post(INFER, json=body("a"), headers=shown).status_code == 200
        assert server.client.post(INFER, json=body("a" * 3000), headers=shown).status_code == 413


def test_a_canary_takes_its_share_here_too(toy_store: Any, toy_models: Any, start_server: Any) -> None:
    first = toy_store.push(toy_models["sure"])
    toy_store.push(toy_models["unsure"])
    with start_server(toy_store.store) as server:
        from agnews.components.model_store.find_pushed_model import find_pushed_model

        server.state.host.load_beside(find_pushed_model(toy_store.store, first))
        server.state.canary = Canary(first, 1.0)
        assert server.client.post(INFER, json=body(SPORTS)).json()["model_version"] == first
        assert first in server.client.get(MODEL).json()["versions"]


def test_a_version_that_abstains_says_where(toy_store: Any, toy_models: Any, start_server: Any) -> None:
    toy_store.push(toy_models["sure"], abstains_below=0.5)
    abstained = {"name": "abstained", "datatype": "BOOL", "shape": [2], "data": [False, True]}
    with start_server(toy_store.store) as server:
        asked = body(SPORTS, "nothing that it knows")
        for sent in (asked, {**asked, "outputs": []}):
            found = outputs(server.client.post(INFER, json=sent))
            assert found.keys() == {"class_id", "label", "probabilities", "abstained"}
            assert found["abstained"] == abstained
        alone = outputs(server.client.post(INFER, json={**asked, "outputs": [{"name": "abstained"}]}))
        assert alone == {"abstained": abstained}
        described = server.client.get(MODEL).json()["outputs"]
        assert {"name": "abstained", "datatype": "BOOL", "shape": [-1]} in described


def test_a_version_that_answers_always_has_no_such_output(shared_server: Any) -> None:
    answer = shared_server.client.post(INFER, json={**body(SPORTS), "outputs": [{"name": "abstained"}]})
    assert answer.status_code == 400
    assert 'no output "abstained"' in answer.json()["error"]


CLIENT = """
import asyncio, json, sys
from kserve import InferenceRESTClient, RESTConfig, InferInput, InferRequest
import numpy as np

url, name = sys.argv[1:]


async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    live, ready = await client.is_server_live(url), await client.is_server_ready(url)
    model_ready = await client.is_model_ready(url, name)
    text = InferInput("text", [2], "BYTES", data=json.loads(sys.stdin.read()))
    answer = await client.infer(url, InferRequest(name, [text], request_id="mine"), model_name=name)
    raw = {each.name: [each.datatype, list(each.shape), each.as_numpy().tolist()] for each in answer.outputs}
    problem = ""
    try:
        wrong = InferInput("text", [1], "FP32", data=[0.5])
        await client.infer(url, InferRequest(name, [wrong]), model_name=name)
    except Exception as error:
        problem = str(error)
    print(json.dumps([live, ready, model_ready, answer.id, raw, problem]))


asyncio.run(main())
"""


@pytest.mark.integration
def test_the_client_of_kserve_understands_all_of_it(shared_server: Any, repository: Path, tmp_path: Path) -> None:
    uv = shutil.which("uv") or str(repository / ".uv" / "bin" / "uv")
    if not Path(uv).is_file():
        pytest.skip("KServe's client is installed with uv, which is not here: make setup brings it")
    (tmp_path / "client.py").write_text(CLIENT)
    # An environment of its own: what it asks for is not what TFX asks for.
    command = [uv, "run", "--quiet", "--no-project", "--python", "3.11", "--with", KSERVE, "python", "client.py"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VIRTUAL_ENV")}
    ended = subprocess.run(
        [*command, shared_server.url, "agnews"],
        input=json.dumps([SPORTS, BUSINESS]),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "Failed to fetch" in ended.stderr or "error sending request" in ended.stderr:
        pytest.skip("KServe's client cannot be downloaded: no package registry")
    assert ended.returncode == 0, ended.stderr
    live, ready, model_ready, request_id, found, problem = json.loads(ended.stdout.splitlines()[-1])
    assert (live, ready, model_ready, request_id) == (True, True, True, "mine")
    assert found["label"] == ["BYTES", [2], ["Sports", "Business"]]
    kind, shape, rows = found["probabilities"]
    assert (kind, shape) == ("FP32", [2, 4])
    expected = [row["probabilities"] for row in shared_server.predict(SPORTS, BUSINESS).json()["predictions"]]
    assert np.allclose(rows, expected, atol=1e-6)
    assert "The datatype of `text` is BYTES" in problem
