"""First-order LocoGen: each layer's part in what altering all of them does to the noise prediction, by backward passes.

LocoGen replaces the keys and values of a set of layers and draws pictures.  Along the straight path from the clean keys and
values to the altered ones the change of the prediction is the sum, over layers, of an integral of gradients (integrated
gradients, Sundararajan et al. 2017): every layer, every window and every set at once, without a picture and without a scorer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from .... import UserError
from ....models import Model
from ..measuring import Request
from .quadrature import Evaluate, Point, integrate
from .walking import Walk, walking

GAP = 0.05  # completeness: how far from 1 a step's shares may add up
TRIFLE = 0.05  # a step that adds less than this part to the weight of those before is passed over

PromptsByLayers = Float[np.ndarray, "prompts layers"]
Rule = Callable[[Evaluate, int], tuple[Tensor, int]]
"""(the function and its gradients, prompts) to parts [prompts, parts] and the points that went backward."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Shares of layers in the change of the noise prediction, summed up over the steps of the clean trajectory.

    Attributes:
        model, attribute: what was asked.
        layers: [prompts, layers]; a prompt's row adds up to 1 but for its gap.
        heads: for each layer [prompts, heads], whose sum is the layer's share.
        tokens: [prompts, layers, tokens], likewise by position of the prompt.
        gap: [prompts], the sum of a prompt's shares minus 1 (completeness).
        points: of the path that went backward, the mean over prompts and the steps that were looked at.
        rows: UNet rows that it cost; one that went backward too counts as three.
        seconds: it took.
    """

    model: str
    attribute: str
    layers: PromptsByLayers
    heads: tuple[np.ndarray, ...]
    tokens: np.ndarray
    gap: np.ndarray
    points: float
    rows: int
    seconds: float

    @property
    def mean(self) -> np.ndarray:
        """[layers], shares over all prompts: what is compared with LocoGen's."""
        return self.layers.mean(0)

    def of(self, layers: Sequence[int]) -> np.ndarray:
        """[prompts], what a set of layers is predicted to have: the sum of its layers' shares."""
        return self.layers[:, list(layers)].sum(1)


def attribute(model: Model, request: Request, *, every: int = 1, gap: float = GAP) -> Attribution:
    """Shares of all layers for each prompt of a request, by integrated gradients on its clean trajectory.

    At a step with clean keys and values K and altered ones K', with d the difference of the two predictions and
    f(a) = <eps(K + a (K' - K)), d> / <d, d>, so that f(1) - f(0) = 1, a layer's part is the integral of
    <df/dK_l, K'_l - K_l> over a (and of V likewise).  Steps are weighed by <d, d>.  Text that bypasses the layers stays as the
    sweep has it.

    Args:
        every: of the trajectory's steps each so-manieth is looked at, from the first on.
        gap: largest gap of a step; points are added until a step has it (see `quadrature`).

    Raises:
        UserError: `every` is no such number, or a seed or a latent is not as it should be.
    """
    return shares(model, request, partial(integrate, gap=gap), every=every)


def slopes(model: Model, request: Request, *, every: int = 1) -> Attribution:
    """The same with the gradient at the clean end alone, times the difference: one point, blind to what comes later on the path."""

    def at_clean_end(evaluate: Evaluate, prompts: int) -> tuple[Tensor, int]:
        _, parts = evaluate([(prompt, 0.0) for prompt in range(prompts)], True)
        assert parts is not None
        return parts, prompts

    return shares(model, request, at_clean_end, every=every)


def shares(model: Model, request: Request, rule: Rule, *, every: int = 1) -> Attribution:
    """Walk the clean trajectories and share out, by `rule`, what altering all layers does at each step that is looked at."""
    if every < 1:
        raise UserError(f"every must be at least 1, not {every}.")
    started = monotonic()
    with walking(model, request) as walk:
        found = _Found(walk, rule)
        bar = tqdm(walk.steps(), f"{model.name} {request.attribute}: backward", len(walk.times))
        for number, t, noisy, clean in bar:
            if number % every == 0:
                found.look(noisy, t, clean)
    return found.answer(monotonic() - started)


class _Found:
    """What was found so far on the walk."""

    def __init__(self, walk: Walk, rule: Rule) -> None:
        self._walk, self._rule = walk, rule
        parts = sum(key.shape[1] * key.shape[2] for key in walk.clean[0])  # heads and tokens
        self._parts = torch.zeros(walk.count, parts, dtype=torch.float64)
        self._weight = torch.zeros(walk.count, dtype=torch.float64)
        self._points = self._looks = 0

    def look(self, noisy: Tensor, t: Tensor, clean: Tensor) -> None:
        """Add a step's parts, for the prompts on which it is no trifle beside the steps before."""
        walk = self._walk
        with torch.no_grad():
            if (
                walk.request.pooled_target
            ):  # what bypasses the layers is the target's on all of the path
                clean = walk.noise(noisy, t, walk.clean)
            difference = walk.noise(noisy, t, walk.altered) - clean
        size = difference.flatten(1).pow(2).sum(1)  # <d, d>, [prompts]
        todo = torch.nonzero(size.cpu().double() > TRIFLE * self._weight).flatten()
        if not len(todo):
            return
        direction = difference / size.clamp_min(1e-30).view(-1, 1, 1, 1)
        base = (
            (clean * direction).flatten(1).sum(1).cpu().double()
        )  # so that f is 0 at the clean end

        def evaluate(points: Sequence[Point], backward: bool) -> tuple[Tensor, Tensor | None]:
            own = [(int(todo[prompt]), place) for prompt, place in points]
            values, parts = walk.values(noisy, t, direction, own, backward)
            return values - base[[prompt for prompt, _ in own]], parts

        parts, points = self._rule(evaluate, len(todo))
        weight = size.cpu().double()[todo]
        self._parts[todo] += parts * weight[:, None]
        self._weight[todo] += weight
        self._points += points
        self._looks += len(todo)

    def answer(self, seconds: float) -> Attribution:
        """What was found, as shares."""
        walk = self._walk
        parts = walk.by_layer(self._parts / self._weight.clamp_min(1e-30)[:, None])
        layers = torch.stack([part.sum((1, 2)) for part in parts], dim=1).numpy()
        return Attribution(
            model=walk.model.name,
            attribute=walk.request.attribute,
            layers=layers,
            heads=tuple(part.sum(2).numpy() for part in parts),
            tokens=torch.stack([part.sum(1) for part in parts], dim=1).numpy(),
            gap=layers.sum(1) - 1,
            points=self._points / max(1, self._looks),
            rows=walk.rows,
            seconds=seconds,
        )
