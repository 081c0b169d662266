"""How each family's cross-attention module takes keys and values: the only place that knows.

Stable Diffusion and SDXL keep text projections in ``attn2.to_k`` and ``to_v``.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..shapes import KeyOrValue, Queries, TextStates


def is_cross_attention(path: str, module: nn.Module) -> bool:
    """Whether the module at `path` of a UNet attends to text, judged by structure and not by class name."""
    return path.endswith(".attn2") and hasattr(module, "to_k") and hasattr(module, "to_v")


def projections(path: str) -> tuple[str, str]:
    """Dotted paths of the matrices that make a site's keys and values."""
    return f"{path}.to_k", f"{path}.to_v"


def split_heads(module: nn.Module, x: TextStates | Queries) -> KeyOrValue:
    """[rows, tokens, heads * d] to [rows, heads, tokens, d]."""
    return x.unflatten(-1, (module.heads, -1)).transpose(1, 2)


def project(module: nn.Module, states: TextStates) -> tuple[KeyOrValue, KeyOrValue]:
    """Keys and values [rows, heads, tokens, d] of text states [rows, tokens, width]."""
    return split_heads(module, module.to_k(states)), split_heads(module, module.to_v(states))


class FromMemory:
    """An attention processor that reads keys and values instead of computing them from text."""

    def __init__(self) -> None:
        self.key: KeyOrValue | None = None
        self.value: KeyOrValue | None = None
        self.bias: Tensor | None = None  # [1, tokens], added to the logits

    def __call__(self, module, hidden_states: Queries, encoder_hidden_states=None, attention_mask=None, temb=None) -> Queries:
        query = split_heads(module, module.to_q(hidden_states))
        out = F.scaled_dot_product_attention(query, self.key, self.value, attn_mask=self.bias)
        return module.to_out[1](module.to_out[0](out.transpose(1, 2).flatten(2)))
