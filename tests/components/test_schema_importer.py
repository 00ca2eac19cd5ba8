from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tfx.types import standard_artifacts

from agnews.components.schema_importer import Executor, SchemaImporter
from agnews.schemas.errors import AgnewsError


def run(folder: Path, properties: dict[str, Any]) -> str:
    schema = standard_artifacts.Schema()
    schema.uri = str(folder / "out")
    (folder / "out").mkdir()
    Executor().Do({}, {"schema": [schema]}, properties)
    return (folder / "out" / "schema.pbtxt").read_text()


def test_the_curated_schema_is_copied_whole(tmp_path: Path, repository: Path) -> None:
    node = SchemaImporter()
    assert node.id == "ImportSchemaGen"
    assert run(tmp_path, node.exec_properties) == (repository / "schemas" / "schema.pbtxt").read_text()


def test_its_properties_name_no_path_of_this_machine(repository: Path) -> None:
    assert str(repository) not in str(SchemaImporter().exec_properties)


def test_an_edited_schema_has_another_digest(tmp_path: Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text('feature { name: "text" type: BYTES }')
    before = SchemaImporter(str(path)).exec_properties
    path.write_text('feature { name: "text" type: INT }')
    assert SchemaImporter(str(path)).exec_properties != before
    with pytest.raises(AgnewsError, match="not the one that this pipeline was built with"):
        run(tmp_path, before)


def test_a_broken_schema_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text("feature {\n  name: text\n}\n")
    with pytest.raises(AgnewsError, match="not a schema") as caught:
        run(tmp_path, SchemaImporter(str(path)).exec_properties)
    assert "2:" in str(caught.value.found)


def test_a_missing_schema_is_found_out_before_the_run() -> None:
    with pytest.raises(AgnewsError, match="cannot be read"):
        SchemaImporter("/nowhere/schema.pbtxt")
