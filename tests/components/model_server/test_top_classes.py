from __future__ import annotations

import numpy as np

from agnews.components.model_server.predict_endpoint import write_predict_response
from agnews.components.model_server.top_classes import name_chosen, take_top_classes

CLASSES = ("sports", "money", "film")
OUTPUTS = {
    "class_id": np.array([0, 2]),
    "probabilities": np.array([[0.9, 0.6, 0.1], [0.1, 0.2, 0.3]], np.float32),
    "chosen": np.array([[True, True, False], [False, False, False]]),
}


def test_all_classes_of_a_text_are_named_in_both_forms() -> None:
    named = name_chosen(OUTPUTS, CLASSES)
    rows = write_predict_response(named, is_row_form=True, shape=None)
    columns = write_predict_response(named, is_row_form=False, shape=None)
    assert b'"chosen":[true,true,false],"labels":["sports","money"]' in rows
    assert b'"labels":[["sports","money"],[]]' in columns


def test_the_likeliest_ones_stand_in_place_of_what_is_said_of_all() -> None:
    top = take_top_classes(name_chosen(OUTPUTS, CLASSES), 1, CLASSES)
    assert sorted(top) == ["class_id", "labels", "top_labels", "top_probabilities"]
    assert top["labels"].tolist() == [[b"sports", b"money"], []]


def test_rows_with_as_many_classes_each_stay_lists() -> None:
    outputs = {"chosen": np.array([[True, False, False], [False, True, False]])}
    assert name_chosen(outputs, CLASSES)["labels"].tolist() == [[b"sports"], [b"money"]]


def test_a_model_of_one_class_says_nothing_more() -> None:
    outputs = {"probabilities": OUTPUTS["probabilities"]}
    assert name_chosen(outputs, CLASSES) is outputs
