"""The miniatures' VAE: 64 x 64 pixels to 8 x 8 latents (factor 8, as Stable Diffusion's), `AutoencoderKL`."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from .contrast import MEAN, STD
from .training import fit, processes


def build(channels: tuple[int, ...], latent_channels: int) -> AutoencoderKL:
    """A new AutoencoderKL; its scaling factor is 1 because `standardise` puts the latents on unit scale."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=latent_channels,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=1.0,
    )


def to_tensor(images: np.ndarray) -> Tensor:
    """uint8 [n, 64, 64, 3] to float [n, 3, 64, 64] in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def reconstruction(x: Tensor, y: Tensor) -> Tensor:
    """L1 of pixels plus half the L1 of their differences, which keeps outlines sharp."""
    return (x - y).abs().mean() + 0.5 * sum(
        (a - b).abs().mean() for a, b in zip(_gradient(x), _gradient(y))
    )


def train(images: np.ndarray, *, config: dict, work: Path) -> AutoencoderKL:
    """Train on `images` with `reconstruction` and a weak KL, then standardise the latents."""
    torch.manual_seed(config["seed"])
    vae = build(tuple(config["channels"]), config["latent_channels"])

    def loss(step: int, rng: np.random.Generator) -> Tensor:
        x = to_tensor(images[rng.integers(0, len(images), config["batch"])])
        posterior = vae.encode(x).latent_dist
        noise = torch.from_numpy(rng.standard_normal(posterior.mean.shape, dtype=np.float32))
        y = vae.decode(posterior.mean + posterior.std * noise).sample
        return (
            reconstruction(x, y) + config["kl"] * posterior.kl().mean() / posterior.mean[0].numel()
        )

    vae = fit(
        vae,
        loss,
        name="vae",
        work=work,
        steps=config["steps"],
        peak=config["peak"],
        seed=config["seed"],
    )
    standardise(vae, images[:: max(1, len(images) // 2048)])
    return vae


def sharpen(
    vae: AutoencoderKL,
    latents: Tensor,
    images: np.ndarray,
    tower: nn.Module,
    *,
    config: dict,
    work: Path,
) -> AutoencoderKL:
    """Train the decoder alone for longer, on frozen latents with a little noise, as Stable Diffusion's was.

    The latents do not change, so a UNet trained on them stays valid.  Beside the pixels, `features` of the frozen image
    tower must agree (a perceptual loss, as Stable Diffusion's LPIPS): pixels alone make sprites blurred.
    """
    decoder = nn.ModuleDict({"outer": vae.post_quant_conv, "decoder": vae.decoder})

    def loss(step: int, rng: np.random.Generator) -> Tensor:
        pick = rng.integers(0, len(images), config["batch"] // processes())
        x, z = to_tensor(images[pick]), latents[pick].float()
        noise = torch.from_numpy(rng.standard_normal(z.shape, dtype=np.float32))
        y = decoder["decoder"](decoder["outer"](z + 0.1 * noise))
        with torch.no_grad():
            wanted = features(tower, x)
        seen = sum(
            (a - b).abs().mean() / a.abs().mean() for a, b in zip(wanted, features(tower, y))
        )
        return reconstruction(x, y) + config["perceptual"] * seen

    fit(
        decoder,
        loss,
        name="decoder",
        work=work,
        steps=config["decoder_steps"],
        peak=config["decoder_peak"],
        seed=config["seed"] + 1,
        decay=0.5,
    )
    return vae


def features(tower: nn.Module, x: Tensor) -> list[Tensor]:
    """Feature maps of a ModifiedResNet's stem and first stages, of images in [-1, 1] (a scale and shift that the tower's
    batch norms were trained with: see `contrast.image_tensor`).
    """
    maps = [tower.stem((x / 2 + 0.5 - MEAN[0]) / STD[0])]
    for stage in (tower.layer1, tower.layer2, tower.layer3):
        maps.append(stage(maps[-1]))
    return maps


@torch.no_grad()
def encode(vae: AutoencoderKL, images: np.ndarray, batch: int = 128) -> Tensor:
    """Mean latents [n, c, 8, 8] of uint8 images."""
    return torch.cat(
        [
            vae.encode(to_tensor(images[i : i + batch])).latent_dist.mean
            for i in range(0, len(images), batch)
        ]
    )


@torch.no_grad()
def standardise(vae: AutoencoderKL, images: np.ndarray) -> None:
    """Fold a shift and a scale per channel into the 1x1 convolutions around the latent: the function stays the same,
    but every latent channel now has mean 0 and variance 1, as diffusion likes it.
    """
    latents = encode(vae, images)
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    inner, outer, c = vae.quant_conv, vae.post_quant_conv, len(mean)
    inner.weight[:c] /= std[:, None, None, None]
    inner.bias[:c] = (inner.bias[:c] - mean) / std
    inner.bias[c:] -= 2 * std.log()
    outer.bias += outer.weight[:, :, 0, 0] @ mean
    outer.weight *= std[None, :, None, None]
