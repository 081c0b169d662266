"""Scorers: CLIP models by open_clip, the published ones and the miniatures' own."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transformer import QuickGELU
from PIL import Image

from .. import UserError
from . import precision
from .fingerprint import fingerprint
from .registry import MINI_SCORER, ORGANISMS
from .shapes import Embeddings, Images
from .shapes import Image as Image_

THREADS = 4  # that prepare images


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """CLIP-Score's two encoders; scores of different scorers cannot be compared.

    Attributes:
        name: stated on every figure.
        fingerprint: of its weights, part of the key of every table of scores.
        model, preprocess, tokenizer: open_clip's; the model is float32, on the device that `precision.device` chooses.
        known: embeddings of the texts that it was asked for so far.
    """

    name: str
    fingerprint: str
    model: Any
    preprocess: Any
    tokenizer: Any
    known: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @torch.no_grad()
    def images(self, images: Images, batch: int = 64) -> Embeddings:
        """Unit embeddings [n, d] of uint8 images [n, h, w, 3], prepared on threads, embedded in batches."""
        parts = []
        with ThreadPoolExecutor(THREADS) as pool:
            for i in range(0, len(images), batch):
                prepared = pool.map(self._prepared, images[i : i + batch])
                pixels = torch.stack(list(prepared)).to(self.device)
                parts.append(self.model.encode_image(pixels, normalize=True))
        return self._finite(torch.cat(parts), "an image")

    def _prepared(self, image: Image_) -> torch.Tensor:
        return self.preprocess(Image.fromarray(image))

    @torch.no_grad()
    def texts(self, texts: list[str]) -> Embeddings:
        """Unit embeddings [n, d] of texts; each is encoded once and remembered, as sweeps ask for the same ones again and again."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            ids = self.tokenizer(new).to(self.device)
            found = self._finite(self.model.encode_text(ids, normalize=True), "a text")
            self.known.update(zip(new, found))
        return np.stack([self.known[text] for text in texts])

    def _finite(self, embedded: torch.Tensor, what: str) -> Embeddings:
        if not torch.isfinite(embedded).all():
            raise UserError(
                f"The scorer {self.name} gave NaN or infinity for {what}; load it in full precision, or name another scorer."
            )
        return embedded.cpu().numpy()


@lru_cache(maxsize=2)
def load_scorer(name: str) -> Scorer:
    """A scorer by name: a folder below ``data/organisms``, or ``ARCHITECTURE/PRETRAINED`` of open_clip."""
    folder = ORGANISMS / name
    try:
        if name == MINI_SCORER or (folder / "open_clip_config.json").exists():
            where = f"local-dir:{folder}"
            model, preprocess = open_clip.create_model_from_pretrained(where)
            tokenizer = open_clip.get_tokenizer(where)
            title = "bundled scorer"
        else:
            architecture, _, pretrained = name.partition("/")
            quick = quick_gelu(architecture, pretrained)
            model, preprocess = open_clip.create_model_from_pretrained(
                architecture, pretrained=pretrained, force_quick_gelu=quick
            )
            check_activation(name, model, quick)
            tokenizer, title = open_clip.get_tokenizer(architecture), name
    except UserError:
        raise
    except Exception as error:
        advice = (
            "it is bundled: get it back by `git checkout -- data/organisms/scorer`"
            if name == MINI_SCORER
            else "it is downloaded once from the hub, so connect, or fill the hub's cache first"
        )
        raise UserError(
            f"Cannot load the scorer {name!r} ({type(error).__name__}); {advice}."
        ) from None
    return Scorer(
        name=title,
        fingerprint=fingerprint([model]),
        model=model.eval().to(precision.device()),
        preprocess=preprocess,
        tokenizer=tokenizer,
    )


def quick_gelu(architecture: str, pretrained: str) -> bool:
    """Whether weights of open_clip were trained with QuickGELU, as all of OpenAI's were: only their tag says it."""
    known = open_clip.pretrained.get_pretrained_cfg(architecture, pretrained)
    return bool(known.get("quick_gelu", False))


def check_activation(name: str, model: Any, quick: bool) -> None:
    """Refuse a scorer built with another activation than its weights were trained with: it scores, and scores wrongly.

    Raises:
        UserError: it has QuickGELU and should not, or the other way round.
    """
    built = any(isinstance(module, QuickGELU) for module in model.modules())
    if built != quick:
        raise UserError(
            f"The scorer {name} has {'' if built else 'no '}QuickGELU and its weights were trained with{'' if quick else 'out'} it; "
            f"name {name.replace('-quickgelu', '') if built else name.replace('/', '-quickgelu/')}."
        )
