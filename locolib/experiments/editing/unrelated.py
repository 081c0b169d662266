"""App. L and Table 1: what edits do to pictures that they are not about."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ... import scores
from ...drawing.memory import Row
from ...drawing.sampling import Settings, generate
from ...models import Model, load_scorer
from ...store import Store
from ..locogen import SEED
from .edits import Edit, applied


def generic(
    model: Model,
    texts: Sequence[str],
    changes: Mapping[str, Edit],
    settings: Settings,
    *,
    store: Store,
    whole: float = np.nan,
) -> pd.DataFrame:
    """CLIP-Score of generic prompts, which no edit is about, before and after edits, with the paired difference.

    Points of two scorers are no common scale, so a difference is told as a share too: of the clean score, and of `whole`.

    Args:
        whole: what altering all layers does to the edited attribute, in points; NaN where it is not known.

    Returns:
        A row for the model as it is and one for each edit: name, score, difference, relative (difference by clean score),
        moved (mean absolute change of a pixel's channel, of 255 levels; each with _low, _high), of whole, matters (the smallest
        difference that does, in points), scores ([prompts], for paired differences), prompts.
    """
    scorer = load_scorer(model.spec.scorer)
    rows = [Row(prompt=text, seed=SEED * i) for i, text in enumerate(texts)]
    wanted = scorer.texts(list(texts))
    plain = generate(model, rows, settings, store=store, label="generic prompts, no edit")
    seen = scorer.images(plain)
    before = scores.clip_score(seen, wanted)
    matters = scores.MATTERS * float(
        (before - scores.clip_score(seen, np.roll(wanted, 1, axis=0))).mean()
    )
    after, levels = {"no edit": before}, {"no edit": np.zeros(len(texts))}
    for name, change in changes.items():
        with applied(model, change) as edited:
            images = generate(edited, rows, settings, store=store, label=f"generic prompts, {name}")
        after[name] = scores.clip_score(scorer.images(images), wanted)
        levels[name] = np.abs(images.astype(float) - plain).mean((1, 2, 3))
    found = []
    for name, score in after.items():
        parts = {
            "score": scores.mean(score),
            "difference": scores.mean(score - before),
            "relative": scores.ratio(score - before, before),
            "moved": scores.mean(levels[name]),
        }
        counted = {"scores": tuple(score.tolist()), "prompts": len(texts), "images": len(texts)}
        moves = float((score - before).mean())
        share = {"of whole": moves / whole if whole else math.nan, "matters": matters}
        found.append({"name": name} | scores.columns(parts) | share | counted)
    return pd.DataFrame(found)
