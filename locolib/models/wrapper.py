"""A loaded model: one face for every family, so that no code outside this package knows which kind it holds."""

from dataclasses import dataclass

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from ..shapes import Images, Latents, Noise, TextStates
from .registry import Spec


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Text as a UNet receives it.

    Attributes:
        states: [prompts, tokens, width], what the cross-attention layers read.
        pooled: [prompts, width] or None, text that bypasses the layers (SDXL, DeepFloyd).
    """

    states: TextStates
    pooled: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """A pipeline with what this study needs of it.

    Attributes:
        spec: its entry in the registry.
        pipeline: the diffusers pipeline; its scheduler is DDIM.
        fingerprint: hash of the weights and the schedule.
    """

    spec: Spec
    pipeline: StableDiffusionPipeline
    fingerprint: str

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def unet(self) -> torch.nn.Module:
        return self.pipeline.unet

    @property
    def tokenizer(self):
        return self.pipeline.tokenizer

    @property
    def device(self) -> torch.device:
        return self.pipeline.device

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height, width of what the UNet denoises."""
        config = self.unet.config
        return config.in_channels, config.sample_size, config.sample_size

    @torch.no_grad()
    def encode(self, prompts: list[str]) -> Encoded:
        """Text states of prompts, padded to the tokenizer's length."""
        ids = self.tokenizer(prompts, padding="max_length", max_length=self.tokenizer.model_max_length, truncation=True,
                             return_tensors="pt").input_ids
        return Encoded(states=self.pipeline.text_encoder(ids.to(self.device))[0])

    def noise(self, seed: int) -> Noise:
        """z_T of one image, from a generator of its own: the same on every device and in every batch."""
        return torch.randn(self.latent_shape, generator=torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def decode(self, latents: Latents) -> Images:
        """uint8 images [n, height, width, 3] of latents [n, c, h, w]."""
        pixels = self.pipeline.vae.decode(latents / self.pipeline.vae.config.scaling_factor).sample
        return ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
