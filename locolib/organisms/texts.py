"""A miniature's frozen text encoders: the modules of its folder, and what they make of captions in training."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5EncoderModel,
    T5Tokenizer,
)

Encode = Callable[[list[str], int], tuple[Tensor, Tensor | None]]
"""(texts, tokens of each) to their states [n, tokens, width], and what is pooled of them [n, d] or None."""


def modules(kind: str, work: Path) -> dict:
    """Text encoders and tokenizers of a kind of UNet, by diffusers' names, from the folder in which they were trained."""
    if kind == "if":
        return {
            "text_encoder": T5EncoderModel.from_pretrained(work / "text_encoder"),
            "tokenizer": T5Tokenizer.from_pretrained(work / "tokenizer"),
        }
    found = {
        "text_encoder": CLIPTextModel.from_pretrained(work / "text_encoder"),
        "tokenizer": CLIPTokenizer.from_pretrained(work / "tokenizer"),
    }
    if kind == "sdxl":
        found |= {
            "text_encoder_2": CLIPTextModelWithProjection.from_pretrained(work / "text_encoder_2"),
            "tokenizer_2": CLIPTokenizer.from_pretrained(work / "tokenizer_2"),
        }
    return found


def encoder(kind: str, work: Path) -> Encode:
    """How a kind of pipeline encodes text, with any number of tokens."""
    parts = {
        name: part.eval() if isinstance(part, torch.nn.Module) else part
        for name, part in modules(kind, work).items()
    }

    def ids(texts: list[str], length: int, tokenizer: str = "tokenizer"):
        found = parts[tokenizer](
            texts, padding="max_length", max_length=length, return_tensors="pt"
        )
        assert found.input_ids.shape[1] == length, "a caption is longer than the table"
        return found

    def stable(texts: list[str], length: int) -> tuple[Tensor, None]:
        return parts["text_encoder"](ids(texts, length).input_ids).last_hidden_state, None

    def sdxl(texts: list[str], length: int) -> tuple[Tensor, Tensor]:
        first = parts["text_encoder"](ids(texts, length).input_ids, output_hidden_states=True)
        second = parts["text_encoder_2"](
            ids(texts, length, "tokenizer_2").input_ids, output_hidden_states=True
        )
        said = torch.tensor([float(bool(text)) for text in texts])  # the empty prompt is all zeros
        states = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        return states * said[:, None, None], second.text_embeds * said[:, None]

    def deepfloyd(texts: list[str], length: int) -> tuple[Tensor, None]:
        found = ids([text.lower() for text in texts], length)
        return parts["text_encoder"](
            found.input_ids, attention_mask=found.attention_mask
        ).last_hidden_state, None

    return {"sdxl": sdxl, "if": deepfloyd}.get(kind, stable)
