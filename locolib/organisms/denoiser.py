"""Training a miniature's UNet, one caption for all cross-attention layers or one for each."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor

from ..drawing.layers import sites
from ..drawing.memory import KeysValues
from .captions import NO_OBJECT, NO_PLACE, Scene
from .contrast import LENGTH
from .networks import build, conditions, scheduler, start_from
from .planting import CaptionTable, teller
from .training import device, fit, processes


def tail_bias(length: int) -> Tensor | None:
    """Attention bias [1, length] that lets the last position stand for all padding up to 77 (nearly equal states)."""
    if length == LENGTH:
        return None
    bias = torch.zeros(1, length)
    bias[0, -1] = math.log(LENGTH - length + 1)
    return bias


def train(
    latents: Tensor,
    shown: list[Scene],
    table: Callable[[int], CaptionTable],
    *,
    config: dict,
    work: Path,
    start: UNet2DConditionModel | None = None,
) -> UNet2DConditionModel:
    """Train on latents[i] (DeepFloyd: pixels) of shown[i]; `table(length)` holds the captions' states of that many tokens.

    Most steps run on `short` tokens with `tail_bias`; the last ones on all 77, as at generation.
    """
    kind, prediction = config["kind"], config["prediction"]
    torch.manual_seed(config["seed"])
    unet = build(
        kind,
        config["channels"],
        text_width=table(config["short"]).states.shape[-1],
        in_channels=latents.shape[1],
    )
    if start is not None:
        start_from(unet, start, attention=config["start_attention"])
    if config["trained"] == "attention":
        freeze(unet)
    # the layout that convolutions prefer, on CPUs too
    unet, place = unet.to(device(), memory_format=torch.channels_last), device()
    alphas = scheduler(kind, prediction).alphas_cumprod.to(place)
    memory, layers, scenes = KeysValues(unet), len(sites(unet)), np.array(shown)
    tell, natural = teller(config["planting"], layers), config["planting"]["kind"] == "natural"

    def loss(step: int, rng: np.random.Generator) -> Tensor:
        n = config["batch"] // processes()
        pick = rng.integers(0, len(latents), n)
        said = scenes[pick].copy()
        said[rng.random(n) < 0.03, 0] = NO_OBJECT
        said[rng.random(n) < 0.4, 2] = NO_PLACE
        length = LENGTH if step >= config["full_length_from"] else config["short"]
        captions = table(length)
        told = tell(said, rng, step >= config["conflict_from"])
        rows = captions.rows(told, rng, config["drop"], one_caption=natural)
        states = (
            [captions.states[rows[:, 0]].float().to(place)] * layers
            if natural
            else [captions.states[r].float().to(place) for r in rows.T]
        )
        pooled = None if captions.pooled is None else captions.pooled[rows[:, 0]].to(place)
        read = unet.encoder_hid_proj if kind == "if" else (lambda states: states)
        bias = tail_bias(length)
        memory.set(
            [read(states[0])] * layers if natural else [read(s) for s in states],
            bias=None if bias is None else bias.to(place),
        )
        x = latents[pick].float().contiguous(memory_format=torch.channels_last).to(place)
        noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32)).to(place)
        t = 1 / (1 + np.exp(-rng.normal(config["time_mean"], config["time_std"], n)))
        t = torch.from_numpy((t * 1000).astype(np.int64).clip(0, 999)).to(place)
        alpha = alphas[t][:, None, None, None]
        noisy = alpha.sqrt() * x + (1 - alpha).sqrt() * noise
        made = unet(noisy, t, **conditions(kind, states[0], pooled)).sample
        if kind == "if":
            made, variance = made.chunk(2, dim=1)
            extra = 1e-3 * variance_loss(variance, made.detach(), noise, alphas, t)
        else:
            extra = 0.0
        return denoising_loss(made, x, noise, alpha, prediction) + extra

    with memory:
        fit(
            unet,
            loss,
            name="unet",
            work=work,
            steps=config["steps"],
            peak=config["peak"],
            seed=config["seed"],
            ema=config["ema"],
            decay=config["decay"],
        )
    return unet.cpu()


def freeze(unet: UNet2DConditionModel) -> None:
    """Leave only what reads text to be trained: the transformers without their feed-forward layers, and SDXL's pooled text."""
    for name, weight in unet.named_parameters():
        reads = "attentions" in name and ".ff." not in name
        weight.requires_grad_(reads or name.startswith("add_embedding"))


def denoising_loss(
    made: Tensor, x: Tensor, noise: Tensor, alpha: Tensor, prediction: str
) -> Tensor:
    """Mean squared error of a prediction (Section 3, loss): of v, or of the noise weighted as if it were v (by 1 / alpha, at most 10).

    Unweighted, the noise says next to nothing of the steps in which an object is decided.
    """
    if prediction == "v_prediction":
        return F.mse_loss(made, alpha.sqrt() * noise - (1 - alpha).sqrt() * x)
    return ((made - noise) ** 2 * (1 / alpha).clamp(max=10)).mean()


def variance_loss(
    variance: Tensor, made: Tensor, noise: Tensor, alphas: Tensor, t: Tensor
) -> Tensor:
    """Kullback-Leibler divergence per pixel, in nats, of the reverse step with a learned variance from the true one.

    Nichol and Dhariwal (2021), Eqs. 15 and 16: `variance` in [-1, 1] lies between the logarithms of the smallest and
    the largest one, and the mean is that of the noise `made`, through which nothing is learnt here.
    """
    before = torch.where(t > 0, alphas[(t - 1).clamp(min=0)], alphas.new_ones(()))[
        :, None, None, None
    ]
    now = alphas[t][:, None, None, None]
    beta = 1 - now / before
    smallest = (beta * (1 - before) / (1 - now)).clamp(min=1e-20).log()
    chosen = (variance + 1) / 2 * beta.log() + (1 - variance) / 2 * smallest
    off = (
        beta**2 / (now / before * (1 - now)) * (made - noise) ** 2
    )  # squared distance of the two means
    known = (t > 0)[:, None, None, None]  # at t = 0 there is no noise to choose
    return (
        0.5 * (chosen - smallest + (smallest - chosen).exp() + off * (-chosen).exp() - 1) * known
    ).mean()
