"""Is an attribute where it was planted?  Asked of the training loss, on renders that no training saw: no picture is drawn and no scorer asked.

LocoGen alters what layers are told and looks at what the model draws.  Here a render is noised, all layers are told what it
shows, and some of them something else: the loss rises where those layers count.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from ..drawing.memory import KeysValues
from ..models import Encoded, Model
from ..models.planted import ANY, EVERYWHERE, WIDEST, Answer
from ..scores import CONTROLS
from .autoencoder import encode
from .captions import NEUTRAL, NO_PLACE, OBJECTS, STYLES, Scene, caption, scenes
from .planting import ATTRIBUTES
from .world import poses, render_all

RENDERS = 96  # of held-out scenes
TIMES = (
    300,
    600,
    800,
)  # noise steps of 1000 at which the loss is taken: from detail to what the picture is of
SEED = 4242
# Of the rise of the loss: most of it by its own layers, little by all others, and by a window of what is everywhere at most half.  What a
# part of the layers does is held against what a window needs to control: no part of them may, or, where any is enough, each must.
OWN, ELSEWHERE, HALF = 0.5, 0.2, 0.5
LEARNT = 0.02  # of the loss, that all layers add at least where an attribute was learnt


@dataclass(frozen=True, kw_only=True)
class Check:
    """What lying layers add to the loss, as parts of what all layers add when they lie.

    Attributes:
        own: the planted layers lie, and nobody else.
        elsewhere: everybody else lies; of what is everywhere, the window of WIDEST layers that counts most lies alone.
        single: each planted layer alone, in order; none where everything is everywhere.
        without: all planted layers but this one, in order; none where there are no two.
        rise: what all layers add, as a part of the loss where nobody lies; near 0 where the attribute was not learnt.
    """

    own: float
    elsewhere: float
    single: tuple[float, ...] = ()
    without: tuple[float, ...] = ()
    rise: float

    def planted(self, rule: str) -> bool:
        """Whether the attribute is there by the answer's rule."""
        if self.rise < LEARNT:
            return False
        if rule == EVERYWHERE:
            return self.elsewhere <= HALF
        there = self.own >= OWN and self.elsewhere <= ELSEWHERE
        return there and (
            min(self.single) >= CONTROLS if rule == ANY else max(self.without, default=0) < CONTROLS
        )


class Checker:
    """A model and noised renders of held-out scenes; `check` tells layers what is untrue."""

    def __init__(self, model: Model, count: int = RENDERS) -> None:
        self._model, shown = model, held_out(count)
        self._shown = np.array(shown)
        images = render_all(shown, poses(np.random.default_rng(SEED), count))
        self._latents = encode(model.pipeline.vae, images).float()
        source = torch.Generator().manual_seed(SEED)
        self._noise = torch.randn(self._latents.shape, generator=source)
        config = model.pipeline.scheduler.config
        self._velocity = config.prediction_type == "v_prediction"
        self._alphas = model.pipeline.scheduler.alphas_cumprod

    def check(self, answer: Answer) -> Check:
        """The rise of the loss where an answer's layers, all others, and each of its layers lie about its attribute."""
        keep = np.full(len(self._shown), True)
        if answer.values:
            known = [STYLES.index(value) for value in answer.values]
            keep = np.isin(self._shown[:, ATTRIBUTES.index("style")], known)
        true, false = (
            self._model.encode([caption(Scene(*one), 0) for one in told[keep]])
            for told in (self._shown, self._lie(answer.attribute))
        )
        every, own = frozenset(range(self._model.spec.layers)), frozenset(answer.layers)

        @cache  # of two layers, one alone is all but the other
        def loss(layers: frozenset[int]) -> float:
            return self._loss(true, false, layers, keep)

        truth = loss(frozenset())
        rise = loss(every) - truth
        if answer.rule == EVERYWHERE:
            starts = range(len(every) - WIDEST + 1)
            short = [frozenset(range(start, start + WIDEST)) for start in starts]
            most = max((loss(window) - truth) / rise for window in short)
            return Check(own=1.0, elsewhere=most, rise=rise / truth)

        def parts(*asked: frozenset[int]) -> tuple[float, ...]:
            return tuple((loss(layers) - truth) / rise for layers in asked)

        first, rest = parts(own, every - own)
        several = len(own) > 1
        return Check(
            own=first,
            elsewhere=rest,
            single=parts(*(frozenset({layer}) for layer in answer.layers)),
            without=parts(*(own - {layer} for layer in answer.layers if several)),
            rise=rise / truth,
        )

    def _lie(self, attribute: str) -> np.ndarray:
        """Values [n, 3] that differ from what is shown in one attribute: the neutral one, of objects another object."""
        told, column = self._shown.copy(), ATTRIBUTES.index(attribute)
        others = (told[:, 0] + 1 + np.arange(len(told)) % (len(OBJECTS) - 1)) % len(OBJECTS)
        told[:, column] = {"object": others, "style": NEUTRAL, "place": NO_PLACE}[attribute]
        return told

    @torch.no_grad()
    def _loss(
        self, true: Encoded, false: Encoded, layers: frozenset[int], keep: np.ndarray
    ) -> float:
        """The mean squared error over renders and `TIMES` where `layers` are told what is false and the others the truth."""
        unet, every = self._model.unet, range(self._model.spec.layers)
        # As in training, text that bypasses the layers says what the first of them is told.
        beside = self._model.conditions((false if 0 in layers else true).pooled)
        x, noise, total = self._latents[keep], self._noise[keep], 0.0
        with KeysValues(unet) as memory:
            memory.set([(false if i in layers else true).states for i in every])
            for t in TIMES:
                alpha = self._alphas[t]
                noisy = alpha.sqrt() * x + (1 - alpha).sqrt() * noise
                made = unet(noisy, torch.full((len(x),), t), **beside).sample
                velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * x
                total += float((made - (velocity if self._velocity else noise)).pow(2).mean())
        return total / len(TIMES)


def held_out(count: int = RENDERS) -> list[Scene]:
    """Scenes that no training showed, with a style and a place of their own, so that there is something to lie about."""
    every = [one for one in scenes(held=True) if one.style != NEUTRAL and one.place != NO_PLACE]
    order = np.random.default_rng(SEED).permutation(len(every))
    return [every[order[i % len(every)]] for i in range(count)]
