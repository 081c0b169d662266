"""Is a pipeline folder what its name says?  Answered from its configuration files, before any weights are read.

The published architectures are kept beside this file (``architectures/NAME.json``), so that full-size UNets can be built, on
the meta device, without a checkpoint.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from . import fitting, registry, schedules
from .attention import is_cross_attention
from .families import FAMILIES
from .registry import Spec

_FOLDER = Path(__file__).parent / "architectures"


def architecture(name: str) -> dict[str, Any]:
    """A published model's configuration: pipeline, unet, scheduler, vae, text_encoders, tokenizers, sample_size."""
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def skeleton(config: dict[str, Any]) -> UNet2DConditionModel:
    """The UNet of a configuration without memory for its weights (meta device)."""
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(config)


def _encoders(spec: Spec) -> list[str]:
    return [part for part in FAMILIES[spec.pipeline].parts if part.startswith("text_encoder")]


def configurations(spec: Spec) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Configurations of a model's UNet and of its text encoders: the bundled ones where they are here, else the published."""
    folder = registry.ORGANISMS / spec.sources[0]
    if spec.bundled and folder.exists():
        read = [
            json.loads((folder / part / "config.json").read_text(encoding="utf-8"))
            for part in ("unet", *_encoders(spec))
        ]
        return read[0], read[1:]
    known = architecture(spec.original or ("sd-v1-5" if spec.bundled else spec.name))
    return known["unet"], known["text_encoders"]


def _widths(encoders: list[dict[str, Any]]) -> list[int]:
    return [encoder.get("hidden_size") or encoder["d_model"] for encoder in encoders]


def difference(spec: Spec, read: Callable[[str, str], dict[str, Any]]) -> str:
    """What keeps a folder from being what `spec` says, in words; "" where nothing does.

    Args:
        read: gives the JSON file `name` of the folder's `part` ("" for the folder itself).
    """
    found = read("", "model_index.json")["_class_name"]
    if found != spec.pipeline:
        return f"it is a {found} instead of a {spec.pipeline}"
    unet, scheduler = read("unet", "config.json"), read("scheduler", "scheduler_config.json")
    if odd := schedules.unfit(scheduler) or fitting.unfit(found, read):
        return odd
    layers = sum(
        is_cross_attention(path, module) for path, module in skeleton(unet).named_modules()
    )
    if layers != spec.layers:
        return f"it has {layers} cross-attention layers instead of {spec.layers}"
    prediction = scheduler.get("prediction_type", "epsilon")
    if prediction != spec.prediction:
        return f"it predicts {prediction} instead of {spec.prediction}"
    if spec.bundled:
        return ""
    widths = _widths([read(part, "config.json") for part in _encoders(spec)])
    expected = _widths(architecture(spec.name)["text_encoders"])
    return (
        "" if widths == expected else f"its text encoders are {widths} wide instead of {expected}"
    )
