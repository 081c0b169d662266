"""What a number of LocoGen is a mean of (values, prompts or images), and effects and shares of tables of `measure`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...prompts import Prompt
from ...scores import ENOUGH, MATTERS, Array, Effects, Interval, columns, mean, proportion, share
from .layer_sets import Window, label

BY_VALUE = 10  # values of an attribute from which on a number is about its values as they come
NOUNS = {"style": "artist", "object": "object", "fact": "fact", "place": "place"}


def about_whom(prompts: Sequence[Prompt]) -> str:
    """Whom a number about these prompts is about: "12 objects as they come", or "these 6 artists" and no others.

    Fewer than BY_VALUE values are no sample of all: intervals then are about other prompts of the same values.
    """
    count, noun = len({prompt.value for prompt in prompts}), NOUNS[prompts[0].attribute]
    if count >= BY_VALUE:
        return f"{count} {noun}s as they come"
    return f"these {count} {noun}s" if count > 1 else f"this {noun}, {prompts[0].value}"


def unit_of(table: pd.DataFrame) -> str:
    """What is drawn: "value" where a table has BY_VALUE of them, else "prompt" where there are enough, else "image"."""
    if "value" in table and table.value.nunique() >= BY_VALUE:
        return "value"
    return "prompt" if table.prompt.nunique() >= ENOUGH else "image"


def by_unit(table: pd.DataFrame, unit: str | None = None) -> tuple[str, pd.DataFrame]:
    """The unit (by default that of `unit_of`), and mean scores [units, layer sets]."""
    unit = unit or unit_of(table)
    keys = {"value": ["value"], "prompt": ["prompt"], "image": ["prompt", "seed"]}[unit]
    return unit, table.groupby([*keys, "layers"], sort=False).score.mean().unstack("layers")


def groups_of(table: pd.DataFrame, unit: str) -> Array | None:
    """For each row the unit to which it belongs, where several images belong to one; None where images are the units."""
    return None if unit == "image" else table[unit].to_numpy()


def changes(mean: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """Effects [units, layer sets] of mean scores: how far each moved the way in which it should (up for facts)."""
    return (1 if attribute == "fact" else -1) * mean.sub(mean[""], axis=0)


def matters(table: pd.DataFrame) -> float:
    """Smallest effect that matters, in points: a tenth of the scorer's range, from unrelated texts to a clean picture's own prompt.

    NaN where clean pictures do not surely show their prompts (there is no range), or the table does not say.
    """
    clean = table[table.layers == ""]
    if not {"own", "unrelated"} <= set(table) or clean.empty:
        return np.nan
    unit = unit_of(table)
    keys = ["prompt", "seed"] if unit == "image" else [unit]
    apart = (clean.own - clean.unrelated).groupby([clean[k] for k in keys], sort=False)
    values = apart.mean() if clean.own.notna().all() else pd.Series([np.nan])
    strata = list(values.index.get_level_values("prompt")) if unit == "image" else None
    found = mean(values.to_numpy(), strata)
    return MATTERS * found.value if found.low > 0 else np.nan


def effects(
    table: pd.DataFrame,
    sets: Sequence[Window],
    layers: int,
    attribute: str,
    prompts: Sequence[Prompt] | None = None,
) -> Effects:
    """Effects [units, sets] and of all layers [units], on all prompts of a table or on some.

    What lies within a unit is averaged.  Some prompts have the units of all, unless they are too few for that.
    """
    part = table if prompts is None else table[table.prompt.isin([p.original for p in prompts])]
    unit = unit_of(table)
    if unit != "value" or part.value.nunique() < ENOUGH:
        unit = "prompt" if part.prompt.nunique() >= ENOUGH else "image"
    change = changes(by_unit(part, unit)[1], attribute)
    within = tuple(change.index.get_level_values("prompt")) if unit == "image" else None
    return Effects(
        windows=change[[label(s) for s in sets]].to_numpy(),
        full=change[label(tuple(range(layers)))].to_numpy(),
        starts=tuple(min(s, default=-1) for s in sets),
        strata=within,
        matters=matters(table),
    )


def summary(
    table: pd.DataFrame, sets: Sequence[Window], layers: int, attribute: str
) -> pd.DataFrame:
    """A row for each layer set of a table of `measure`: score, share and rate of the target with 95% intervals.

    Returns:
        layers, kind (clean, all, window), start, m, score, share, picks_target (each with _low and _high), unit, units
        (what is drawn: "artist", "object", ... where there are enough values, prompts, or images), images.
    """
    unit, scores = by_unit(table)
    found = effects(table, sets, layers, attribute)
    rows = []
    for i, altered in enumerate(sets):
        part = table[table.layers == label(altered)]
        kind = "clean" if not altered else "all" if len(altered) == layers else "window"
        known = (
            {"clean": 0.0, "all": 1.0}.get(kind) if found.full.mean() > 0 else np.nan
        )  # known, or not defined at all
        parts = {
            "score": mean(scores[label(altered)].to_numpy(), found.strata),
            "share": share(found, i)
            if known is None
            else Interval(value=known, low=known, high=known),
            "picks_target": proportion(part.picks_target.to_numpy(), groups_of(part, unit)),
        }
        rows.append(
            {
                "layers": label(altered),
                "kind": kind,
                "start": min(altered, default=-1),
                "m": len(altered),
            }
            | columns(parts)
            | {
                "unit": NOUNS[attribute] if unit == "value" else unit,
                "units": len(scores),
                "images": len(part),
            }
        )
    return pd.DataFrame(rows)
