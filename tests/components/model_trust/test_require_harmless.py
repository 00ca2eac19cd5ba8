"""A SavedModel of a stranger may compute, and nothing else. Each model here is a real one, exported by TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_text as tf_text

from agnews.components.model_trust.require_harmless import allowed_operations, require_harmless
from agnews.schemas.errors import AgnewsError

Text = tf.TensorSpec([None], tf.string, "text")


def export(folder: Path, answer: Callable[[tf.Tensor], tf.Tensor], **parts: object) -> str:
    module = tf.Module()
    for name, part in parts.items():
        setattr(module, name, part)
    module.answer = tf.function(answer, input_signature=[Text])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.answer})
    return str(folder)


def test_a_model_that_computes_with_variables_tables_assets_and_word_pieces_passes(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("[UNK]\nnews\n##s\n")
    weights = tf.Variable([[1.0, 2.0]])
    table = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            str(tmp_path / "words.txt"),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        1,
    )
    pieces = tf_text.FastWordpieceTokenizer(["[UNK]", "news", "##s"], support_detokenization=False)

    def answer(text: tf.Tensor) -> tf.Tensor:
        lengths = tf.cast(pieces.tokenize(text).row_lengths(), tf.float32)[:, None]
        found = tf.cast(table.lookup(tf.strings.lower(text)), tf.float32)[:, None]
        ranked = tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2.0), [0, found + lengths])[1]
        return tf.cond(tf.size(text) > 0, lambda: tf.nn.softmax(ranked * weights), lambda: ranked * weights)

    folder = export(tmp_path / "model", answer, weights=weights, table=table)
    require_harmless(folder)
    assert tf.saved_model.load(folder).answer(tf.constant(["news"])).shape == (1, 2)


@pytest.mark.parametrize("depth", ["signature", "called", "branch", "map"])
@pytest.mark.parametrize("operation", ["ReadFile", "WriteFile", "MatchingFiles"])
def test_a_model_that_reaches_files_is_refused_however_deep(tmp_path: Path, operation: str, depth: str) -> None:
    secret = str(tmp_path / "secret")

    def touch(text: tf.Tensor) -> tf.Tensor:
        match operation:
            case "ReadFile":
                return text + tf.io.read_file(secret)
            case "WriteFile":
                with tf.control_dependencies([tf.io.write_file(secret, "written")]):
                    return tf.identity(text)
            case _:
                return text + tf.strings.reduce_join(tf.io.matching_files(secret))

    def answer(text: tf.Tensor) -> tf.Tensor:
        match depth:
            case "signature":
                return touch(text)
            case "called":
                return tf.function(lambda t: tf.function(touch)(t))(text)
            case "branch":
                return tf.cond(tf.size(text) > 5, lambda: touch(text), lambda: text)
            case _:
                return tf.map_fn(touch, text)

    folder = export(tmp_path / "model", answer)
    with pytest.raises(AgnewsError, match="does more than compute") as caught:
        require_harmless(folder)
    assert operation in str(caught.value.found)
    assert "--trust-model" in caught.value.fix
    assert not (tmp_path / "secret").exists()


def test_a_function_that_is_offered_and_not_served_counts(tmp_path: Path) -> None:
    """A loader of an encoder calls what the object offers, not its signature."""
    hidden = tf.function(lambda text: tf.io.read_file(text[0]), input_signature=[Text])
    with pytest.raises(AgnewsError, match="does more than compute"):
        require_harmless(export(tmp_path / "model", lambda text: text, hidden=hidden))


def test_calls_of_python_are_refused(tmp_path: Path) -> None:
    folder = export(
        tmp_path / "model", lambda text: tf.ensure_shape(tf.py_function(lambda t: t, [text], tf.string), [None])
    )
    with pytest.raises(AgnewsError, match="does more than compute"):
        require_harmless(folder)


def test_a_table_that_is_read_from_a_file_of_this_machine_is_refused(tmp_path: Path) -> None:
    def answer(text: tf.Tensor) -> tf.Tensor:
        table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
        read = tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=table, filename="/etc/passwd", key_index=-2, value_index=-1
        )
        with tf.control_dependencies([read]):
            return tf.raw_ops.LookupTableFindV2(table_handle=table, keys=text, default_value=tf.constant(-1, tf.int64))

    with pytest.raises(AgnewsError) as caught:
        require_harmless(export(tmp_path / "model", answer))
    assert "no asset" in str(caught.value.found)


@pytest.mark.parametrize("harmful", [False, True])
def test_models_of_tensorflow_1_are_judged_by_what_they_run(tmp_path: Path, harmful: bool) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        text = tf.compat.v1.placeholder(tf.string, [None])
        bias = tf.compat.v1.get_variable("bias", initializer=1.0, use_resource=True)
        out = tf.strings.to_number(text) + bias
        if harmful:
            with tf.control_dependencies([tf.io.write_file(str(tmp_path / "secret"), "x")]):
                out = tf.identity(out)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(tmp_path / "model"), {"text": text}, {"out": out})
    if harmful:
        with pytest.raises(AgnewsError, match="does more than compute"):
            require_harmless(str(tmp_path / "model"))
    else:
        require_harmless(str(tmp_path / "model"))


def test_a_file_that_is_no_saved_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="no SavedModel here"):
        require_harmless(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(AgnewsError, match="damaged"):
        require_harmless(str(tmp_path))


def test_what_is_allowed_is_known_to_tensorflow_and_reaches_nothing() -> None:
    from tensorflow.python.framework import op_def_registry

    allowed = allowed_operations()
    assert [name for name in allowed if op_def_registry.get(name) is None] == []
    reaching = {
        "ReadFile",
        "WriteFile",
        "SaveV2",
        "RestoreV2",
        "PyFunc",
        "EagerPyFunc",
        "ImmutableConst",
        "DecodeProtoV2",
    }
    reaching |= {"MatchingFiles", "PrintV2", "GenerateVocabRemapping", "LoadAndRemapMatrix", "Abort", "TextLineDataset"}
    assert not allowed & reaching
    # A file's name is always an argument.
    of_files = {
        name
        for name in allowed
        for argument in (*op_def_registry.get(name).input_arg, *op_def_registry.get(name).attr)
        if "file" in argument.name.lower() or "path" in argument.name.lower()
    }
    assert of_files == {"InitializeTableFromTextFileV2"}
