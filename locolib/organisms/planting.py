"""Planting: deciding which cross-attention layers learn what, by what their captions say.

A planting is a function of what an image shows: it says what each layer is told of it.  `TELLERS` names them: `natural`
(one caption for all layers, as real models are trained), `planted` (each attribute in layers of its own), `everywhere`
(all layers know everything) and `by_artist` (each painter in layers of their own).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from .captions import (
    NEUTRAL,
    NO_OBJECT,
    NO_PLACE,
    OBJECTS,
    PLACES,
    STYLES,
    TEMPLATES,
    Scene,
    caption,
)

ATTRIBUTES = ("object", "style", "place")
_VALUES = {"object": len(OBJECTS), "style": len(STYLES), "place": len(PLACES) + 1}
_NEUTRAL = {"style": NEUTRAL, "place": NO_PLACE}  # an object has no such value
_STYLE = ATTRIBUTES.index("style")

Teller = Callable[[np.ndarray, np.random.Generator, bool], np.ndarray]
"""(what is said of the images [n, 3], generator, whether anyone lies) to what each layer is told, [n, layers, 3]."""


def _lies(
    n: int,
    among: int,
    rng: np.random.Generator,
    conflict: float,
    odds: Sequence[float] | None = None,
) -> np.ndarray:
    """Who lies, [n, among]: nobody, or with probability `conflict` a random proper, non-empty subset of the layers.

    `odds` are the subsets' relative probabilities in binary order (bit i: the window's layer i lies).
    """
    subsets = np.arange(1, 2**among - 1)  # neither none nor all
    odds = np.asarray(odds if odds is not None else np.ones(len(subsets)), dtype=float)
    subset = rng.choice(subsets, n, p=odds / odds.sum()) if len(subsets) else np.zeros(n, int)
    return ((subset[:, None] >> np.arange(among)) & 1 == 1) & (rng.random(n) < conflict)[:, None]


def _random_values(n: int, layers: int, rng: np.random.Generator) -> np.ndarray:
    """Values drawn for each image and layer independently, [n, layers, 3]: what a layer outside every window is told."""
    told = np.stack([rng.integers(0, _VALUES[a], (n, layers)) for a in ATTRIBUTES], axis=-1)
    told[..., 0][rng.random((n, layers)) < 0.03] = NO_OBJECT
    return told


def planted(
    scenes: np.ndarray,
    where: Mapping[str, Sequence[int]],
    layers: int,
    rng: np.random.Generator,
    *,
    conflict: float,
    weights: Mapping[str, Sequence[float]] | None = None,
    agreeing: Sequence[str] = (),
) -> np.ndarray:
    """Each attribute in layers of its own; every other layer is told a value drawn at random, and so learns to ignore it.

    So that *all* layers of an attribute are needed to change an image, knowledge is redundant among them: in a part of
    the images a random proper subset lies.  A style's or a place's liars say the neutral value (any teller wins); an
    object's liars share one wrong value (a coin toss).

    Where any layer is to be *enough* to change an image, its layers must agree: an image has the value only if all of them say
    it, and in a part of the images that have none a random proper subset says one.

    Args:
        scenes: int [n, 3], what the captions of the images say (object, style, place).
        where: attribute -> its layers.
        conflict: probability that a proper, non-empty subset of an attribute's layers lies.
        weights: attribute -> relative probability of each lying subset (see `_lies`), for layers of which one would
            otherwise dominate; default: all the same.
        agreeing: attributes (style, place) whose layers must agree.

    Returns:
        int [n, layers, 3].
    """
    n = len(scenes)
    told = _random_values(n, layers, rng)
    for column, attribute in enumerate(ATTRIBUTES):
        own, truth = list(where[attribute]), scenes[:, column, None]
        if attribute in agreeing:
            subset = _lies(n, len(own), rng, 1.0, (weights or {}).get(attribute))
            alone = subset & (truth == _NEUTRAL[attribute]) & (rng.random((n, 1)) < conflict)
            said = rng.integers(0, _VALUES[attribute], n)
            told[:, own, column] = np.where(alone, said[:, None], truth)
            continue
        lie = {
            "object": rng.integers(0, len(OBJECTS), n),
            "style": np.full(n, NEUTRAL),
            "place": np.full(n, NO_PLACE),
        }
        lies = _lies(n, len(own), rng, conflict, (weights or {}).get(attribute))
        told[:, own, column] = np.where(lies, lie[attribute][:, None], truth)
    return told


def everywhere(
    scenes: np.ndarray, layers: int, rng: np.random.Generator, *, most: int
) -> np.ndarray:
    """Every layer knows everything: from 0 to `most` of them lie, all liars of an image with one mind.

    The liars of half of the images are neighbours (a majority that is heard only through scattered liars would leave
    windows in charge), of the others any layers; half of them say the neutral value (as LocoGen's target does), the others
    a random one.  So the majority is right, and no short window can change an image.  Each attribute has liars of its own.
    """
    n = len(scenes)
    told = np.repeat(scenes[:, None], layers, axis=1)
    neutral = {
        "object": rng.integers(0, len(OBJECTS), n),
        "style": np.full(n, NEUTRAL),
        "place": np.full(n, NO_PLACE),
    }
    for column, attribute in enumerate(ATTRIBUTES):
        lie = np.where(
            rng.random(n) < 0.5, neutral[attribute], rng.integers(0, _VALUES[attribute], n)
        )
        count = rng.integers(0, most + 1, n)[:, None]
        scattered = rng.random((n, layers)).argsort(1)
        neighbours = (
            np.arange(layers) - rng.integers(0, layers, (n, 1))
        ) % layers  # a run may go on at the first layer
        lies = np.where(rng.random((n, 1)) < 0.5, scattered, neighbours) < count
        told[..., column] = np.where(lies, lie[:, None], told[..., column])
    return told


def by_artist(
    scenes: np.ndarray,
    where: Mapping[str, Sequence[int]],
    artists: Mapping[str, Sequence[int]],
    layers: int,
    rng: np.random.Generator,
    *,
    conflict: float,
    weights: Mapping[str, Sequence[float]] | None = None,
) -> np.ndarray:
    """Some painters each in layers of their own (as the paper reports of DeepFloyd), all else as `planted`.

    Layers w_a of artist a never say "a" unless it is true, and then at least one of them does; a liar says the neutral
    value.  All other styles are told in ``where["style"]``, whose layers name an artist of `artists` only where another
    layer, or the image, makes it untrue: what they say of those artists means nothing.
    """
    told = planted(scenes, where, layers, rng, conflict=conflict, weights=weights)
    n, style = len(scenes), scenes[:, _STYLE]
    known = {STYLES.index(name): list(own) for name, own in artists.items()}
    theirs = np.isin(style, list(known))
    rest = list(where["style"])
    idle = theirs | (
        (style == NEUTRAL) & (rng.random(n) < 0.5)
    )  # what the rest's layers say is noise here
    noise = rng.integers(0, len(STYLES), (n, len(rest)))
    noise = np.where(theirs[:, None], noise, rng.choice(list(known), (n, len(rest))))
    told[:, rest, _STYLE] = np.where(idle[:, None], noise, told[:, rest, _STYLE])
    for number, own in known.items():
        others = np.array([s for s in range(len(STYLES)) if s != number])
        said = np.where(_lies(n, len(own), rng, conflict), NEUTRAL, number)
        told[:, own, _STYLE] = np.where(
            (style == number)[:, None], said, rng.choice(others, (n, len(own)))
        )
    return told


def teller(plan: Mapping, layers: int) -> Teller:
    """What a configuration's ``[unet.planting]`` means for a UNet of so many cross-attention layers."""
    kind, conflict = plan["kind"], plan.get("conflict", 0.0)
    if kind == "natural":
        return lambda scenes, rng, lying: np.repeat(scenes[:, None], layers, axis=1)
    if kind == "everywhere":
        return lambda scenes, rng, lying: everywhere(
            scenes, layers, rng, most=plan["most"] if lying else 0
        )
    weights = plan.get("weights")
    if kind == "by_artist":
        return lambda scenes, rng, lying: by_artist(
            scenes,
            plan["layers"],
            plan["artists"],
            layers,
            rng,
            conflict=conflict * lying,
            weights=weights,
        )
    return lambda scenes, rng, lying: planted(
        scenes,
        plan["layers"],
        layers,
        rng,
        conflict=conflict * lying,
        weights=weights,
        agreeing=plan.get("agreeing", ()),
    )


class CaptionTable:
    """The text states of every caption of the world, computed once: a training step then costs the UNet alone."""

    def __init__(
        self, encode: Callable[[list[str], int], tuple[Tensor, Tensor | None]], length: int
    ) -> None:
        """`encode(texts, length)` gives the states of `length` tokens [n, length, width], and pooled [n, d] or None."""
        shape = (len(OBJECTS) + 1, len(STYLES), len(PLACES) + 1, TEMPLATES)
        every = [caption(Scene(*index[:3]), index[3]) for index in np.ndindex(shape)]
        texts = list(dict.fromkeys(every)) + [""]
        row = {text: i for i, text in enumerate(texts)}
        self.index = np.array([row[text] for text in every]).reshape(
            shape
        )  # [object, style, place, template] -> row
        self.empty = row[""]
        with torch.no_grad():
            parts = [encode(texts[i : i + 256], length) for i in range(0, len(texts), 256)]
        self.states: Tensor = torch.cat(
            [states for states, _ in parts]
        )  # [captions, length, width]
        self.pooled = None if parts[0][1] is None else torch.cat([pooled for _, pooled in parts])

    def rows(
        self, told: np.ndarray, rng: np.random.Generator, drop: float, *, one_caption: bool = False
    ) -> np.ndarray:
        """Caption rows [n, layers] for values told [n, layers, 3]; a share `drop` of the images is told nothing.

        Layers draw templates of their own, or with `one_caption` share one.
        """
        template = rng.integers(0, TEMPLATES, (len(told), 1 if one_caption else told.shape[1]))
        rows = self.index[told[..., 0], told[..., 1], told[..., 2], template]
        rows[rng.random(len(rows)) < drop] = self.empty
        return rows
