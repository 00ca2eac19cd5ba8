"""Whether a SavedModel does nothing but compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files as package_files
from typing import Any

from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError

_SAVED_MODEL = "saved_model.pb"
_RESTORES = frozenset({"RestoreV2"})
"""How TensorFlow 1 reads the model's own variables; its loader runs them, and no signature may."""
_READS_A_TABLE = "InitializeTableFromTextFileV2"
_FEW = 5


@cache
def allowed_operations() -> frozenset[str]:
    """Returns the names of the operations that a stranger's model may use."""
    text = package_files(__package__).joinpath("allowed_operations.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def require_harmless(folder: str) -> None:
    """Refuses a SavedModel that could do more than compute, before it is loaded.

    A SavedModel is a program: its operations may read and write any file that its user may. Looked at are the
    functions and the parts of the graph that loading or serving runs, those that they call included.

    Args:
        folder: The SavedModel, local or remote.

    Raises:
        AgnewsError: It is none, or holds an operation that is not on the list of allowed ones.
    """
    path = f"{folder.rstrip('/')}/{_SAVED_MODEL}"
    model = _parse(path)
    found = sorted({f"{name} ({where})" for graph in model.meta_graphs for name, where in _forbidden(graph)})
    if found:
        more = f" and {len(found) - _FEW} more" if len(found) > _FEW else ""
        raise AgnewsError(
            "The model does more than compute: it holds operations that can reach files, other programs or machines.",
            found=f"{path}: {', '.join(found[:_FEW])}{more}",
            fix="Take a model from somebody you trust. If you trust this one as you trust a program: --trust-model.",
        )


def _parse(path: str) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    files = files_at(path)
    if not files.exists(path):
        raise AgnewsError("There is no SavedModel here.", found=f"no {path}", fix="Name the folder of a SavedModel.")
    try:
        return saved_model_pb2.SavedModel.FromString(files.read_bytes(path))
    except DecodeError as error:
        raise AgnewsError(
            "The file is no SavedModel, or it is damaged.", found=f"{path}: {error}", fix="Copy or download it again."
        ) from error


def _forbidden(graph: Any) -> Iterator[tuple[str, str]]:
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    gradients: dict[str, list[str]] = {}
    for gradient in graph.graph_def.library.gradient:
        gradients.setdefault(gradient.function_name, []).append(gradient.gradient_func)
    nodes = {node.name: node for node in graph.graph_def.node}
    served, restored = _run_nodes(graph, nodes)
    for run, offered, also in ((served, _offered(graph), frozenset[str]()), (restored, (), _RESTORES)):
        own = [nodes[name] for name in run]
        yield from _judge(own, "graph", functions, also)
        waiting = [*offered, *_called(own, functions)]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen or name not in functions:
                continue
            seen.add(name)
            function = functions[name]
            yield from _judge(function.node_def, name, functions, also, function.signature)
            waiting += [*_called(function.node_def, functions), *gradients.get(name, ())]


def _judge(
    nodes: Iterable[Any],
    where: str,
    functions: Mapping[str, Any],
    also: frozenset[str],
    signature: Any = None,
) -> Iterator[tuple[str, str]]:
    allowed = allowed_operations()
    arguments = {argument.name for argument in signature.input_arg} if signature is not None else set()
    for node in nodes:
        if node.op not in allowed and node.op not in also and node.op not in functions:
            yield node.op, where
        elif node.op == _READS_A_TABLE and signature is not None and _source(node) not in arguments:
            # The loader hands over where the model's own asset lies; any other name is a file of somebody else.
            yield f"{node.op} of a file that is no asset", where


def _source(node: Any) -> str:
    return str(node.input[1]).split(":")[0] if len(node.input) > 1 else ""


def _run_nodes(graph: Any, nodes: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """Returns the nodes of the graph that signatures and initialisers run, and those that restore variables."""
    served = [info.name for signature in graph.signature_def.values() for info in _tensors(signature)]
    for key in ("main_op", "legacy_init_op", "saved_model_main_op"):
        served += graph.collection_def[key].node_list.value if key in graph.collection_def else []
    if "table_initializer" in graph.collection_def:
        served += graph.collection_def["table_initializer"].node_list.value
    served += [
        info.name
        for key, signature in graph.signature_def.items()
        if key.startswith("__")
        for info in _tensors(signature)
    ]
    restored = [graph.saver_def.restore_op_name] if graph.saver_def.restore_op_name else []
    return _behind(served, nodes), _behind(restored, nodes)


def _tensors(signature: Any) -> Iterator[Any]:
    for info in (*signature.outputs.values(), *signature.inputs.values()):
        if info.WhichOneof("encoding") == "composite_tensor":
            yield from info.composite_tensor.components
        elif info.WhichOneof("encoding") == "coo_sparse":
            for name in (
                info.coo_sparse.values_tensor_name,
                info.coo_sparse.indices_tensor_name,
                info.coo_sparse.dense_shape_tensor_name,
            ):
                yield type(info)(name=name)
        else:
            yield info


def _behind(starts: Iterable[str], nodes: Mapping[str, Any]) -> set[str]:
    waiting = [_node_name(start) for start in starts]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found or name not in nodes:
            continue
        found.add(name)
        waiting += [_node_name(each) for each in nodes[name].input]
    return found


def _node_name(tensor: str) -> str:
    return tensor.removeprefix("^").split(":")[0]


def _offered(graph: Any) -> Iterator[str]:
    """Yields the functions that the object graph offers to whoever loads it, initialisers of tables among them.

    Functions that no object of it has, those that write checkpoints, are run by nobody.
    """
    for node in graph.object_graph_def.nodes:
        if node.WhichOneof("kind") == "bare_concrete_function":
            yield node.bare_concrete_function.concrete_function_name
        elif node.WhichOneof("kind") == "function":
            yield from node.function.concrete_functions


def _called(nodes: Iterable[Any], functions: Mapping[str, Any]) -> Iterator[str]:
    for node in nodes:
        if node.op in functions:
            yield node.op
        for value in node.attr.values():
            if value.HasField("func"):
                yield value.func.name
            for each in value.list.func:
                yield each.name
