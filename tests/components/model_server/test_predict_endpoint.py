"""Answers in the forms of TensorFlow Serving's json_tensor_test.cc."""

from __future__ import annotations

import json

import numpy as np

from agnews.components.model_server.predict_endpoint import write_predict_response


def strings(*values: object) -> np.ndarray:
    return np.array(values, object)


def test_several_outputs_in_row_form_are_objects() -> None:
    outputs = {"label": strings(b"a", "é".encode()), "p": np.array([[0.5, 0.25], [1, 0]], np.float32)}
    assert json.loads(write_predict_response(outputs, is_row_form=True)) == {
        "predictions": [{"label": "a", "p": [0.5, 0.25]}, {"label": "é", "p": [1.0, 0.0]}]
    }


def test_several_outputs_in_column_form_are_one_object() -> None:
    outputs = {"label": strings(b"a", b"b"), "id": np.array([3, 4], np.int64)}
    assert json.loads(write_predict_response(outputs, is_row_form=False)) == {
        "outputs": {"label": ["a", "b"], "id": [3, 4]}
    }


def test_a_single_output_has_no_name() -> None:
    outputs = {"p": np.array([[1.5], [2.5]], np.float32)}
    assert json.loads(write_predict_response(outputs, is_row_form=True)) == {"predictions": [[1.5], [2.5]]}
    assert json.loads(write_predict_response(outputs, is_row_form=False)) == {"outputs": [[1.5], [2.5]]}


def test_numbers_have_as_few_digits_as_tell_them_apart_and_whole_ones_a_point() -> None:
    text = write_predict_response({"p": np.array([0.2, 1.0, 1 / 3], np.float32)}, is_row_form=True).decode()
    assert text == '{"predictions":[0.2,1.0,0.33333334]}'


def test_numbers_that_json_does_not_have_are_written_as_tensorflow_serving_does() -> None:
    outputs = {"p": np.array([np.nan, np.inf, -np.inf, 1], np.float32), "label": strings(*[b"a"] * 4)}
    text = write_predict_response(outputs, is_row_form=False).decode()
    assert '"p":[NaN,Infinity,-Infinity,1.0]' in text


def test_binary_outputs_are_base64_by_their_name() -> None:
    outputs = {"raw_bytes": strings(b"\xff\x00"), "raw": strings(b"\xff")}
    assert json.loads(write_predict_response(outputs, is_row_form=True)) == {
        "predictions": [{"raw_bytes": {"b64": "/wA="}, "raw": "�"}]
    }


def test_nested_strings_keep_their_form() -> None:
    outputs = {"tokens": np.array([[b"a", b""], [b"b", b"c"]], object)}
    assert json.loads(write_predict_response(outputs, is_row_form=True)) == {"predictions": [["a", ""], ["b", "c"]]}


def test_no_rows() -> None:
    outputs = {"p": np.empty((0, 4), np.float32), "label": strings()}
    assert json.loads(write_predict_response(outputs, is_row_form=False)) == {"outputs": {"p": [], "label": []}}
