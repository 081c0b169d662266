"""The clean trajectories of a request's prompts, walked step by step, and gradients of the prediction by keys and values on the way."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .... import UserError
from ....drawing.batches import tried
from ....drawing.memory import KeysValues, TextMemory
from ....drawing.sampling import check_finite, check_seeds
from ....models import Model
from ....models.memory import release
from ..measuring import Request, rows
from .quadrature import Point

BACKWARD = (
    3  # a row forward and backward costs as much as so many rows forward (the usual estimate)
)
BATCH = 16  # rows of a backward pass, where memory has room for them
SCALE = (
    2.0**12
)  # of what half precision goes backward from: gradients of keys would be too small for it


@contextmanager
def still(unet: nn.Module) -> Iterator[None]:
    """No gradients of weights: only those of keys and values are asked for; checkpointing is as it was afterwards."""
    asked = [weight for weight in unet.parameters() if weight.requires_grad]
    before = {part: part.gradient_checkpointing for part in checkpointing(unet)}
    for weight in asked:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in asked:
            weight.requires_grad_(True)
        for part, on in before.items():
            part.gradient_checkpointing = on


def checkpointing(unet: nn.Module) -> list[Any]:
    """The blocks of a UNet that can forget their feature maps and make them again on the way back."""
    return [part for part in unet.modules() if hasattr(part, "gradient_checkpointing")]


def passes(evaluate: Callable[[int, int], int], count: int, model: Model, size: int) -> int:
    """Backward passes over `count` points, `size` together, or as many as memory has room for.

    Where it runs out feature maps are made again instead of kept (gradient checkpointing: about a third more time), then fewer
    points go together.  What was computed before is kept.

    Args:
        evaluate: of the points from one number to another; returns how many they are.

    Returns:
        How many went together in the end.

    Raises:
        UserError: memory runs out with a single point.
    """
    begin, blocks = 0, checkpointing(model.unet)
    while begin < count:
        end = min(begin + size, count)
        if done := tried(lambda: evaluate(begin, end)):
            begin += done
            continue
        release(model.device)
        if not all(block.gradient_checkpointing for block in blocks):
            model.unet.enable_gradient_checkpointing()
        elif end - begin > 1:
            size = (end - begin) // 2
        else:
            raise UserError(
                f"{model.name}: {model.device} has too little memory for one backward pass, in {model.precision}; "
                "close other programs on it, choose --dtype bfloat16, or ask by --method sweep."
            )
    return size


@contextmanager
def walking(model: Model, request: Request) -> Iterator["Walk"]:
    """``with walking(model, request) as walk:`` for as long as the UNet reads keys and values from memory."""
    with still(model.unet), KeysValues(model.unet) as layers:
        yield Walk(model, request, layers)


class Walk:
    """The clean trajectories of all prompts of a request, and what was found on them so far."""

    def __init__(self, model: Model, request: Request, layers: KeysValues) -> None:
        clean, altered = rows(request, ()), rows(request, tuple(range(model.spec.layers)))
        check_seeds(clean)
        memory = TextMemory(model)
        guided = request.settings.guided
        self.model, self.request = model, request
        self._layers, self._guided, self.count = layers, guided, len(clean)
        self._sampled = memory.gather(clean, guided=guided)
        self.clean = memory.gather(clean, guided=False)
        self.altered = memory.gather(altered, guided=False)
        self._scheduler: Any = model.pipeline.scheduler
        self._scheduler.set_timesteps(request.settings.steps)
        self.times = self._scheduler.timesteps
        self._generators = [model.generator(row.seed) for row in clean]
        noise = torch.stack([model.noise(generator) for generator in self._generators])
        self._latents = noise.to(model.device) * self._scheduler.init_noise_sigma
        self.rows = 0
        self._size = BATCH

    @property
    def latents(self) -> Tensor:
        """Where the trajectories are, [prompts, channels, y, x]."""
        return self._latents

    def steps(self) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        """(number, time, noisy latents, prediction for the clean prompts) of each step, before it is taken."""
        model, finite = self.model, []
        for number, t in enumerate(self.times):
            with torch.no_grad():
                noisy = self._scheduler.scale_model_input(self._latents, t)
                both = torch.cat([noisy, noisy]) if self._guided else noisy
                predicted = self.predict(both, t, *self._sampled)
            yield number, t, noisy, model.noise_of(predicted[-self.count :])
            with torch.no_grad():
                guided = model.guide(predicted, self.request.settings.guidance)
                self._latents = self._scheduler.step(
                    guided, t, self._latents, generator=self._generators
                ).prev_sample
            finite.append(torch.isfinite(self._latents).all())
            check_finite(torch.stack(finite), model.name)

    def predict(
        self, noisy: Tensor, t: Tensor, keys: list[Tensor], values: list[Tensor], pooled: Any
    ) -> Tensor:
        """The UNet's output, in float32, for some rows whose layers read these keys and values."""
        self._layers.load(keys, values)
        self.rows += len(noisy)
        time, conditions = t.to(noisy.device), self.model.conditions(pooled)
        return self.model.unet(noisy.to(self.model.dtype), time, **conditions).sample.float()

    def noise(
        self, noisy: Tensor, t: Tensor, memory: tuple[list[Tensor], list[Tensor], Tensor | None]
    ) -> Tensor:
        """The noise predicted for all prompts with keys and values of `memory`, and what bypasses them in altered pictures."""
        predicted = self.predict(noisy, t, memory[0], memory[1], self.altered[2])
        return self.model.noise_of(predicted)

    def values(
        self, noisy: Tensor, t: Tensor, direction: Tensor, points: Sequence[Point], backward: bool
    ) -> tuple[Tensor, Tensor | None]:
        """<prediction, direction> at points of prompts' paths from clean to altered keys and values.

        Args:
            noisy, direction: [prompts, channels, y, x].
            points: (prompt, place from 0 to 1).
            backward: whether to ask for gradients.

        Returns:
            The values [points], and with `backward` for each point, of every layer, head and token (one after the other),
            <slope by K, K' - K> + <slope by V, V' - V>, [points, parts]: its part of the slope along the path.
        """
        values: list[Tensor] = []
        parts: list[Tensor] = []
        scale = 1.0 if self.model.dtype == torch.float32 else SCALE

        def evaluate(begin: int, end: int) -> int:
            batch = points[begin:end]
            at = torch.tensor([prompt for prompt, _ in batch], device=noisy.device)
            along = torch.tensor([place for _, place in batch], device=noisy.device)
            with torch.set_grad_enabled(backward):
                leaves, changes = self._between(at, along)
                half, pooled = len(leaves) // 2, self.altered[2]
                told = None if pooled is None else pooled[at]
                predicted = self.predict(noisy[at], t, leaves[:half], leaves[half:], told)
                value = (self.model.noise_of(predicted) * direction[at]).flatten(1).sum(1)
            if backward:
                slopes = torch.autograd.grad(scale * value.sum(), leaves)
                self.rows += (BACKWARD - 1) * len(batch)
                parts.append(_products(slopes, changes) / scale)
            values.append(value.detach().cpu().double())
            return len(batch)

        self._size = passes(evaluate, len(points), self.model, self._size)
        return torch.cat(values), torch.cat(parts) if backward else None

    def _between(self, at: Tensor, along: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """All layers' keys, then values, at places of some prompts' paths, and K' - K and V' - V of these prompts."""
        leaves, changes = [], []
        for clean, altered in zip(
            (*self.clean[0], *self.clean[1]), (*self.altered[0], *self.altered[1])
        ):
            changes.append(altered[at] - clean[at])
            leaf = clean[at] + along.to(clean).view(-1, 1, 1, 1) * changes[-1]
            leaves.append(leaf.requires_grad_(torch.is_grad_enabled()))
        return leaves, changes

    def by_layer(self, parts: Tensor) -> list[Tensor]:
        """Parts [prompts, parts] as each layer's [prompts, heads, tokens]."""
        shapes = [key.shape[1:3] for key in self.clean[0]]
        split = parts.split([heads * tokens for heads, tokens in shapes], dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(split, shapes)]


def _products(slopes: Sequence[Tensor], changes: Sequence[Tensor]) -> Tensor:
    """<slope, change> over each head's dimensions, keys and values together, [rows, parts of all layers]."""
    parts = [(slope.float() * change.float()).sum(-1) for slope, change in zip(slopes, changes)]
    half = len(parts) // 2
    both = [(key + value).flatten(1) for key, value in zip(parts[:half], parts[half:])]
    return torch.cat(both, dim=1).cpu().double()
