"""Edits as files: a LoRA of exact rank, or a whole folder; facts in their metadata."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ... import UserError
from ...models import Model
from ...models.precision import exact
from ...store import write_atomic
from .edits import Edit, applied


def low_rank(delta: Tensor) -> tuple[Tensor, Tensor]:
    """Exact factors of a delta [out, in]: (up [out, rank], down [rank, in]), of the smallest rank that gives it back."""
    u, s, vt = torch.linalg.svd(exact(delta), full_matrices=False)
    rank = max(1, int((s > s[0] * max(delta.shape) * torch.finfo(torch.float32).eps).sum()))
    root = s[:rank].sqrt()
    return (u[:, :rank] * root).float(), (root[:, None] * vt[:rank]).float()


def save_lora(model: Model, edit: Edit, folder: Path) -> int:
    """Write an edit of the UNet as a LoRA that plain diffusers loads by ``load_lora_weights``; returns its largest rank.

    Raises:
        UserError: the edit changes a text encoder, or what is no matrix.
    """
    factors: dict[str, Tensor] = {}
    ranks = []
    for path, delta in edit.deltas.items():
        part, _, rest = path.partition(".")
        if part != "unet" or delta.ndim != 2:
            raise UserError(
                f"{edit.method} changes {path}, which no LoRA of the UNet can hold; save the edited pipeline instead (--as pipeline)."
            )
        up, down = low_rank(delta)
        name = rest.removesuffix(".weight")
        factors |= {
            f"{name}.lora_A.weight": down.contiguous(),
            f"{name}.lora_B.weight": up.contiguous(),
        }
        ranks.append(up.shape[1])
    model.pipeline.save_lora_weights(folder, unet_lora_layers=factors, safe_serialization=True)
    return max(ranks)


def save_pipeline(model: Model, edit: Edit, folder: Path) -> None:
    """Write the edited model as an ordinary diffusers folder."""
    with applied(model, edit) as edited:
        edited.pipeline.save_pretrained(folder, safe_serialization=True)


def annotate(folder: Path, facts: Mapping[str, str]) -> None:
    """Add entries to the metadata of the weights of a folder (its first safetensors file); the tensors stay what they are."""
    file = min(folder.glob("*.safetensors"))
    with safe_open(file, "pt") as opened:
        names, before = (
            opened.keys(),
            opened.metadata() or {},
        )  # no mapping: it has no other way to its names
        tensors = {name: opened.get_tensor(name) for name in names}
    write_atomic(file, save(tensors, {"format": "pt"} | before | dict(facts)))
