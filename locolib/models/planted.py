"""The benchmark's planted models: what differs from the model that they are made of, and the answers, in one JSON file.

A model of the benchmark is the UNet of its `base` with other attention weights (SDXL: pooled text too): a small file, which plain diffusers loads by
``pipe.unet.load_state_dict(load_file(file), strict=False)``.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import nn

from .. import UserError

PLANTED = Path(
    os.environ.get("LOCOLIB_PLANTED", Path(__file__).resolve().parents[2] / "data" / "planted")
)
ANSWERS = "answers.json"
WIDEST = 4  # a quarter of 16 layers: the widest window that is searched (App. G); in models of more layers nothing wider is planted

# What must be altered for an attribute to change.
ALL, ANY, EVERYWHERE = "all of them", "any of them", "everywhere"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Where an attribute was planted.

    Attributes:
        attribute: style, object or place.
        layers: cross-attention layers, in execution order.
        rule: which of them must be altered: ALL, ANY (one is enough) or EVERYWHERE (no place of its own).
        values: the values of which it holds; none: of all.
    """

    attribute: str
    layers: tuple[int, ...]
    rule: str = ALL
    values: tuple[str, ...] = ()

    @property
    def window(self) -> tuple[int, int] | None:
        """(start, m) where LocoGen's windows can have it: adjacent layers, no more than are searched."""
        first, last = self.layers[0], self.layers[-1]
        short = len(self.layers) <= WIDEST and last - first + 1 == len(self.layers)
        return (first, len(self.layers)) if self.rule == ALL and short else None

    @property
    def words(self) -> str:
        """The place in words, as tables name it."""
        if self.rule == EVERYWHERE:
            return "all layers"
        return (" or " if self.rule == ANY else " and ").join(map(str, self.layers))


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A model of the benchmark.

    Attributes:
        name, description: what it is.
        base: the bundled model that lends all but its attention; its own name where it is a bundled model itself.
        weights: its file below `PLANTED`; "" for a bundled model.
        answers: where each attribute was planted.
        measured: how good its pictures are, and the check of its planting, as `organisms.bundling` wrote them.
    """

    name: str
    description: str
    base: str
    weights: str
    answers: tuple[Answer, ...]
    measured: Mapping[str, Any]

    def of(self, attribute: str) -> tuple[Answer, ...]:
        """The answers about one attribute: several where it depends on the value."""
        return tuple(answer for answer in self.answers if answer.attribute == attribute)


@cache
def benchmark(folder: Path = PLANTED) -> dict[str, Planted]:
    """All models of the benchmark by name, from its JSON file; none where there is no such file."""
    path = folder / ANSWERS
    if not path.exists():
        return {}
    told = json.loads(path.read_text(encoding="utf-8"))["models"]
    return {name: read(name, about) for name, about in told.items()}


def read(name: str, about: Mapping[str, Any]) -> Planted:
    """One model's entry of the JSON file."""
    answers = [
        Answer(
            attribute=one["attribute"],
            layers=tuple(one["layers"]),
            rule=one["rule"],
            values=tuple(one.get("values", ())),
        )
        for one in about["answers"]
    ]
    return Planted(
        name=name,
        description=about["description"],
        base=about["base"],
        weights=about.get("weights", ""),
        answers=tuple(answers),
        measured=about.get("measured", {}),
    )


def put_weights(unet: nn.Module, file: str, folder: Path = PLANTED) -> None:
    """Give a base's UNet the attention of a benchmark model.

    Raises:
        UserError: the file is not there, or is of another UNet.
    """
    path = folder / file
    if not path.exists():
        raise UserError(f"{path} is not there: run `git checkout -- data/planted`.")
    weights = load_file(path)
    try:
        unknown = unet.load_state_dict(weights, strict=False).unexpected_keys
    except RuntimeError as error:
        raise UserError(f"{path} is of another UNet ({str(error).splitlines()[0]}).") from None
    if unknown:
        raise UserError(f"{path} is of another UNet: this one has no {unknown[0]}.")
