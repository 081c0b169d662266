"""What a scorer sees in the pairs: no rater and no rating, but it stands beside them, and says where to expect a change."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ...models import Scorer
from ...scores import Interval, columns, proportion
from .pairs import ATTRIBUTES, Pair, Sides, table


def machine(pairs: Sequence[Pair], images: Mapping[str, Sides], scorer: Scorer) -> pd.DataFrame:
    """What a scorer sees in the pairs: in which images it finds the target prompt nearer than the original one.

    Returns:
        The plan's table with the columns clean and altered (bool).
    """
    texts = list(dict.fromkeys(text for pair in pairs for text in (pair.original, pair.target)))
    known = dict(zip(texts, scorer.texts(texts)))
    nearer = np.array([known[pair.target] - known[pair.original] for pair in pairs])
    sides = [
        scorer.images(np.stack([images[pair.pair][side] for pair in pairs])) for side in (0, 1)
    ]
    clean, altered = ((seen * nearer).sum(-1) > 0 for seen in sides)
    return table(pairs).assign(clean=clean, altered=altered)


def seen(found: pd.DataFrame) -> pd.DataFrame:
    """A table of `machine` in numbers, real pairs by attribute and by model, and placebos: of how many images the target is nearer.

    Returns:
        pairs, image (clean, altered), n, nearer with _low and _high (Wilson's, as wide as pairs of one prompt make it).
    """
    real = found[~found.placebo]
    parts = {"all pairs": real} | {name: real[real.attribute == name] for name in ATTRIBUTES}
    parts |= {name: real[real.model == name] for name in dict.fromkeys(real.model)} | {
        "placebo pairs": found[found.placebo]
    }
    return pd.DataFrame(
        [
            {"pairs": name, "image": image, "n": len(part)}
            | columns({"nearer": _share(part, image)})
            for name, part in parts.items()
            if len(part)
            for image in ("clean", "altered")
        ]
    )


def _share(part: pd.DataFrame, image: str) -> Interval:
    """In how many images of some pairs the target is nearer."""
    return proportion(part[image].to_numpy(), part.number.to_numpy())


def expectation(found: pd.DataFrame) -> str:
    """What a scorer saw (a table of `machine`), as a sentence."""
    real, empty = found[~found.placebo], found[found.placebo]
    said = (
        f"It finds the target prompt nearer in {_share(real, 'altered')} of the {len(real)} altered images, "
        f"and in {_share(real, 'clean')} of the clean ones"
    )
    return said + (
        f"; of the {len(empty)} altered images of placebo pairs in {_share(empty, 'altered')}."
        if len(empty)
        else "."
    )
