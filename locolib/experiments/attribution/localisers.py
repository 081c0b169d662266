"""Localisers: functions that give each layer a score for an attribute, ours and those of others, under one signature.

A localiser is ``(model, request) -> Scores``.  The ones of other papers are built from their descriptions, for keys and values of
cross-attention layers; where a paper leaves open what these would be, the docstring says what was taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic

import numpy as np
import torch
from torch import Tensor

from ...drawing.hooks import recording
from ...drawing.layers import sites
from ...drawing.text import positions
from ...models import Model
from ...models.attention import contributions
from ...store import Store
from ..locogen import Request, Window, effects, measure, search, unet_rows, windows
from ..locogen.backward import attribute, slopes
from ..locogen.backward.walking import BACKWARD, Walk, walking
from .confirming import localise


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a localiser says.

    Attributes:
        layers: [layers], larger where more of the attribute is; units differ between localisers, the order counts.
        rows: UNet rows that it cost; one that went backward too counts as three.
        seconds: it took.
        verdict: for those that give one, `localised`, `not localised` or something else.
        found: the layers that the verdict is about.
        adjacent: whether only windows of adjacent layers could be found.
    """

    layers: np.ndarray
    rows: int
    seconds: float
    verdict: str = ""
    found: Window = ()
    adjacent: bool = True


Localiser = Callable[[Model, Request], Scores]


def parts(of: np.ndarray, whole: float) -> np.ndarray:
    """Parts of a whole effect; 0 where there is no effect to share out."""
    return of / whole if whole else np.zeros_like(of)


def by_path(model: Model, request: Request, *, every: int = 2) -> Scores:
    """Integrated gradients from clean to altered keys and values (`paths.attribute`)."""
    found = attribute(model, request, every=every)
    return Scores(layers=found.mean, rows=found.rows, seconds=found.seconds)


def by_slope(model: Model, request: Request, *, every: int = 2) -> Scores:
    """Gradient times difference at the clean end: one backward pass a step (`paths.slopes`)."""
    found = slopes(model, request, every=every)
    return Scores(layers=found.mean, rows=found.rows, seconds=found.seconds)


def by_ablation(model: Model, request: Request, *, every: int = 2) -> Scores:
    """CAD (Nguyen et al., arXiv 2412.02542): a first-order estimate of how much worse the model would draw without a layer's W_K and W_V.

    The paper scores a parameter w by -w dJ/dw, J being the training loss on pictures of the concept.  Here these are the model's
    own pictures of the request's prompts (its final latents, noised again to the steps of its schedule by each prompt's own
    generator), and a layer's score is the sum over both its matrices; <W, dJ/dW> = <K, dJ/dK>, so that only keys and values
    need gradients.
    """
    started, scheduler = monotonic(), model.pipeline.scheduler
    with walking(model, request) as walk:
        for _ in walk.steps():
            pass
        drawn = walk.latents
        seeds = [seed for i in range(len(request.prompts)) for seed in request.seeds_of(i)]
        total = np.zeros(model.spec.layers)
        for t in walk.times[::every]:
            noise = torch.stack([model.noise(model.generator(seed + 1)) for seed in seeds])
            noise, steps = noise.to(drawn), t.expand(len(seeds)).to(drawn.device)
            wanted = noise
            if scheduler.config.prediction_type == "v_prediction":
                wanted = scheduler.get_velocity(drawn, noise, steps)
            total -= _loss_slopes(walk, scheduler.add_noise(drawn, noise, steps), t, wanted)
    return Scores(layers=total, rows=walk.rows, seconds=monotonic() - started)


def _loss_slopes(walk: Walk, noisy: Tensor, t: Tensor, wanted: Tensor) -> np.ndarray:
    """For each layer <K, dJ/dK> + <V, dJ/dV>, J being the squared error of the clean prompts' prediction, summed over prompts."""
    with torch.enable_grad():
        leaves = [part.clone().requires_grad_() for part in (*walk.clean[0], *walk.clean[1])]
        half = len(leaves) // 2
        predicted = walk.predict(noisy, t, leaves[:half], leaves[half:], walk.clean[2])
        loss = (walk.model.noise_of(predicted) - wanted).pow(2).flatten(1).mean(1).sum()
        gradients = torch.autograd.grad(loss, leaves)
    walk.rows += (BACKWARD - 1) * len(noisy)
    each = [
        float((leaf.detach().float() * slope.float()).sum())
        for leaf, slope in zip(leaves, gradients)
    ]
    return np.array(each[:half]) + np.array(each[half:])


