"""How each family's cross-attention module takes keys and values: the only place that knows.

Stable Diffusion and SDXL keep text projections in ``attn2.to_k`` and ``to_v``.  DeepFloyd keeps them in ``add_k_proj`` and
``add_v_proj``, with biases, of a module that attends to the image and the text at once: text keys stand before its own.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .shapes import KeyOrValue, Maps, PerLayer, Queries, TextStates


def _adds_text(module: nn.Module) -> bool:
    """Whether a module adds text to its self-attention, as DeepFloyd's do."""
    return getattr(module, "add_k_proj", None) is not None


def is_cross_attention(path: str, module: nn.Module) -> bool:
    """Whether the module at `path` of a UNet attends to text, judged by structure and not by class name."""
    return _adds_text(module) or (
        path.endswith(".attn2") and hasattr(module, "to_k") and hasattr(module, "to_v")
    )


def projections(path: str, module: nn.Module) -> tuple[str, str]:
    """Dotted paths of the matrices that make a site's keys and values."""
    names = ("add_k_proj", "add_v_proj") if _adds_text(module) else ("to_k", "to_v")
    return f"{path}.{names[0]}", f"{path}.{names[1]}"


def split_heads(module: nn.Module, x: TextStates | Queries) -> KeyOrValue:
    """[rows, tokens, heads * d] to [rows, heads, tokens, d]."""
    return x.unflatten(-1, (module.heads, -1)).transpose(1, 2)


def read(module: nn.Module, states: TextStates) -> TextStates:
    """Text states as the module's projections read them: DeepFloyd's pass a norm, over tokens too, of the module's own."""
    return (
        module.norm_encoder_hidden_states(states)
        if _adds_text(module) and module.norm_cross
        else states
    )


def project(module: nn.Module, states: TextStates) -> tuple[KeyOrValue, KeyOrValue]:
    """Keys and values [rows, heads, tokens, d] of text states [rows, tokens, width]."""
    states = read(module, states)
    key, value = (
        (module.add_k_proj, module.add_v_proj) if _adds_text(module) else (module.to_k, module.to_v)
    )
    return split_heads(module, key(states)), split_heads(module, value(states))


def contributions(
    module: Any, hidden: Tensor, key: KeyOrValue, value: KeyOrValue
) -> Float[Tensor, "rows tokens"]:
    """How much each token writes: the norm, averaged over the image's places, of what it adds to a site's output.

    A token adds, at each place, the sum over heads of its attention there times its value, projected by W_O.

    Args:
        hidden: what the site is given, [rows, places, width], of DeepFloyd's [rows, width, y, x].
        key, value: the text's.
    """
    tokens = key.shape[2]
    if _adds_text(module):
        hidden = module.group_norm(hidden.flatten(2)).transpose(1, 2)
        if not module.only_cross_attention:  # the image's own keys take their part of the attention
            key = torch.cat([key, split_heads(module, module.to_k(hidden))], dim=2)
    query = split_heads(module, module.to_q(hidden))
    logits = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    attention = logits.softmax(-1)[..., :tokens]  # [rows, heads, places, tokens]
    out = module.to_out[0].weight.unflatten(1, (module.heads, -1))  # [width, heads, head_dim]
    written = torch.einsum("rhtd,whd->rhtw", value, out)
    # |sum over heads of a_h w_h|^2 without holding [places, tokens, width]
    inner = torch.einsum("rhtw,rgtw->rhgt", written, written)
    squared = torch.einsum("rhpt,rgpt,rhgt->rpt", attention, attention, inner)
    return squared.clamp_min(0).sqrt().mean(1)


WHOLE = 16  # numbers that a processor's widest registers hold; benchmarks/RESULTS.md has what filling them saves


def filled(
    keys: Sequence[PerLayer], values: Sequence[PerLayer]
) -> tuple[list[Tensor], list[Tensor], Tensor | None]:
    """(keys, values, bias) of the layers, on a CPU filled up to whole registers with tokens that the bias [1, tokens] hides."""
    tokens = keys[0].shape[2]
    more = -tokens % WHOLE
    if keys[0].device.type != "cpu" or not more:
        return list(keys), list(values), None
    bias = keys[0].new_zeros(1, tokens + more)
    bias[:, tokens:] = -torch.inf
    keys, values = ([F.pad(each, (0, 0, 0, more)) for each in part] for part in (keys, values))
    return keys, values, bias


class FromMemory:
    """An attention processor that reads the text's keys and values instead of computing them."""

    def __init__(self) -> None:
        self.text: tuple[KeyOrValue, KeyOrValue] | None = None  # keys and values
        self.bias: Tensor | None = None  # [1, tokens], added to the logits

    def _text(self) -> tuple[KeyOrValue, KeyOrValue]:
        assert self.text is not None, "no keys and values are loaded"
        return self.text

    def __call__(
        self,
        module: Any,
        hidden_states: Queries,
        encoder_hidden_states: Any = None,
        attention_mask: Any = None,
        temb: Any = None,
    ) -> Queries:
        return self._attend(module, module.to_q(hidden_states), *self._text(), self.bias)

    @staticmethod
    def _attend(
        module: Any, query: Queries, key: KeyOrValue, value: KeyOrValue, bias: Tensor | None
    ) -> Tensor:
        out = F.scaled_dot_product_attention(split_heads(module, query), key, value, attn_mask=bias)
        return module.to_out[1](module.to_out[0](out.transpose(1, 2).flatten(2)))


class FromMemoryAndImage(FromMemory):
    """The same for DeepFloyd's modules: the text's keys and values from memory, the image's own behind them."""

    def __call__(
        self,
        module: Any,
        hidden_states: Maps,
        encoder_hidden_states: Any = None,
        attention_mask: Any = None,
        temb: Any = None,
    ) -> Maps:
        flat = hidden_states.flatten(2)
        own = module.group_norm(flat).transpose(1, 2)
        (key, value), bias = self._text(), self.bias
        if not module.only_cross_attention:
            key = torch.cat([key, split_heads(module, module.to_k(own))], dim=2)
            value = torch.cat([value, split_heads(module, module.to_v(own))], dim=2)
            bias = None if bias is None else F.pad(bias, (0, own.shape[1]))
        out = self._attend(module, module.to_q(own), key, value, bias)
        return out.transpose(1, 2).reshape(hidden_states.shape) + hidden_states


def reader(module: nn.Module) -> FromMemory:
    """The processor that lets `module` read from memory."""
    return FromMemoryAndImage() if _adds_text(module) else FromMemory()
