"""A model's parts as ONNX graphs without weights, and the weights beside them.

The UNet takes every layer's keys and values as inputs, as `drawing.memory.KeysValues` hands them to it: so whatever a
reader does to the text of a layer is done before the graph is called, and none is exported twice.
"""

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from importlib import import_module
from io import StringIO
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ... import UserError
from ...drawing.memory import KeysValues
from ...models import Model, Scorer
from ...models.attention import project

OPSET = 18
WEIGHTS = "weights"  # what a graph calls the file of its weights
FEWEST = 8  # numbers of a constant that lies outside: a graph's shapes are told by smaller ones, which must stay in it
PARTS = ("text", "memory", "unet", "decoder")  # of a model
SCORER_PARTS = ("look", "read")  # of a scorer


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part as a function of tensors.

    Attributes:
        name: of `PARTS` or `SCORER_PARTS`.
        module, inputs: what is traced, and with which tensors (keys and values are lists of them).
        names, outputs: of the graph's inputs and outputs, in order.
        rows: whether the first axis of all inputs but the time is free.
    """

    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    rows: bool


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


class _Text(nn.Module):
    """Token ids [1, tokens] to text states [1, tokens, width]."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids: Tensor) -> Tensor:
        return self.encoder(ids)[0]


class _Memory(nn.Module):
    """Text states to every layer's K and V [1, heads, tokens, d], all keys first."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.sites = nn.ModuleList(modules)

    def forward(self, states: Tensor) -> tuple[Tensor, ...]:
        pairs = [project(module, states) for module in self.sites]
        return *(key for key, _ in pairs), *(value for _, value in pairs)


class _Denoiser(nn.Module):
    """Noisy latents, the time step and all K and V to the UNet's prediction."""

    def __init__(self, unet: nn.Module, memory: KeysValues) -> None:
        super().__init__()
        self.unet, self.memory = unet, memory

    def forward(
        self, latents: Tensor, time: Tensor, keys: list[Tensor], values: list[Tensor]
    ) -> Tensor:
        self.memory.load(keys, values)
        return self.unet(latents, time, encoder_hidden_states=None).sample


class _Decoder(nn.Module):
    """Latents to pixels in [-1, 1]."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.vae, self.model = model.pipeline.vae, model

    def forward(self, latents: Tensor) -> Tensor:
        return self.vae.decode(self.model.unscaled(latents)).sample


class _Look(nn.Module):
    """Levels 0 to 255 [rows, 3, h, w] of pictures of the scorer's own size to unit embeddings [rows, d]."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.clip = scorer.model
        normal = next(t for t in scorer.preprocess.transforms if hasattr(t, "mean"))
        for name in ("mean", "std"):
            values = torch.tensor(getattr(normal, name), dtype=torch.float32)
            self.register_buffer(name, values.view(1, 3, 1, 1))

    def forward(self, levels: Tensor) -> Tensor:
        return self.clip.encode_image((levels / 255 - self.mean) / self.std, normalize=True)


class _Read(nn.Module):
    """Token ids [1, tokens] to the text's unit embedding [1, d]."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.clip = scorer.model

    def forward(self, ids: Tensor) -> Tensor:
        return self.clip.encode_text(ids, normalize=True)


@torch.no_grad()
def parts(model: Model) -> Iterator[Part]:
    """The parts of a latent model, one after another; the UNet reads from memory while its part is in use."""
    ids = model.token_ids(["a cat"])
    states, modules = model.encode(["a cat"]).states, KeysValues(model.unet).modules
    names = tuple(f"{kind}{i}" for kind in "kv" for i in range(len(modules)))
    text = _Text(model.pipeline.text_encoder)
    yield Part(
        name="text", module=text, inputs=(ids,), names=("ids",), outputs=("states",), rows=False
    )
    projected = _Memory(modules)
    told = projected(states)
    yield Part(
        name="memory",
        module=projected,
        inputs=(states,),
        names=("states",),
        outputs=names,
        rows=False,
    )
    latents = torch.zeros(2, *model.latent_shape)
    both = [torch.cat([part, part]) for part in told]
    keys, values = both[: len(modules)], both[len(modules) :]
    with KeysValues(model.unet) as memory:
        yield Part(
            name="unet",
            module=_Denoiser(model.unet, memory),
            inputs=(latents, torch.tensor([500.0]), keys, values),
            names=("latents", "time", *names),
            outputs=("predicted",),
            rows=True,
        )
    yield Part(
        name="decoder",
        module=_Decoder(model),
        inputs=(latents,),
        names=("latents",),
        outputs=("pixels",),
        rows=True,
    )


def scorer_parts(scorer: Scorer, side: int) -> Iterator[Part]:
    """The parts of a scorer of pictures of so many pixels a side: what looks at pictures, and what reads texts."""
    yield Part(
        name="look",
        module=_Look(scorer),
        inputs=(torch.zeros(2, 3, side, side),),
        names=("levels",),
        outputs=("embedded",),
        rows=True,
    )
    yield Part(
        name="read",
        module=_Read(scorer),
        inputs=(scorer.tokenizer(["a cat"]),),
        names=("ids",),
        outputs=("embedded",),
        rows=False,
    )


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
