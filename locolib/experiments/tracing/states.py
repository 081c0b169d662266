"""The states that causal tracing restores: of the UNet (Fig. 2) and of the text encoders (Fig. 3), in execution order."""

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
ATTENTION, RESNETS = PARTS = ("attention states", "ResNets")  # of a UNet, which are judged apart


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
        output: whether it is on the output stream: a ResNet of the UNet's last block.  All that the deeper blocks have found
            reaches the picture through it, so that restoring it restores their answer, wherever that came from.
    """

    index: int
    path: str
    kind: str
    part: str
    text: TextState | None = None
    where: Where | Literal[""] = ""
    output: bool = False

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
        State(
            index=i,
            path=path,
            kind=kind,
            part=block,
            output=kind == "resnet" and block == blocks[-1],
        )
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


def _thinned(found: Sequence[State], most: int) -> list[State]:
    """At most `most` of each kind, evenly spread, of cross-attention twice as many; 0: every state.

    Of the output stream the last state alone is kept: no chance of the spacing decides whether it is there.
    """
    if not most:
        return list(found)
    kept = {next(i for i in reversed(range(len(found))) if found[i].output)}
    for kind in dict.fromkeys(state.kind for state in found):
        of_kind = [i for i, state in enumerate(found) if state.kind == kind and not state.output]
        wanted = min(len(of_kind), most * (2 if kind == "cross-attention" else 1))
        # The middles of equal stretches: with the ends, first and last states would count for too much.
        kept |= {of_kind[int((i + 0.5) * len(of_kind) / wanted)] for i in range(wanted)}
    return [found[i] for i in sorted(kept)]


def of_spec(spec: Spec) -> tuple[State, ...]:
    """Every state of a model's UNet, from its configuration files alone."""
    return unet_states(skeleton(configurations(spec)[0]))


def states(
    unet: nn.Module, texts: Sequence[TextState], *, most: int = 0, where: Sequence[Where] = PLACES
) -> tuple[State, ...]:
    """All states that a page restores: those of the UNet, then those of the text encoders (Fig. 3), once for each of `where`.

    Args:
        most: of each kind of the UNet's states at most so many, of cross-attention twice as many; 0: every state.  Text
            encoders have few.
    """
    if most < 0:
        raise UserError(f"The number of states must be at least 0, not {most}.")
    kept = _thinned(unet_states(unet), most)
    for place in where:
        kept += [
            State(index=i, path=t.path, kind=t.kind, part=t.encoder, text=t, where=place)
            for i, t in enumerate(texts)
        ]
    return tuple(kept)


def parts(chosen: Sequence[State]) -> dict[str, list[State]]:
    """A UNet's states as they are judged, attention and ResNets apart, without those on the output stream.

    A ResNet's output is the whole stream of features, what attention gives is only added to it (but in DeepFloyd).
    """
    judged = [state for state in chosen if not state.text and not state.output]
    return {
        ATTENTION: [state for state in judged if state.kind != "resnet"],
        RESNETS: [state for state in judged if state.kind == "resnet"],
    }


def of_model(model: Model, *, most: int = 0, where: Sequence[Where] = PLACES) -> tuple[State, ...]:
    """`states` of a loaded model."""
    return states(model.unet, text_states(model.pipeline), most=most, where=where)


def count(spec: Spec, *, most: int = 0, where: Sequence[Where] = PLACES) -> int:
    """How many states that are, from a model's configuration files alone."""
    unet, encoders = configurations(spec)
    layers = sum(encoder.get("num_hidden_layers") or encoder["num_layers"] for encoder in encoders)
    return len(states(skeleton(unet), (), most=most)) + 2 * layers * len(where)
