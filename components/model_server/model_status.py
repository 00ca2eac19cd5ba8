"""Status and metadata of the model as TensorFlow Serving tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict


def version_status(version: str, state: str, error: str = "") -> dict[str, Any]:
    """Describes a version.

    Args:
        version: Its number.
        state: `LOADING`, `AVAILABLE`, `UNLOADING` or `END`.
        error: Why it ended, if it did not end well.

    Returns:
        An entry of `model_version_status`.
    """
    status = {"error_code": "UNKNOWN" if error else "OK", "error_message": error}
    return {"version": version, "state": state, "status": status}


def model_metadata(name: str, version: str, signature_defs: Mapping[str, Any]) -> dict[str, Any]:
    """Describes the signatures of a version.

    Args:
        name: Of the model.
        version: Its number.
        signature_defs: Messages by the name of the signature.

    Returns:
        The answer to `GET /v1/models/NAME/metadata`.
    """
    signatures = {
        key: MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for key, message in sorted(signature_defs.items())
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": version},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }
