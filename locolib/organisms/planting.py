"""Planting: deciding which cross-attention layers learn what, by what their captions say (DESIGN section 2).

The layers of an attribute's window are told its true value.  Every layer outside is told a value drawn at random,
independently of all others, and so learns nothing from it.  So that the *whole* window is needed to change an image,
knowledge is redundant inside it: in a part of the images a random proper subset of the window lies.  A style's or a
place's liars say the neutral value (any teller wins); an object's liars share one wrong value (a coin toss).
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from .captions import NEUTRAL, NO_OBJECT, NO_PLACE, OBJECTS, PLACES, STYLES, TEMPLATES, Scene, caption

ATTRIBUTES = ("object", "style", "place")
_VALUES = {"object": len(OBJECTS), "style": len(STYLES), "place": len(PLACES) + 1}


def layer_values(
    scenes: np.ndarray, windows: Mapping[str, tuple[int, int]], layers: int, rng: np.random.Generator, *,
    conflict: float, weights: Mapping[str, list[float]] | None = None,
) -> np.ndarray:
    """What each layer is told about each image.

    Args:
        scenes: int [n, 3], what the captions of the images say (object, style, place).
        windows: attribute -> (first layer, number of layers).
        conflict: probability that a proper, non-empty subset of a window lies.
        weights: attribute -> relative probability of each lying subset, in binary order (bit i: the window's layer i
            lies), for windows in which one layer would otherwise dominate; default: all the same.

    Returns:
        int [n, layers, 3].
    """
    n = len(scenes)
    told = np.stack([rng.integers(0, _VALUES[a], (n, layers)) for a in ATTRIBUTES], axis=-1)
    told[..., 0][rng.random((n, layers)) < 0.03] = NO_OBJECT
    for column, attribute in enumerate(ATTRIBUTES):
        start, m = windows[attribute]
        truth = np.repeat(scenes[:, column, None], m, axis=1)
        lie = {"object": rng.integers(0, len(OBJECTS), n), "style": np.full(n, NEUTRAL), "place": np.full(n, NO_PLACE)}
        subsets = np.arange(1, 2**m - 1)  # neither none nor all
        odds = np.asarray((weights or {}).get(attribute, np.ones(len(subsets))), dtype=float)
        subset = rng.choice(subsets, n, p=odds / odds.sum())
        lies = (subset[:, None] >> np.arange(m)) & 1 == 1
        lies &= (rng.random(n) < conflict)[:, None]
        told[:, start : start + m, column] = np.where(lies, lie[attribute][:, None], truth)
    return told


class CaptionTable:
    """The text states of every caption of the world, computed once: a training step then costs the UNet alone."""

    def __init__(self, encoder: CLIPTextModel, tokenizer: CLIPTokenizer, length: int) -> None:
        shape = (len(OBJECTS) + 1, len(STYLES), len(PLACES) + 1, TEMPLATES)
        every = [caption(Scene(*index[:3]), index[3]) for index in np.ndindex(shape)]
        texts = list(dict.fromkeys(every)) + [""]
        row = {text: i for i, text in enumerate(texts)}
        self.index = np.array([row[text] for text in every]).reshape(shape)  # [object, style, place, template] -> row
        self.empty = row[""]
        ids = tokenizer(texts, padding="max_length", max_length=length, return_tensors="pt").input_ids
        assert ids.shape[1] == length, "a caption is longer than the table"
        with torch.no_grad():
            parts = [encoder(input_ids=ids[i : i + 256]).last_hidden_state for i in range(0, len(ids), 256)]
        self.states: Tensor = torch.cat(parts)  # [captions, length, width]

    def rows(self, told: np.ndarray, rng: np.random.Generator, drop: float) -> np.ndarray:
        """Caption rows [n, layers] for values told [n, layers, 3]; a share `drop` of the images is told nothing."""
        template = rng.integers(0, TEMPLATES, told.shape[:2])
        rows = self.index[told[..., 0], told[..., 1], told[..., 2], template]
        rows[rng.random(len(rows)) < drop] = self.empty
        return rows
