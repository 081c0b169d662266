"""One prompt's pictures window by window, as Fig. 55 and App. B show them."""

import numpy as np
import pandas as pd

from ...store import Store
from .layer_sets import window_label


def clearest(table: pd.DataFrame) -> str:
    """The prompt of a table of `locogen.measure` on which altering all layers moves the score the most."""
    by_set = table.pivot_table(
        values="score", index="prompt", columns="layers", sort=False
    )  # clean first, all layers second
    return str((by_set.iloc[:, 0] - by_set.iloc[:, 1]).abs().idxmax())


def strip(
    store: Store, table: pd.DataFrame, prompt: str
) -> tuple[str, list[tuple[str, np.ndarray]]]:
    """One prompt's images by layer set, for `figures.image_rows`: the clean one first, all layers last (Figs. 4 and 14 to 39)."""
    part = table[table.prompt == prompt]
    part = part[part.seed == part.seed.min()].drop_duplicates("layers")
    first, last, *windows = zip(part.layers, map(store.shown, part.image))
    return prompt, [("clean", first[1]), *windows, ("all", last[1])]


def marks(where: tuple[int, int] | None) -> list[str]:
    """The labels under which `strip` shows the known window."""
    return [window_label(*where)] if where else []
