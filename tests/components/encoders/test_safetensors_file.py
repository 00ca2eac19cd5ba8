from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from agnews.components.encoders.safetensors_file import SafetensorsFile, write_safetensors
from agnews.schemas.errors import AgnewsError


def stored(path: Path, kind: str, shape: list[int], content: bytes, /, **changes: object) -> Path:
    entry = {"dtype": kind, "shape": shape, "data_offsets": [0, len(content)]} | changes
    header = json.dumps({"__metadata__": {"format": "pt"}, "table": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content)
    return path


def test_hugging_faces_file_is_written_back_to_the_byte(recordings: Path, tmp_path: Path) -> None:
    path = recordings / "cased" / "model.safetensors"
    file = SafetensorsFile(path)
    write_safetensors(tmp_path / "copy", {name: file.read(name) for name in file.shapes})
    copy = SafetensorsFile(tmp_path / "copy")
    assert copy.shapes == file.shapes
    assert (tmp_path / "copy").stat().st_size == path.stat().st_size
    for name in file.shapes:
        assert np.array_equal(copy.read(name), file.read(name))


def test_half_precision_is_read(tmp_path: Path) -> None:
    values = np.array([[1.5, -2.0], [0.0, 3e-3]], np.float32)
    half = stored(tmp_path / "half", "F16", [2, 2], values.astype(np.float16).tobytes())
    np.testing.assert_array_equal(SafetensorsFile(half).read("table"), values.astype(np.float16))
    # A bfloat16 is the upper half of a float32.
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    brain = stored(tmp_path / "brain", "BF16", [2, 2], upper.tobytes())
    np.testing.assert_allclose(SafetensorsFile(brain).read("table"), values, rtol=2**-7)


@pytest.mark.parametrize("keep", [0, 5, 8, 100, 3000, -1])
def test_a_file_that_was_cut_is_not_read(keep: int, recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes((recordings / "cased" / "model.safetensors").read_bytes()[:keep])
    with pytest.raises(AgnewsError, match="not a whole safetensors file") as raised:
        SafetensorsFile(tmp_path / "cut")
    assert str(tmp_path / "cut") in raised.value.problem


def test_how_much_is_missing_is_said(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes((recordings / "cased" / "model.safetensors").read_bytes()[:-1000])
    with pytest.raises(AgnewsError, match=r"24,216 bytes of weights where the header announces 25,216: .* cut off"):
        SafetensorsFile(tmp_path / "cut")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"data_offsets": [0, 999]}, "tensor table at bytes 0 to 999"),
        ({"data_offsets": [4, 16]}, "tensor table at bytes 4 to 16"),
        ({"data_offsets": "all"}, "data_offsets all"),
        ({"shape": [-2, -2]}, r"shape \[-2, -2\]"),
        ({"shape": [2]}, "tensor table at bytes 0 to 16, which cannot be"),
        ({"dtype": "Q4"}, "type Q4"),
    ],
)
def test_a_header_that_lies_is_not_believed(changes: dict[str, object], found: str, tmp_path: Path) -> None:
    path = stored(tmp_path / "file", "F32", [2, 2], bytes(16), **changes)
    with pytest.raises(AgnewsError, match=found):
        SafetensorsFile(path)


def test_a_header_that_is_too_deep_is_told(tmp_path: Path) -> None:
    header = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    (tmp_path / "deep").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(AgnewsError, match="too deep"):
        SafetensorsFile(tmp_path / "deep")


def test_what_is_no_safetensors_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "pickle").write_bytes(b"PK\x03\x04 a zip file, as PyTorch writes them")
    with pytest.raises(AgnewsError, match="no safetensors file has"):
        SafetensorsFile(tmp_path / "pickle")
    with pytest.raises(AgnewsError, match=r"cannot be read(?s:.*)No such file"):
        SafetensorsFile(tmp_path / "none")


def test_weights_that_are_no_numbers_are_not_used(tmp_path: Path) -> None:
    content = np.array([1.0, np.nan], np.float32).tobytes()
    with pytest.raises(AgnewsError, match="tensor table with values that are no numbers"):
        SafetensorsFile(stored(tmp_path / "nan", "F32", [2], content)).read("table")
    with pytest.raises(AgnewsError, match="tensor table of type I64"):
        SafetensorsFile(stored(tmp_path / "ids", "I64", [2], bytes(16))).read("table")


@pytest.mark.parametrize(
    ("kind", "count", "size"),
    [("BOOL", 3, 3), ("I8", 3, 3), ("I16", 3, 6), ("U16", 3, 6), ("F8_E4M3", 3, 3), ("U64", 3, 24), ("F4", 4, 2)],
)
def test_a_tensor_of_any_type_may_stand_beside_the_weights(kind: str, count: int, size: int, tmp_path: Path) -> None:
    header = {
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "b": {"dtype": kind, "shape": [count], "data_offsets": [4, 4 + size]},
    }
    encoded = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + struct.pack("<f", 2.5) + bytes(size))
    file = SafetensorsFile(path)
    assert file.shapes == {"a": (1,), "b": (count,)}
    assert file.read("a").tolist() == [2.5]
    with pytest.raises(AgnewsError, match=f"tensor b of type {kind}"):
        file.read("b")
