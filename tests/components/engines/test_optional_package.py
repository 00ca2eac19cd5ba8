from __future__ import annotations

import subprocess
import sys

import pytest

from agnews.components.engines.optional_package import import_optional
from agnews.schemas.errors import AgnewsError


@pytest.mark.parametrize(("package", "extra"), [("openvino", "openvino"), ("onnxruntime", "onnx"), ("tf2onnx", "onnx")])
def test_a_package_that_is_missing_names_the_extra_that_brings_it(
    package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(AgnewsError, match="The engine needs the package") as error:
        import_optional(package, "The engine")

    assert f"agnews[{extra}]" in error.value.fix


@pytest.mark.integration
def test_nobody_is_told_that_openvino_is_used() -> None:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    program = (
        "import sys\n"
        "from agnews.components.engines.optional_package import import_optional\n"
        "import_optional('openvino', 'This')\n"
        "from openvino.tools.ovc.telemetry_utils import init_ovc_telemetry\n"
        "print(type(init_ovc_telemetry('test')).__module__)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split()[-1] == "openvino.tools.ovc.telemetry_stub"
