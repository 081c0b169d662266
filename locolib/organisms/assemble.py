"""Parts to a folder: an ordinary pipeline of the real model's class, which plain diffusers loads."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import (
    DiffusionPipeline,
    IFPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from diffusers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import load_file, save_file
from torch import nn

from .networks import scheduler

_UNCHECKED = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def pipeline(kind: str, prediction: str, parts: dict) -> DiffusionPipeline:
    """The pipeline of a kind of UNet: `parts` are its modules and tokenizers by diffusers' names."""
    parts = parts | {"scheduler": scheduler(kind, prediction)}
    if kind == "sdxl":
        return StableDiffusionXLPipeline(
            **parts, force_zeros_for_empty_prompt=True, add_watermarker=False
        )
    if kind == "if":
        return IFPipeline(**parts, watermarker=None, **_UNCHECKED)
    return StableDiffusionPipeline(**parts, **_UNCHECKED)


def save_pipeline(folder: Path, *, kind: str, prediction: str, **parts) -> None:
    """Save as safetensors: UNet and VAE in half precision, text encoders in full.

    (transformers loads the dtype that it finds, diffusers always float32: a half-precision text encoder would meet a
    float32 UNet.)
    """
    halves = [part for name, part in parts.items() if name in ("unet", "vae")]
    for name, part in parts.items():
        if isinstance(part, nn.Module):
            part.half() if name in ("unet", "vae") else part.float()
    pipeline(kind, prediction, parts).save_pretrained(folder, safe_serialization=True)
    for path in folder.glob(
        "*/config.json"
    ):  # diffusers writes down from which folder a part was loaded
        config = json.loads(path.read_text(encoding="utf-8"))
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for part in halves:
        part.to(torch.float32)


def share(folder: Path, base: Path) -> None:
    """Split a UNet's weights in two shards: `base`'s file as it is, which git keeps once, and the tensors that differ.

    An ordinary sharded model: its index names for each tensor the shard that counts.  diffusers loads shards whole, in
    the order of their names, so what differs must come last.
    """
    whole, shards = (
        folder / SAFETENSORS_WEIGHTS_NAME,
        [folder / f"diffusion_pytorch_model-0000{i}-of-00002.safetensors" for i in (1, 2)],
    )
    weights, kept = load_file(whole), load_file(base / SAFETENSORS_WEIGHTS_NAME)
    own = {name: weight for name, weight in weights.items() if not torch.equal(weight, kept[name])}
    shutil.copyfile(base / SAFETENSORS_WEIGHTS_NAME, shards[0])
    save_file(own, shards[1], metadata={"format": "pt"})
    index = {
        "metadata": {"total_size": sum(weight.nbytes for weight in weights.values())},
        "weight_map": {name: shards[name in own].name for name in weights},
    }
    text = json.dumps(index, indent=2) + "\n"
    (folder / SAFE_WEIGHTS_INDEX_NAME).write_text(text, encoding="utf-8")
    whole.unlink()
