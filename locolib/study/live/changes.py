"""What the live page can change in a model: LocoEdit that spares, of artists and objects, and dropped neurons."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...drawing.layers import sites
from ...drawing.sampling import Settings
from ...drawing.text import Tokens
from ...experiments import neurons
from ...experiments.editing import Edit, kept, sparing
from ...experiments.locogen import SEED, Window, label
from ...models import Model
from ...prompts import about, read, read_styled
from ...store import Store
from .answers import located

TOKENS: Tokens = "onward"  # as `locolib edit` has it
VALUES = {"style": None, "object": ("snoopy", "nemo", "r2d2", "cat")}  # None: all of them


@dataclass(frozen=True, kw_only=True)
class Change:
    """One edit.

    Attributes:
        value, attribute: what the model forgets.
        layers: whose keys and values change.
        by: who says that it is there: "planted", "paper" or "LocoGen".
        edit: as the library applies it.
        deltas: for each layer that of W_K, then that of W_V, [out, width].
    """

    value: str
    attribute: str
    layers: Window
    by: str
    edit: Edit
    deltas: tuple[np.ndarray, ...]

    @property
    def name(self) -> str:
        """What an address calls it."""
        return f"{self.value}@{label(self.layers)}" if self.by == "LocoGen" else self.value


def known_layers(model: Model, attribute: str) -> Window:
    """The layers that are known for an attribute: the planted ones, or the paper's (see `Spec.paper`)."""
    start, m = model.spec.paper[attribute]
    return tuple(range(start, start + m))


def change(model: Model, attribute: str, value: str, found: Window = ()) -> Change:
    """LocoEdit that spares, of one value, in the layers that LocoGen `found`; without any in those that are known."""
    layers, known = found or known_layers(model, attribute), read(attribute)
    train = about(known, value)
    edit = sparing(model, train, layers, kept(known, value, train), tokens=TOKENS)
    every = sites(model.unet)
    paths = [path for layer in layers for path in (every[layer].key, every[layer].value)]
    deltas = tuple(edit.deltas[f"unet.{path}.weight"].cpu().numpy() for path in paths)
    by = "LocoGen" if found else "planted" if model.spec.planted else "paper"
    return Change(value=value, attribute=attribute, layers=layers, by=by, edit=edit, deltas=deltas)


def changes(model: Model, store: Store) -> Iterator[Change]:
    """The edits that the page offers for a model: where it is known, and where LocoGen finds it if that is elsewhere."""
    for attribute, named in VALUES.items():
        found = () if model.spec.planted else located(model, attribute, store)
        places = dict.fromkeys([(), () if found == known_layers(model, attribute) else found])
        for value in named or dict.fromkeys(prompt.value for prompt in read(attribute)):
            for place in places:
                yield change(model, attribute, value, place)


def ranked(model: Model) -> dict[str, list[tuple[int, int, list[int]]]]:
    """For each artist the neurons of the style's layers by ``|z|``, largest first (Section 7).

    Returns:
        By artist, for each matrix: its layer, 0 for K or 1 for V, and its neurons in that order.
    """
    start, m = model.spec.paper["style"]
    layers, prompts = tuple(range(start, start + m)), read_styled()
    known, found = neurons.Activations(model, layers), {}
    for artist in dict.fromkeys(prompt.artist for prompt in prompts):
        asked = neurons.Request(
            artist=artist,
            prompts=prompts,
            tests=tuple(prompt for prompt in prompts if prompt.artist == artist)[:1],
            layers=layers,
            seeds=(SEED,),
            settings=Settings(),
        )
        ranking = neurons.rank(known, asked)
        found[artist] = [
            (layer, int(matrix == "value"), np.argsort(-np.abs(z), kind="stable").tolist())
            for (layer, matrix), z in ranking.z.items()
        ]
    return found
