"""Rows to images: the explicit denoising loop (Section 3 and Eq. 1 of the paper), batching, storing, progress."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import UserError
from ..models import Model
from ..models.attention import filled
from ..models.memory import bring
from ..models.precision import title
from ..models.shapes import Image, Images, Latents
from ..store import Store, key
from . import compiling, engines
from .batches import Keeper, drawn
from .hooks import all_of, copying
from .layers import sites
from .memory import KeysValues, Row, TextMemory, check

STEPS = 999  # at most: training had 1000, and with all of them a schedule that begins at 1 (Stable Diffusion's) reads beyond its end
BATCH = 32  # rows of a batch at most
SEEDS = 2**63  # beyond it a generator wraps round, or refuses in words of its own


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How images are sampled.

    Attributes:
        steps: of sampling, by DDIM (DeepFloyd: DDPM).
        guidance: s in u + s (c - u); the paper's Eq. 1 writes it as 1 + alpha.
        batch: the most rows that are denoised together, fewer where memory is short; part of no key.
    """

    steps: int = 50
    guidance: float = 7.5
    batch: int = field(default=BATCH, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= STEPS or self.batch < 1 or not 1 <= self.guidance < math.inf:
            raise UserError(
                f"Steps must be from 1 to {STEPS}, batch at least 1 and guidance a number of at least 1.0, not {asdict(self)}."
            )

    @property
    def guided(self) -> bool:
        """Whether each image is two UNet rows, the second without its text."""
        return self.guidance != 1

    @property
    def unet_rows(self) -> int:
        """UNet rows of one image, over all steps."""
        return self.steps * (1 + self.guided)


@torch.no_grad()
def denoise(
    model: Model,
    rows: Sequence[Row],
    settings: Settings,
    memory: TextMemory,
    *,
    compiled: bool = False,
) -> Latents:
    """Final latents [rows, c, h, w] of one batch: classifier-free guidance (Eq. 1) in the model's own sampling loop.

    `Altered` acts on the conditional branch alone.  Text is never projected inside the loop: every layer reads the K and
    V that `memory` holds.  All noise of a row, also that of a stochastic sampler's steps, comes from its own generator.
    The clean rows from which others take a restored state ride in the same batch.

    The UNet computes in its own type; latents and the sampler's arithmetic are float32.  Nothing in the loop waits for the
    device: the sampler's constants are looked up on the CPU, and whether all stayed finite is asked at the end.

    Args:
        compiled: use the compiled UNet, unless something is hooked to it.
    """
    guided, wanted = settings.guided, len(rows)
    donors = {
        row: replace(row, prompt=getattr(row.prompt, "prompt", row.prompt), restored="")
        for row in rows
        if row.restored
    }
    rows = [*rows, *(donor for donor in dict.fromkeys(donors.values()) if donor not in rows)]
    scheduler = model.pipeline.scheduler
    scheduler.set_timesteps(settings.steps)
    times = scheduler.timesteps.to(model.device)
    generators = [model.generator(row.seed) for row in rows]
    latents = torch.stack([model.noise(generator) for generator in generators]).to(model.device)
    latents = latents * scheduler.init_noise_sigma
    keys, values, pooled = memory.gather(rows, guided=guided)
    conditions, finite = model.conditions(pooled), []
    bring(model, "unet")
    with all_of(_restorations(model, rows, donors, guided)):
        compiled = compiled and compiling.is_plain(model.unet)
        reading, unet = (
            compiling.compiled(model) if compiled else (KeysValues(model.unet), model.unet)
        )
        with reading as layers:
            layers.load(*filled(keys, values))
            for t, time in zip(scheduler.timesteps, times):
                noisy = scheduler.scale_model_input(
                    torch.cat([latents, latents]) if guided else latents, t
                )
                predicted = unet(noisy.to(model.dtype), time, **conditions).sample.float()
                latents = scheduler.step(
                    model.guide(predicted, settings.guidance), t, latents, generator=generators
                ).prev_sample
                finite.append(torch.isfinite(latents).all())
    check_finite(torch.stack(finite), model.name)
    return latents[:wanted]


def check_seeds(rows: Sequence[Row]) -> None:
    """Refuse a seed that is negative, which would be another one's noise, or larger than a generator takes."""
    if wrong := [row.seed for row in rows if not 0 <= row.seed < SEEDS]:
        raise UserError(f"A seed must be from 0 to {SEEDS - 1}, not {wrong[0]}.")


def check_finite(finite: Tensor, name: str) -> None:
    """Refuse NaN and infinity before anything is stored: a picture of them is black, and its score a number like any other.

    Args:
        finite: for each step whether all latents of the model `name` were finite after it [steps].
    """
    if (found := finite.tolist()).count(False):
        raise UserError(
            f"{name}, step {found.index(False) + 1} of {len(found)}: the latents are no finite numbers; "
            "try a smaller guidance, other steps, full precision (--dtype float32), or a smaller edit."
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

    Left out on purpose, as no picture should be made twice for them: a row's place in its batch, how many rows share it, the
    count of threads, the processor.  With two or more threads the rows of a matrix product are dealt out to them, and a row at
    the edge of a share is summed up in another order; so the same key, made in another company of rows, may differ: by 1e-7
    in the UNet's output, by one level of 255 at most in a picture (measured, in float32; `benchmarks/full_size.py` measures
    the effect of batches on scores in each type).  Nothing may assume that two stores agree bit for bit.
    """
    return image_keys(model, [row], settings)[0]


def image_keys(model: Model, rows: Sequence[Row], settings: Settings) -> list[str]:
    """The keys of several images (see `image_key`)."""
    same = {
        "model": model.fingerprint,
        "dtype": title(model.dtype),
        "steps": settings.steps,
        "guidance": settings.guidance,
        "sampler": model.sampler,
        "size": model.latent_shape,
    }
    return [key(same | {"row": asdict(row)}) for row in rows]


def _batches(rows: Sequence[Row], settings: Settings) -> list[range]:
    size = settings.batch
    return [range(i, min(i + size, len(rows))) for i in range(0, len(rows), size)]


def final_latents(model: Model, rows: Sequence[Row], settings: Settings) -> Latents:
    """What `denoise` gives of any number of rows [rows, c, h, w], in batches that fit the memory."""

    def make(part: list[Row], memory: TextMemory, compiled: bool) -> Latents:
        return denoise(model, part, settings, memory, compiled=compiled)

    todo = _batches(rows, settings)
    return torch.cat([made for _, made in drawn(model, rows, todo, settings, make)])


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
    missing: a batch with anything missing is computed whole, so a resumed run gives the same bytes (as long as memory does
    not cut it otherwise).  Images are encoded and stored on threads of their own while the next are computed.

    Raises:
        UserError: a layer or a seed that cannot be, numbers that are not finite, a store that cannot be written, or too little
            memory for a single image; what was finished before is stored.
    """
    check(rows, len(sites(model.unet)))
    check_seeds(rows)
    keys = image_keys(model, rows, settings) if store else []
    batches = _batches(rows, settings)

    def found() -> list[Image | None]:
        return store.images(keys) if store else [None] * len(rows)

    def missing() -> list[range]:
        return [batch for batch in batches if any(images[i] is None for i in batch)]

    images = found()
    todo = missing()
    parts = [[rows[i] for i in batch] for batch in batches]
    if engines.drawn(model, parts, list(map(batches.index, todo)), settings, store, label):
        images = found()
        todo = missing()

    def make(part: list[Row], memory: TextMemory, compiled: bool) -> Images:
        return model.decode(denoise(model, part, settings, memory, compiled=compiled))

    with (
        tqdm(total=sum(map(len, todo)), desc=label, unit="image", disable=quiet or not todo) as bar,
        Keeper(store) as keeper,
    ):
        for part, made in drawn(model, rows, todo, settings, make):
            for i, image in zip(part, made):
                if images[i] is None:
                    images[i] = image
                    keeper.put(keys[i] if store else "", image)
            keeper.check()
            bar.update(len(part))
    return np.stack([image for image in images if image is not None])  # all are there now
