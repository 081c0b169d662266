"""Noisy pictures with their texts, on which the methods of `fine_tuning` train, and what a UNet predicts of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...drawing.memory import KeysValues, Row
from ...drawing.sampling import Settings, final_latents
from ...drawing.text import encode
from ...models import Encoded, Model
from ...models.memory import bring
from ...prompts import Prompt

Predict = Callable[[Encoded], Tensor]
"""What a model predicts of one noisy batch, told these texts [batch, ...]; of the batch twice if there are twice as many."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Noisy pictures with the texts that go with them.

    Attributes:
        noisy, t: the pictures [batch, c, h, w] and their time steps [batch].
        original, target, nothing: what the edit is about, what should come in its place, and the empty prompt.
    """

    noisy: Tensor
    t: Tensor
    original: Encoded
    target: Encoded
    nothing: Encoded


def batches(
    model: Model,
    prompts: Sequence[Prompt],
    settings: Settings,
    *,
    shown: str,
    pictures: int,
    size: int,
    watched: int,
    seed: int,
) -> tuple[Iterator[Batch], list[Batch]]:
    """Batches to train on, without end, and those to look at: their noise is never trained on, their time steps are spread evenly.

    Args:
        shown: what the pictures are of: "original" or "target".
        pictures: how many at least; each prompt gets as many seeds as that takes.
        size: pictures of a batch to train on.
        watched: pictures to look at, in batches of `size` or fewer.
    """
    seeds = math.ceil(pictures / len(prompts))
    rows = [
        Row(prompt=getattr(prompt, shown), seed=seed + len(prompts) * j + i)
        for j in range(seeds)
        for i, prompt in enumerate(prompts)
    ]
    clean = final_latents(model, rows, settings)
    known = [
        [encode(model, text) for text in texts]
        for texts in zip(*((p.original, p.target, "") for p in prompts))
    ]
    bring(model, "unet")  # where text encoders made it wait on the CPU
    scheduler = model.pipeline.scheduler
    count = scheduler.config.num_train_timesteps

    def batch(pick: list[int], t: Tensor, rng: torch.Generator) -> Batch:
        noise = torch.randn(clean[pick].shape, generator=rng).to(clean)
        t = t.to(model.device)
        original, target, nothing = (
            together([texts[i % len(prompts)] for i in pick]) for texts in known
        )
        noisy = scheduler.add_noise(clean[pick], noise, t)
        return Batch(noisy=noisy, t=t, original=original, target=target, nothing=nothing)

    def drawn() -> Iterator[Batch]:
        rng = torch.Generator().manual_seed(seed)
        while True:
            pick = torch.randint(len(rows), (size,), generator=rng).tolist()
            yield batch(pick, torch.randint(count, (size,), generator=rng), rng)

    rng, parts = torch.Generator().manual_seed(seed + 1), -(-watched // size)
    spread = torch.arange(watched) * count // watched
    order = [i % len(rows) for i in torch.randperm(watched, generator=rng).tolist()]
    return drawn(), [batch(order[i::parts], spread[i::parts], rng) for i in range(parts)]


def together(texts: Sequence[Encoded]) -> Encoded:
    """One batch of texts."""
    pooled = (
        None
        if texts[0].pooled is None
        else torch.cat([text.pooled for text in texts if text.pooled is not None])
    )
    return Encoded(states=torch.cat([text.states for text in texts]), pooled=pooled)


def predicted(
    model: Model, unet: nn.Module, memory: KeysValues, batch: Batch, text: Encoded
) -> Tensor:
    """What a UNet predicts of a noisy batch, told each of some texts [times * batch, ...] (DeepFloyd: without the variance)."""
    kind = next(unet.parameters()).dtype  # of what is trained float32, whatever the model's
    memory.set([text.states.to(kind)] * len(memory.modules))
    times = len(text.states) // len(batch.t)
    noisy, t = torch.cat([batch.noisy] * times), batch.t.repeat(times)
    pooled = None if text.pooled is None else text.pooled.to(kind)
    made = unet(noisy.to(kind), t, **model.conditions(pooled)).sample
    return made[:, : noisy.shape[1]].float()
