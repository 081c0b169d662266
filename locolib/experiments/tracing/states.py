"""The states that causal tracing restores: of the UNet (Fig. 2) and of the text encoders (Fig. 3), in execution order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from ... import UserError
from ...models import Model, Spec, TextState, text_states
from ...models.architecture import configurations, skeleton
from ...models.attention import is_cross_attention

Where = Literal["last", "all"]
PLACES: tuple[Where, ...] = ("last", "all")  # of the subject's tokens


@dataclass(frozen=True, kw_only=True)
class State:
    """One state that can be restored.

    Attributes:
        index: position in execution order, from 0: in the UNet, or in the text encoders.
        path: dotted path of the module that gives it.
        kind: cross-attention, self-attention or resnet; in a text encoder attention or mlp.
        part: block of the UNet, or name of the text encoder.
        text: the text encoder's state; None in the UNet.
        where: at which of the subject's tokens a text state is restored.
    """

    index: int
    path: str
    kind: str
    part: str
    text: TextState | None = None
    where: Where | Literal[""] = ""

    @property
    def name(self) -> str:
        """Its name in tables."""
        return f"{self.part}.{self.path} ({self.where})" if self.text else self.path


def unet_states(unet: nn.Module) -> tuple[State, ...]:
    """Every cross-attention, self-attention and ResNet output of a UNet, in execution order (Fig. 2).

    DeepFloyd's modules attend to image and text at once, and add what they were given; they count as cross-attention.
    """
    blocks = [
        *(f"down_blocks.{i}" for i in range(len(unet.down_blocks))),
        "mid_block",
        *(f"up_blocks.{i}" for i in range(len(unet.up_blocks))),
    ]
    found = []
    for order, block in enumerate(blocks):
        for place, (name, module) in enumerate(unet.get_submodule(block).named_modules()):
            if kind := _kind(f"{block}.{name}", module):
                found.append((order, _turn(name), place, f"{block}.{name}", kind, block))
    return tuple(
        State(index=i, path=path, kind=kind, part=block)
        for i, (*_, path, kind, block) in enumerate(sorted(found))
    )


def _kind(path: str, module: nn.Module) -> str:
    if is_cross_attention(path, module):
        return "cross-attention"
    if path.endswith(".attn1"):
        return "self-attention"
    return "resnet" if hasattr(module, "time_emb_proj") and hasattr(module, "conv1") else ""


def _turn(name: str) -> int:
    """When a block calls its member: ResNet 0, attention 0, ResNet 1, ..."""
    kind, number = name.split(".")[:2]
    return 2 * int(number) + {"resnets": 0, "attentions": 1}.get(kind, 1000)  # samplers come last


def states(
    unet: nn.Module, texts: Sequence[TextState], *, stride: int = 1, where: Sequence[Where] = PLACES
) -> tuple[State, ...]:
    """All states that a page restores: those of the UNet, then those of the text encoders (Fig. 3), once for each of `where`.

    Args:
        stride: of each kind of the UNet's states one in `stride`; text encoders have few.
    """
    if stride < 1:
        raise UserError(f"stride must be at least 1, not {stride}.")
    seen: Counter[str] = Counter()
    kept = []
    for state in unet_states(unet):
        if seen[state.kind] % stride == 0:
            kept.append(state)
        seen[state.kind] += 1
    for place in where:
        kept += [
            State(index=i, path=t.path, kind=t.kind, part=t.encoder, text=t, where=place)
            for i, t in enumerate(texts)
        ]
    return tuple(kept)


def of_model(
    model: Model, *, stride: int = 1, where: Sequence[Where] = PLACES
) -> tuple[State, ...]:
    """`states` of a loaded model."""
    return states(model.unet, text_states(model.pipeline), stride=stride, where=where)


def count(spec: Spec, *, stride: int = 1, where: Sequence[Where] = PLACES) -> int:
    """How many states that are, from a model's configuration files alone."""
    unet, encoders = configurations(spec)
    layers = sum(encoder.get("num_hidden_layers") or encoder["num_layers"] for encoder in encoders)
    return len(states(skeleton(unet), (), stride=stride)) + 2 * layers * len(where)
