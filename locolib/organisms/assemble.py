"""Parts to a folder: an ordinary StableDiffusionPipeline that plain diffusers loads."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from .denoiser import scheduler


def save_pipeline(
    folder: Path, *, vae: AutoencoderKL, text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer,
    unet: UNet2DConditionModel, prediction: str,
) -> None:
    """Save as safetensors: UNet and VAE in half precision, the text encoder in full.

    (transformers loads the dtype that it finds, diffusers always float32: a half-precision text encoder would meet a
    float32 UNet.)
    """
    pipeline = StableDiffusionPipeline(
        vae=vae.half(), text_encoder=text_encoder.float(), tokenizer=tokenizer, unet=unet.half(),
        scheduler=scheduler(prediction), safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipeline.save_pretrained(folder, safe_serialization=True)
    for path in folder.glob("*/config.json"):  # diffusers writes down from which folder a part was loaded
        config = json.loads(path.read_text())
        config.pop("_name_or_path", None)
        path.write_text(json.dumps(config, indent=2) + "\n")
    for part in (vae, unet):
        part.to(torch.float32)
