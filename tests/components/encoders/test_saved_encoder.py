from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from agnews.components.encoders.saved_encoder import open_saved_encoder
from agnews.schemas.errors import AgnewsError


def save(folder: Path, **changes: object) -> Path:
    """Saves something that is nearly an encoder."""
    (folder / "vocab.txt").write_text("[PAD]\n")
    specs = {name: tf.TensorSpec([None, None], tf.int32) for name in ("input_word_ids", "input_mask", "input_type_ids")}

    @tf.function(input_signature=[specs])
    def call(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor | list[tf.Tensor]]:
        outputs = tf.cast(inputs["input_word_ids"], tf.float32)
        names = ("pooled_output", "sequence_output", "default")
        return dict.fromkeys(names, outputs) | {"encoder_outputs": [outputs] * 3}

    shapes = {
        "word_embeddings/embeddings": (5, 2),
        "position_embedding/embeddings": (7, 2),
        "pooler_transform/bias": (2,),
    }
    parts = {
        "__call__": call,
        "trainable_variables": [tf.Variable(tf.zeros(shape), name=name) for name, shape in shapes.items()],
        "vocab_file": tf.saved_model.Asset(str(folder / "vocab.txt")),
        "do_lower_case": tf.Variable(True, trainable=False),
    }
    saveable = tf.train.Checkpoint()
    for name, part in (parts | changes).items():
        if part is not None:
            setattr(saveable, name, part)
    tf.saved_model.save(saveable, str(folder / "model"))
    return folder / "model"


def test_the_interface_is_what_counts(tmp_path: Path) -> None:
    encoder = open_saved_encoder(save(tmp_path))
    assert (encoder.vocabulary_size, encoder.max_length, encoder.hidden_dim, encoder.num_layers) == (5, 7, 2, 3)
    assert encoder.parameters == 10 + 14 + 2
    assert encoder.do_lower_case
    assert encoder.vocabulary_file.read_text() == "[PAD]\n"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"vocab_file": None}, "no vocab_file"),
        ({"__call__": None, "do_lower_case": None}, "no __call__, do_lower_case"),
        ({"trainable_variables": [tf.Variable(1.0)]}, "no variable pooler_transform/bias, position_embedding"),
        (
            {"__call__": tf.function(lambda words: words, input_signature=[tf.TensorSpec([None], tf.int32)])},
            "no function from a dict of input_mask, input_type_ids, input_word_ids",
        ),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, object], found: str, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match=f"not a BERT encoder(?s:.*){found}"):
        open_saved_encoder(save(tmp_path, **changes))


def test_a_model_of_tensorflow_1_is_refused(tmp_path: Path) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        words = tf.compat.v1.placeholder(tf.int32, [None])
        tf.compat.v1.saved_model.simple_save(session, str(tmp_path / "old"), {"words": words}, {"out": words + 1})
    with pytest.raises(AgnewsError, match="format of TensorFlow 1"):
        open_saved_encoder(tmp_path / "old")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = save(tmp_path)
    (folder / "variables" / "variables.index").write_bytes(b"")
    with pytest.raises(AgnewsError, match="variables that cannot be read"):
        open_saved_encoder(folder)
    shutil.rmtree(folder / "variables")
    with pytest.raises(AgnewsError, match="variables that cannot be read"):
        open_saved_encoder(folder)
    (folder / "saved_model.pb").write_bytes((folder / "saved_model.pb").read_bytes()[:100])
    with pytest.raises(AgnewsError, match=r"saved_model\.pb cannot be read"):
        open_saved_encoder(folder)


def test_a_graph_that_contradicts_itself_is_told(tmp_path: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    folder = save(tmp_path)
    whole = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for place in ("child", "asset", "function"):
        model = saved_model_pb2.SavedModel()
        model.CopyFrom(whole)
        nodes = model.meta_graphs[0].object_graph_def.nodes
        at = {child.local_name: child.node_id for child in nodes[0].children}
        if place == "child":
            nodes[0].children[0].node_id = 10_000
        elif place == "asset":
            nodes[at["vocab_file"]].asset.asset_file_def_index = 99
        else:
            nodes[at["__call__"]].function.concrete_functions[:] = ["none"]
        (folder / "saved_model.pb").write_bytes(model.SerializeToString())
        with pytest.raises(AgnewsError, match="not a BERT encoder that can be used"):
            open_saved_encoder(folder)
