"""The inside of text encoders, found by structure: CLIP's and T5's token embeddings, attention and MLP of each layer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

# What a layer's two halves are called, in CLIP and in T5.
_KINDS = {
    "self_attn": "attention",
    "mlp": "mlp",
    "SelfAttention": "attention",
    "DenseReluDense": "mlp",
}


@dataclass(frozen=True, kw_only=True)
class TextState:
    """One state of a text encoder that can be restored.

    Attributes:
        encoder: the pipeline's name of the text encoder.
        path: dotted path of the module inside it.
        layer: from 0.
        kind: attention or mlp.
    """

    encoder: str
    path: str
    layer: int
    kind: str


def encoders(pipeline: Any) -> dict[str, nn.Module]:
    """A pipeline's text encoders by name, in the order in which their states are concatenated."""
    found = {name: getattr(pipeline, name, None) for name in ("text_encoder", "text_encoder_2")}
    return {name: encoder for name, encoder in found.items() if encoder is not None}


def text_parameters(config: Mapping[str, Any]) -> int:
    """How many weights a published text encoder has, from its configuration (CLIP, or the encoder of T5 v1.1)."""
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    if config["class"] == "T5EncoderModel":  # 64 heads of 64, a gated MLP 2.5 times as wide
        return config["vocab_size"] * width + layers * (4 * width**2 + 3 * width * (5 * width // 2))
    projection = config["projection_dim"] * width * (config["class"] != "CLIPTextModel")
    return (config["vocab_size"] + 77) * width + layers * (12 * width**2 + 13 * width) + projection


def text_states(pipeline: Any) -> tuple[TextState, ...]:
    """Every layer's attention and MLP output of every text encoder, in execution order."""
    found = []
    for name, encoder in encoders(pipeline).items():
        for path, _ in encoder.named_modules():
            layer = re.search(r"\.(?:layers|block)\.(\d+)\.", f".{path}")
            if layer and (kind := _KINDS.get(path.rpartition(".")[2])):
                found.append(TextState(encoder=name, path=path, layer=int(layer[1]), kind=kind))
    return tuple(found)
