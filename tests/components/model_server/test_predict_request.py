"""Cases of TensorFlow Serving's json_tensor_test.cc that apply to texts, with its messages."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

from agnews.components.model_server.json_response import HttpError, Limits
from agnews.components.model_server.predict_request import PredictRequest, read_predict_request


def read(body: str | bytes) -> PredictRequest:
    content = body if isinstance(body, bytes) else body.encode()
    return read_predict_request(content, lambda signature: "text", Limits())


@pytest.mark.parametrize(
    ("body", "values", "is_row_form"),
    [
        ('{"instances": ["foo", "bar"]}', [b"foo", b"bar"], True),
        ('{"instances": ["foo", {"b64": "YmFy"}]}', [b"foo", b"bar"], True),
        ('{"instances": [{"text": "foo"}, {"text": {"b64": "YmFy"}}]}', [b"foo", b"bar"], True),
        ('{"inputs": ["foo", {"b64": "YmFy"}]}', [b"foo", b"bar"], False),
        ('{"inputs": {"text": ["foo", "bar"]}}', [b"foo", b"bar"], False),
        ('{"inputs": {"text": ["foo"], "more": 1}}', [b"foo"], False),
        ('{"inputs": []}', [], False),
        # Padding and line breaks in base64 do not matter.
        ('{"instances": [{"b64": "Zm8="}, {"b64": "Zm8"}, {"b64": "Zm\\n8="}]}', [b"fo"] * 3, True),
        ('{"instances": ["\\u00e9\\ud83d\\ude00"], "more": {}}', ["é😀".encode()], True),
        ('  {"instances": [""]}  ', [b""], True),
    ],
)
def test_forms_of_a_request(body: str, values: list[bytes], is_row_form: bool) -> None:
    assert read(body) == PredictRequest("serving_default", values, is_row_form, (len(values),))


@pytest.mark.parametrize("name", ["", "serving_default"])
def test_the_default_signature(name: str) -> None:
    assert read(f'{{"signature_name": "{name}", "instances": ["a"]}}').signature == "serving_default"


def test_another_signature() -> None:
    assert read('{"signature_name": "explain", "instances": ["a"]}').signature == "explain"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "JSON Parse error: The document is empty"),
        ("instances = [1, 2]", "JSON Parse error: "),
        ('{"instances": ["a"', "JSON Parse error: "),
        ('{"instances": ["\\ud800"]}', "JSON Parse error: "),
        ("[" * 5000, "JSON Parse error: "),
        ('["a"]', 'JSON Value: ["a"] Is not object'),
        ("null", "JSON Value: null Is not object"),
        ('{"a": 1}', "Missing 'inputs' or 'instances' key"),
        ('{"signature_name": 5, "instances": ["a"]}', "'signature_name' key must be a string value."),
        ('{"signature_name": null, "instances": ["a"]}', "'signature_name' key must be a string value."),
        ('{"instances": ["a"], "inputs": ["a"]}', "expecting only one of 'inputs' or 'instances' keys to exist"),
        ('{"instances": "a"}', "Expecting 'instances' to be an list/array"),
        ('{"instances": []}', "No values in 'instances' array"),
        (
            '{"instances": ["a", 1]}',
            "element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 1 Type: Number is not of expected",
        ),
        ('{"instances": [1.5]}', "JSON Value: 1.5 Type: Number is not of expected type: string"),
        ('{"instances": [true]}', "JSON Value: true Type: True is not of expected type: string"),
        ('{"instances": [null]}', "JSON Value: null Type: Null is not of expected type: string"),
        ('{"instances": [{"b64": "*"}]}', "Unable to base64 decode"),
        ('{"instances": [{"b64": "a"}]}', "Unable to base64 decode"),
        ('{"instances": [{"text": {"b64": 5}}]}', "not formatted correctly for base64 data"),
        ('{"instances": [{"text": {"b64": "", "x": 1}}]}', "not formatted correctly for base64 data"),
        ('{"instances": [{"text": "a"}, "b"]}', "Expecting object but got list at item 1 of input list"),
        ('{"instances": ["a", {"text": "b"}]}', "Expecting value/list but got object at item 1 of input list"),
        ('{"instances": [{"txt": "a"}]}', "Failed to process element: 0 key: txt of 'instances' list."),
        ('{"instances": [{"text": "a"}, {}]}', "keys must be equal to: text"),
        ('{"inputs": {"txt": ["a"]}}', "Missing named input: text in 'inputs' object."),
        ('{"inputs": [2]}', "JSON Value: 2 Type: Number is not of expected type: string"),
    ],
)
def test_errors_are_bad_requests_in_the_words_of_tensorflow_serving(body: str | bytes, message: str) -> None:
    with pytest.raises(HttpError) as caught:
        read(body)
    assert caught.value.status == 400
    assert message in caught.value.message


def test_a_long_value_is_not_sent_back_whole() -> None:
    with pytest.raises(HttpError) as caught:
        read('{"instances": "' + "a" * 100_000 + '"}')
    assert len(caught.value.message) < 400


def signature_argument(signature: str) -> str:
    if signature in ("serving_default", "explain"):
        return "text"
    raise HttpError(400, f'Serving signature name: "{signature}" not found in signature def')


def described(body: bytes) -> str:
    """What is read, in the form of the table."""
    try:
        request = read_predict_request(body, signature_argument, Limits())
    except HttpError as error:
        return f"{error.status} {error.message}"
    form = "row" if request.is_row_form else "col"
    values = " ".join(["", *(value.hex() for value in request.values)])
    return f"OK {form} shape [{','.join(map(str, request.shape))}] values{values}".rstrip()


BODIES = json.loads((Path(__file__).parents[2] / "golden" / "tensorflow_serving_bodies.json").read_text())
# There, one text more than the shape says comes out, and the model fails on it. docs/serving.md names what differs.
MEANT = {"dup text": "OK row shape [1] values 61"}


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case["name"])
def test_bodies_are_read_as_tensorflow_serving_reads_them_word_by_word(case: dict[str, str]) -> None:
    expected = MEANT.get(case["name"], case["tf_serving"])
    assert described(base64.b64decode(case["body_base64"])) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": ' + b"[" * 300 + b'"a"' + b"]" * 300 + b"}",
        b'{"instances": [' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"]}",
        b'{"instances": [{"' + b"k" * 3_000_000 + b'": 1}]}',
        b'{"instances": [{"text": [' + b'"a",' * 100_000 + b"1]}]}",
        b'{"instances": [NaN' + b"x" * 1000 + b"]}",
        b'{"instances": ["a"], "n": ' + b"9" * 60_000 + b"}x",
    ],
    ids=["deep list", "deep object", "long key", "long list", "no number", "long number"],
)
def test_what_is_too_deep_or_too_long_is_a_bad_request_in_few_words(body: bytes) -> None:
    with pytest.raises(HttpError) as caught:
        read_predict_request(body, lambda signature: "text", Limits(body_bytes=4 << 20))
    assert caught.value.status in (400, 422)
    assert len(caught.value.message) < 800


def test_an_argument_that_stands_twice_in_a_long_body_is_refused_and_not_read_slowly() -> None:
    body = b'{"instances": [{"text": "a", "text": "' + b"b" * 100_000 + b'"}]}'
    with pytest.raises(HttpError, match="stands twice"):
        read(body)


def test_the_slow_reader_is_not_slow_enough_to_keep_others_waiting() -> None:
    worst = b"[" + b"1," * 32_000 + b"1] x"
    started = time.process_time()
    with pytest.raises(HttpError, match="Is not object"):
        read(worst)
    assert time.process_time() - started < 0.5
