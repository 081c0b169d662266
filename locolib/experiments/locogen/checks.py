"""What can be asked of a sweep beside its answer: is a planting right, what does each prompt say, would other halves say the same?"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ...models import Model
from ...scores import highest, judge, wilson
from ...store import Store
from .layer_sets import label, windows
from .measuring import Request, measure
from .searching import Sweep
from .units import changes, summary


def check_planting(
    model: Model, request: Request, window: tuple[int, int], *, store: Store
) -> pd.DataFrame:
    """A planting checked without LocoGen: alter the window only, all but the window, each single layer, each part of it.

    Args:
        window: the planted (start, m).

    Returns:
        A table of `summary` whose kinds are clean, all, window, all but the window, part of the window, single layer.
    """
    layers = model.spec.layers
    planted = tuple(range(window[0], window[0] + window[1]))
    parts = [p for size in range(2, len(planted)) for p in combinations(planted, size)]
    rest = tuple(i for i in range(layers) if i not in planted)
    sets = list(
        dict.fromkeys([(), tuple(range(layers)), *windows(layers, 1), planted, rest, *parts])
    )
    found = summary(measure(model, request, sets, store=store), sets, layers, request.attribute)
    kinds = {label(planted): "window", label(rest): "all but the window"} | {
        label(p): "part of the window" for p in parts
    }
    singles = {
        str(i): "part of the window" if i in planted and len(planted) > 1 else "single layer"
        for i in range(layers)
    }
    order = ["clean", "all", "window", "all but the window", "part of the window", "single layer"]
    found = found.assign(kind=found.layers.map(singles | kinds).fillna(found.kind))
    return found.sort_values(
        "kind", key=lambda kind: kind.map(order.index), kind="stable"
    ).reset_index(drop=True)


def by_prompt(done: Sweep) -> pd.DataFrame:
    """Each prompt's own map (Figs. 7 and 40 show pictures of single prompts): share of each window, [prompts, windows], columns named by their start.

    A prompt's share is its effect divided by the mean effect of altering all layers over all prompts: a prompt on which
    nothing moves must not divide by next to nothing.  Where backward passes named the windows, the map is theirs: of all windows.
    """
    if done.proposed:
        told = [prompt.original for prompt in done.proposed.prompts]
        return pd.DataFrame(done.proposed.of_windows(done.m), index=pd.Index(told, name="prompt"))
    mean = done.table.groupby(["prompt", "layers"], sort=False).score.mean().unstack("layers")
    change = changes(mean, done.attribute)
    shares = (
        change[[label(w) for w in done.windows]] / change[label(tuple(range(done.layers)))].mean()
    )
    return shares.set_axis([w[0] for w in done.windows], axis=1)


def stability(sweeps: Sequence[Sweep], *, splits: int = 200, seed: int = 0) -> pd.DataFrame:
    """Would other halves have said the same?  The search's answer on random splits of the same images into disjoint halves.

    This is the stability of one trained model's answer, not an error rate: all splits share the images.  Units stay together
    (values or prompts, see `effects`), so a half is a half of them.

    Args:
        sweeps: of m = 1, 2, ... in order (`search` with ``every=True``).

    Returns:
        A row for each split: verdict, start, m (of the first size that is localised, or the largest), images (of a half).
    """
    found = [done.effects for done in sweeps]
    bound, rng, rows = highest(found), np.random.default_rng(seed), []
    images = len(sweeps[0].table[sweeps[0].table.layers == ""]) // 2
    for _ in tqdm(range(splits), desc="splits", mininterval=10):
        order = rng.permutation(len(found[0].full))
        one, other = order[: len(order) // 2], order[len(order) // 2 :]
        for done, effects in zip(sweeps, found):
            verdict = judge(
                effects.of(one),
                effects.of(other),
                done.m,
                searched=found[: done.m],
                layers=done.layers,
                destroyed=done.curve.destroyed.to_numpy(),
                bound=bound if done.m == len(found) >= max(1, done.layers // 4) else None,
            )
            if verdict.verdict in ("localised", "no effect"):
                break
        rows.append(
            {"verdict": verdict.verdict, "start": verdict.start, "m": verdict.m, "images": images}
        )
    return pd.DataFrame(rows)


def verdict_rates(splits: pd.DataFrame, right: tuple[int, int] | None = None) -> pd.DataFrame:
    """How often each verdict came, with Wilson's 95% intervals; and the `right` (start, m), where there is one."""
    counts = {
        name: int((splits.verdict == name).sum())
        for name in ("localised", "not localised", "inconclusive", "no effect")
    }
    if right:
        counts["localised in the right window"] = int(
            (
                (splits.verdict == "localised")
                & (splits.start == right[0])
                & (splits.m == right[1])
            ).sum()
        )
    found = {name: wilson(count, len(splits)) for name, count in counts.items()}
    return pd.DataFrame(
        [
            {"verdict": name, "rate": i.value, "low": i.low, "high": i.high, "splits": len(splits)}
            for name, i in found.items()
        ]
    )
