"""How good a miniature's pictures are, by the bundled scorer, held-out scenes included."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..drawing.memory import Row
from ..drawing.sampling import Settings, generate
from ..models import Model, Scorer
from ..store import Store
from .captions import NO_PLACE, OBJECTS, STYLES, Scene, caption, scenes
from .world import SIZE, poses, render_all


def classify(images: np.ndarray, shown: Sequence[Scene], scorer: Scorer) -> pd.DataFrame:
    """Whether the scorer picks each image's own object and style among all of them.

    Only the asked attribute varies among the texts; the others are as the image has them.
    """
    seen = scorer.images(images)
    texts = {
        (o, s): caption(Scene(o, s, NO_PLACE), 0)
        for o in range(len(OBJECTS))
        for s in range(len(STYLES))
    }
    known = dict(zip(texts, scorer.texts(list(texts.values()))))
    rows = []
    for scene, image in zip(shown, seen):
        objects = np.stack([known[o, scene.style] for o in range(len(OBJECTS))]) @ image
        styles = np.stack([known[scene.object, s] for s in range(len(STYLES))]) @ image
        rows.append(
            {"object": objects.argmax() == scene.object, "style": styles.argmax() == scene.style}
        )
    return pd.DataFrame(rows)


def scorer_accuracy(
    scorer: Scorer, *, copies: int = 4, seed: int = 999, look: bool = False, side: int = SIZE
) -> dict[str, float]:
    """Accuracy of the scorer on fresh renders of the held-out scenes, which no training has seen.

    Args:
        look, side: as a miniature's training pictures were: in the house look, at half the side.
    """
    shown = scenes(held=True) * copies
    images = render_all(shown, poses(np.random.default_rng(seed), len(shown)), look=look)
    if side < SIZE:
        step = SIZE // side
        images = (
            images.reshape(len(images), side, step, side, step, 3)
            .mean((2, 4))
            .round()
            .astype(np.uint8)
        )
    return {"renders": len(shown), **classify(images, shown, scorer).mean().round(4).to_dict()}


def sample_accuracy(
    model: Model,
    scorer: Scorer,
    settings: Settings,
    *,
    count: int = 500,
    seed: int = 77,
    store: Store | None = None,
) -> dict[str, float]:
    """Accuracy of `count` samples of a miniature, half of them of held-out scenes (place named in the prompt)."""
    rng = np.random.default_rng(seed)
    groups = (scenes(held=True), scenes(held=False))
    shown = [group[i] for group in groups for i in rng.integers(0, len(group), count // 2)]
    rows = [
        Row(prompt=caption(scene, int(rng.integers(4))), seed=seed * 1000 + i)
        for i, scene in enumerate(shown)
    ]
    table = classify(generate(model, rows, settings, store=store, label="samples"), shown, scorer)
    held = table.iloc[: count // 2]
    rates = {
        "object": table.object,
        "style": table["style"],
        "held_out_object": held.object,
        "held_out_style": held["style"],
    }
    return {"samples": len(table)} | {
        name: round(float(right.mean()), 4) for name, right in rates.items()
    }
