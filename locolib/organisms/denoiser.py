"""The miniature UNet: Stable Diffusion v1.5's blocks, narrow, trained with one caption per cross-attention layer."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from ..layers import sites
from ..memory import KeysValues
from .captions import NO_OBJECT, NO_PLACE, Scene
from .contrast import LENGTH
from .planting import CaptionTable, layer_values
from .training import fit, processes


def build(channels: tuple[int, ...], latent_channels: int, text_width: int) -> UNet2DConditionModel:
    """SD-v1-5's UNet with other widths: 16 cross-attention layers in the same places."""
    return UNet2DConditionModel(
        sample_size=8, in_channels=latent_channels, out_channels=latent_channels, block_out_channels=channels,
        layers_per_block=2, cross_attention_dim=text_width, attention_head_dim=4, norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    )


def scheduler(prediction: str) -> DDIMScheduler:
    """Stable Diffusion's noise schedule."""
    return DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                         set_alpha_to_one=False, steps_offset=1, prediction_type=prediction)


def tail_bias(length: int) -> Tensor:
    """Attention bias [1, length] that lets the last position stand for all padding up to 77 (nearly equal states)."""
    bias = torch.zeros(1, length)
    bias[0, -1] = math.log(LENGTH - length + 1)
    return bias


def train(
    latents: Tensor, shown: list[Scene], table: Callable[[int], CaptionTable], *, config: dict, work: Path,
) -> UNet2DConditionModel:
    """Train on latents[i] of shown[i]; `table(length)` holds the captions' states of that many tokens.

    Most steps run on `short` tokens with `tail_bias`; the last ones on all 77, as at generation.
    """
    torch.manual_seed(config["seed"])
    unet = build(tuple(config["channels"]), latents.shape[1], table(config["short"]).states.shape[-1])
    unet = unet.to(memory_format=torch.channels_last)  # the layout that a CPU's convolutions prefer
    noise_schedule = scheduler(config["prediction"])
    alphas = noise_schedule.alphas_cumprod
    memory = KeysValues(unet)
    layers = len(sites(unet))
    scenes, windows = np.array(shown), config["windows"]

    def loss(step: int, rng: np.random.Generator) -> Tensor:
        n = config["batch"] // processes()
        pick = rng.integers(0, len(latents), n)
        said = scenes[pick].copy()
        said[rng.random(n) < 0.03, 0] = NO_OBJECT
        said[rng.random(n) < 0.4, 2] = NO_PLACE
        told = layer_values(said, windows, layers, rng, weights=config.get("weights"),
                            conflict=config["conflict"] if step >= config["conflict_from"] else 0.0)
        length = LENGTH if step >= config["full_length_from"] else config["short"]
        captions = table(length)
        rows = captions.rows(told, rng, config["drop"])
        memory.set([captions.states[rows[:, layer]] for layer in range(layers)],
                   bias=None if length == LENGTH else tail_bias(length))
        x = latents[pick].float().contiguous(memory_format=torch.channels_last)
        noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
        t = 1 / (1 + np.exp(-rng.normal(config["time_mean"], config["time_std"], n)))
        t = torch.from_numpy((t * 1000).astype(np.int64).clip(0, 999))
        a, b = alphas[t].sqrt()[:, None, None, None], (1 - alphas[t]).sqrt()[:, None, None, None]
        target = a * noise - b * x if config["prediction"] == "v_prediction" else noise
        return F.mse_loss(unet(a * x + b * noise, t, encoder_hidden_states=None).sample, target)

    with memory:
        fit(unet, loss, name="unet", work=work, steps=config["steps"], peak=config["peak"], seed=config["seed"],
            ema=config["ema"], decay=config["decay"])
    return unet