def by_attention(model: Model, request: Request, *, every: int = 2) -> Scores:
    """Attention contribution (Zarei et al., arXiv 2505.18832): the mean norm of what the subject's tokens write into the image.

    At each place of the image the tokens' values, weighed by their attention and projected by W_O, summed over heads; its norm,
    averaged over places, the subject's tokens, prompts and steps.  It asks for no target prompt.
    """
    started = monotonic()
    every_site = [model.unet.get_submodule(site.path) for site in sites(model.unet)]
    named = {str(i): module for i, module in enumerate(every_site)}
    at = [positions(model, p.original, p.subject).subject for p in request.prompts]
    at = [tokens for tokens in at for _ in request.seeds]
    total = np.zeros(len(every_site))
    with walking(model, request) as walk, recording(named, inputs=True) as seen:
        for number, *_ in walk.steps():
            if number % every:
                continue
            for i, module in enumerate(every_site):
                shown = seen[str(i)][-walk.count :]
                norms = contributions(module, shown, walk.clean[0][i], walk.clean[1][i])
                total[i] += sum(float(norms[row, list(own)].mean()) for row, own in enumerate(at))
    return Scores(layers=total, rows=walk.rows, seconds=monotonic() - started)


def by_pictures(
    model: Model, request: Request, *, store: Store | None = None, leave_out: bool = False
) -> Scores:
    """One layer at a time altered and drawn (LocoGen with m = 1); with `leave_out` all layers but one."""
    started, layers = monotonic(), model.spec.layers
    every = tuple(range(layers))
    sets = (
        [tuple(i for i in every if i != one) for one in every] if leave_out else windows(layers, 1)
    )
    table = measure(model, request, [(), every, *sets], store=store or Store())
    found = effects(table, sets, layers, request.attribute)
    full, own = found.full.mean(), found.windows.mean(0)
    return Scores(
        layers=parts(full - own if leave_out else own, full),
        rows=len(table) * request.settings.unet_rows,
        seconds=monotonic() - started,
    )


def by_confirmed(
    model: Model, request: Request, *, store: Store | None = None, adjacent: bool = True
) -> Scores:
    """A few prompts propose by integrated gradients, the others confirm by pictures (`confirming.localise`)."""
    answer = localise(model, request, store=store or Store(), adjacent=adjacent)
    return Scores(
        layers=answer.attribution.mean,
        rows=answer.rows,
        seconds=answer.seconds,
        verdict=answer.verdict,
        found=answer.found,
        adjacent=adjacent,
    )


def by_sweep(model: Model, request: Request, *, store: Store | None = None) -> Scores:
    """LocoGen (Algorithm 1): the smallest window that is confirmed; a layer's score is the mean share of the last size's windows with it."""
    started, layers = monotonic(), model.spec.layers
    sweeps = search(model, request, store=store or Store())
    last = sweeps[-1]
    share = parts(last.effects.windows.mean(0), last.effects.full.mean())
    each = [
        np.mean([value for value, window in zip(share, last.windows) if layer in window])
        for layer in range(layers)
    ]
    return Scores(
        layers=np.array(each),
        rows=unet_rows(sweeps),
        seconds=monotonic() - started,
        verdict=last.verdict.verdict,
        found=last.found,
    )


LOCALISERS: dict[str, Localiser] = {
    "integrated gradients (ours)": by_path,
    "gradient x difference": by_slope,
    "CAD": by_ablation,
    "attention contribution": by_attention,
    "one layer altered": by_pictures,
    "all but one altered": partial(by_pictures, leave_out=True),
}
SWEEP = "LocoGen, all windows"
# Those that give a verdict: they are asked with more prompts, some of which choose.
ANSWERERS: dict[str, Localiser] = {
    "proposed and confirmed, windows (ours)": by_confirmed,
    "proposed and confirmed, any set (ours)": partial(by_confirmed, adjacent=False),
    SWEEP: by_sweep,
}
