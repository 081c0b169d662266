"""Rows to images: the explicit denoising loop (Section 3 and Eq. 1 of the paper), batching, storing, progress."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import UserError
from ..models import Model
from ..models.shapes import Image, Images, Latents
from ..store import Store, key
from . import engines
from .hooks import all_of, copying
from .layers import sites
from .memory import KeysValues, Row, TextMemory, check

STEPS = 999  # at most: training had 1000, and with all of them a schedule that begins at 1 (Stable Diffusion's) reads beyond its end
BATCH = 32  # rows of a batch; part of the plan, so that a resumed run computes the same bytes
SEEDS = 2**63  # beyond it a generator wraps round, or refuses in words of its own
KEPT = 64  # prompts whose keys and values are kept from batch to batch: 3.5 GB of SDXL's


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How images are sampled.

    Attributes:
        steps: of sampling, by DDIM (DeepFloyd: DDPM).
        guidance: s in u + s (c - u); the paper's Eq. 1 writes it as 1 + alpha.
        batch: rows that are denoised together.
    """

    steps: int = 50
    guidance: float = 7.5
    batch: int = BATCH

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= STEPS or self.batch < 1 or not 1 <= self.guidance < math.inf:
            raise UserError(
                f"Steps must be from 1 to {STEPS}, batch at least 1 and guidance a number of at least 1.0, not {asdict(self)}."
            )


@torch.no_grad()
def denoise(model: Model, rows: Sequence[Row], settings: Settings, memory: TextMemory) -> Latents:
    """Final latents [rows, c, h, w] of one batch: classifier-free guidance (Eq. 1) in the model's own sampling loop.

    `Altered` acts on the conditional branch alone.  Text is never projected inside the loop: every layer reads the K and
    V that `memory` holds.  All noise of a row, also that of a stochastic sampler's steps, comes from its own generator.
    The clean rows from which others take a restored state ride in the same batch.
    """
    guided, wanted = settings.guidance != 1, len(rows)
    donors = {
        row: replace(row, prompt=getattr(row.prompt, "prompt", row.prompt), restored="")
        for row in rows
        if row.restored
    }
    rows = [*rows, *(donor for donor in dict.fromkeys(donors.values()) if donor not in rows)]
    scheduler = model.pipeline.scheduler
    scheduler.set_timesteps(settings.steps, device=model.device)
    generators = [model.generator(row.seed) for row in rows]
    latents = (
        torch.stack([model.noise(generator) for generator in generators]).to(model.device)
        * scheduler.init_noise_sigma
    )
    with KeysValues(model.unet) as layers, all_of(_restorations(model, rows, donors, guided)):
        keys, values, pooled = memory.gather(rows, guided=guided)
        layers.load(keys, values)
        for step, t in enumerate(scheduler.timesteps, start=1):
            noisy = scheduler.scale_model_input(
                torch.cat([latents, latents]) if guided else latents, t
            )
            predicted = model.guide(
                model.unet(noisy, t, **model.conditions(pooled)).sample, settings.guidance
            )
            latents = scheduler.step(predicted, t, latents, generator=generators).prev_sample
            check_finite(latents, f"{model.name}, step {step} of {len(scheduler.timesteps)}")
    return latents[:wanted]


def check_seeds(rows: Sequence[Row]) -> None:
    """Refuse a seed that is negative, which would be another one's noise, or larger than a generator takes."""
    if wrong := [row.seed for row in rows if not 0 <= row.seed < SEEDS]:
        raise UserError(f"A seed must be from 0 to {SEEDS - 1}, not {wrong[0]}.")


def check_finite(values: Tensor, where: str) -> None:
    """Refuse NaN and infinity before anything is stored: a picture of them is black, and its score a number like any other."""
    if not torch.isfinite(values).all():
        raise UserError(
            f"{where}: the latents are no finite numbers; try a smaller guidance, other steps, full precision, or a smaller edit."
        )


def _restorations(
    model: Model, rows: Sequence[Row], donors: dict[Row, Row], guided: bool
) -> Iterator[AbstractContextManager[Any]]:
    """The hooks that copy states from the clean rows of a batch, in both branches."""
    for path in dict.fromkeys(row.restored for row in donors):
        pairs = [(rows.index(donors[row]), i) for i, row in enumerate(rows) if row.restored == path]
        both = [
            (donor + shift, taker + shift)
            for donor, taker in pairs
            for shift in ((0, len(rows)) if guided else (0,))
        ]
        yield copying(model.unet.get_submodule(path), both)


def image_key(model: Model, row: Row, settings: Settings) -> str:
    """The key under which an image is stored: a hash of all that determines it, up to rounding.

    Left out on purpose, as no picture should be made twice for them: a row's place in its batch, the count of threads, the
    processor.  With two or more threads the rows of a matrix product are dealt out to them, and a row at the edge of a
    share is summed up in another order; so the same key, made in another company of rows, may differ: by 1e-7 in the
    UNet's output, by one level of 255 at most in a picture (measured).  Nothing may assume that two stores agree bit for bit.
    """
    return key(
        {
            "model": model.fingerprint,
            "row": asdict(row),
            "steps": settings.steps,
            "guidance": settings.guidance,
            "sampler": model.sampler,
            "size": model.latent_shape,
            "batch": settings.batch,
        }
    )


def generate(
    model: Model,
    rows: Sequence[Row],
    settings: Settings,
    *,
    store: Store | None = None,
    label: str = "images",
    quiet: bool = False,
) -> Images:
    """Images uint8 [rows, height, width, 3], one for each row, in order.

    With a `store`, what is there is not computed again.  Which rows share a batch is fixed by `rows` and not by what is
    missing: a batch with anything missing is computed whole, so a resumed run gives the same bytes.
    """
    check(rows, len(sites(model.unet)))
    check_seeds(rows)
    keys = [image_key(model, row, settings) for row in rows] if store else []
    images: list[Image | None] = [store.image(k) for k in keys] if store else [None] * len(rows)
    batches = [
        range(i, min(i + settings.batch, len(rows))) for i in range(0, len(rows), settings.batch)
    ]
    todo = [batch for batch in batches if any(images[i] is None for i in batch)]
    parts = [[rows[i] for i in batch] for batch in batches]
    if engines.drawn(model, parts, list(map(batches.index, todo)), settings, store, label):
        images = [store.image(k) for k in keys] if store else images
        todo = [batch for batch in batches if any(images[i] is None for i in batch)]
    memory = TextMemory(model)
    with tqdm(
        total=sum(map(len, todo)), desc=label, unit="image", disable=quiet or not todo
    ) as bar:
        for batch in todo:
            memory = memory if len(memory) <= KEPT else TextMemory(model)
            made = model.decode(denoise(model, [rows[i] for i in batch], settings, memory))
            for i, image in zip(batch, made):
                if images[i] is None:
                    images[i] = image
                    if store:
                        store.put_image(keys[i], image)
            bar.update(len(batch))
    return np.stack([image for image in images if image is not None])  # all are there now
