"""Parts (`parts`) as ONNX graphs without weights, and the weights beside them."""

import hashlib
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib import import_module
from io import StringIO
from typing import Any

import numpy as np
import torch
from torch import nn

from ... import UserError
from .parts import Part

OPSET = 18
WEIGHTS = "weights"  # what a graph calls the file of its weights
FEWEST = 8  # numbers of a constant that lies outside: a graph's shapes are told by smaller ones, which must stay in it


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph whose float32 weights lie outside.

    Attributes:
        data: the ONNX file.
        sources: for each tensor outside, in order: the module's weight that it is, whether it is turned round.
        weights: their values.
        whole: whether no other weight of the module is in it in another form: folded, or merged with one that is equal.
    """

    data: bytes
    sources: tuple[tuple[str, bool], ...]
    weights: tuple[np.ndarray, ...]
    whole: bool

    @property
    def name(self) -> str:
        """A name of its own for what it is: equal graphs are one file."""
        return hashlib.sha256(self.data).hexdigest()[:12]


def optional(name: str) -> Any:
    """A package of the extra "live".

    Raises:
        UserError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise UserError(
            f"The live page needs {name}, which is not installed: pip install 'locolib[live]'."
        ) from None


def reweighed(graph: Graph, part: Part) -> Graph | None:
    """The graph of another model's same part with this one's weights; None where it is not the same, or is not `whole`.

    Tracing a UNet takes half a minute, and graphs of one architecture are equal.
    """
    own, weights = _own(part.module), []
    for (source, turned), before in zip(graph.sources, graph.weights):
        value = own.get(source, before)
        weights.append(value.T if turned else value)
    same = all(one.shape == other.shape for one, other in zip(weights, graph.weights))
    return replace(graph, weights=tuple(weights)) if same and graph.whole else None


def _own(module: nn.Module) -> dict[str, np.ndarray]:
    """A module's float32 weights by name."""
    state = module.state_dict().items()
    return {name: value.numpy().copy() for name, value in state if value.dtype == torch.float32}


def _source(name: str, weight: np.ndarray, own: Mapping[str, np.ndarray]) -> tuple[str, bool]:
    """The weight that a tensor of the graph is, and whether tracing turned it round; "" for a constant.

    A tensor that was turned round may have kept its name, so that only its numbers tell.
    """
    if name in own and np.array_equal(own[name], weight):
        return name, False
    turned = (
        other
        for other, value in own.items()
        if weight.ndim == 2
        and value.shape == weight.shape[::-1]
        and np.array_equal(value.T, weight)
    )
    return next(((other, True) for other in turned), ("", False))


@torch.no_grad()
def exported(part: Part) -> Graph:
    """A part as a graph whose weights lie outside.

    Raises:
        UserError: onnx or onnxscript are not installed.
    """
    for name in ("onnx", "onnxscript"):
        optional(name)
    free = {0: torch.export.Dim("rows", min=1, max=64)}
    shapes = tuple(_shapes(value, name, free) for value, name in zip(part.inputs, part.names))
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            part.module.eval(),
            part.inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(part.names),
            output_names=list(part.outputs),
            dynamic_shapes=shapes if part.rows else None,
        )
    assert program is not None
    return _split(program.model_proto, _own(part.module))


def _shapes(value: Any, name: str, free: dict[int, Any]) -> Any:
    """Which axes of an input are free: the first of all but the time's."""
    if isinstance(value, list):
        return [free] * len(value)
    return None if name == "time" else free


def _split(proto: Any, own: Mapping[str, np.ndarray]) -> Graph:
    """A model's file without its float32 weights (its `own`, and large constants), and those weights.

    What tracing wrote into it about itself goes too.
    """
    sources, weights, at = [], [], 0
    for tensor in proto.graph.initializer:
        data = bytes(tensor.raw_data)
        few = len(data) < 4 * (1 if tensor.name in own else FEWEST)
        if tensor.data_type != 1 or few:  # 1 is FLOAT
            continue
        weights.append(np.frombuffer(data, "<f4").reshape(tuple(tensor.dims)))
        sources.append(_source(tensor.name, weights[-1], own))
        tensor.ClearField("raw_data")
        tensor.data_location = 1  # EXTERNAL
        for key, value in (("location", WEIGHTS), ("offset", at), ("length", len(data))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, str(value)
        at += len(data)
    for thing in (proto, proto.graph, *proto.graph.node, *proto.graph.initializer):
        for field in ("doc_string", "metadata_props"):
            thing.ClearField(field)
    for field in ("producer_name", "producer_version"):
        proto.ClearField(field)
    proto.graph.ClearField("value_info")
    used, inside = {source for source, _ in sources}, {weight.tobytes() for weight in weights}
    whole = not any(value.tobytes() in inside for name, value in own.items() if name not in used)
    data = proto.SerializeToString(deterministic=True)
    return Graph(data=data, sources=tuple(sources), weights=tuple(weights), whole=whole)
