"""A model's and a scorer's parts as functions of tensors, which `graphs` traces.

The UNet takes every layer's keys and values as inputs, as `drawing.memory.KeysValues` hands them to it: so whatever a
reader does to the text of a layer is done before the graph is called, and none is exported twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...drawing.memory import KeysValues
from ...models import Model, Scorer
from ...models.attention import project

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
