"""What the notebook on backward passes says it found: rows of tables, claims, and sentences in which every number is computed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ...claims import Claim, settled
from ...models import Model
from ...scores import columns, mean
from ..locogen import Answer, Request, Sweep, effects, label, unet_rows
from ..locogen.backward import Attribution
from ..locogen.backward.walking import walking
from .confirming import Fast, Tried

OURS = "ours"


def by_layer(found: Attribution) -> pd.DataFrame:
    """A row for each layer: its share with its interval over prompts."""
    rows = [columns({"share": mean(found.layers[:, i])}) for i in range(found.layers.shape[1])]
    return pd.DataFrame(rows).assign(layer=range(len(rows)), n=len(found.layers))


def by_window(found: Attribution, done: Sweep) -> pd.DataFrame:
    """A row for each window of a sweep: what the backward pass gives it, and what pictures do."""
    every = effects(done.table, done.windows, done.layers, done.attribute)
    full = every.full.mean()
    return pd.DataFrame(
        {
            "layers": [label(window) for window in done.windows],
            "predicted": [found.of(window).mean() for window in done.windows],
            "measured": every.windows.mean(0) / (full or np.nan),
        }
    )


def rank(table: pd.DataFrame) -> float:
    """Spearman's rank correlation of what is predicted and what is measured."""
    return float(spearmanr(table.predicted, table.measured).statistic)


def along(model: Model, request: Request, points: int = 33) -> pd.DataFrame:
    """The function f on each prompt's path at the first step: prompt, place (0: clean, 1: altered), value."""
    with walking(model, request) as walk:
        _, t, noisy, clean = next(walk.steps())
        difference = walk.noise(noisy, t, walk.altered) - clean
        size = difference.flatten(1).pow(2).sum(1).clamp_min(1e-30).view(-1, 1, 1, 1)
        direction = difference / size
        base = (clean * direction).flatten(1).sum(1).cpu().double()
        plan = [(i, place) for i in range(walk.count) for place in np.linspace(0, 1, points)]
        values, _ = walk.values(noisy, t, direction, plan, backward=False)
    told = [prompt.original for prompt in request.prompts for _ in request.seeds]
    return pd.DataFrame(
        {
            "prompt": [told[i] for i, _ in plan],
            "place": [place for _, place in plan],
            "value": values.numpy() - base.numpy()[[i for i, _ in plan]],
        }
    )


def beside(fast: Fast, answer: Answer) -> dict[str, Any]:
    """One row of the table of answers: the fast search beside the sweep's, and what each cost."""
    last = fast.tried[-1] if fast.tried else None
    rows = unet_rows(answer.sweeps)
    return {
        "fast": _said(fast.verdict, label(fast.found)),
        "sweep": _said(answer.done.verdict.verdict, label(answer.done.found)),
        "predicted": f"{last.proposal.predicted:.2f}" if last else "",
        "share by pictures": str(last.share) if last else "",
        "all other layers": str(last.rest) if last else "",
        "layers at random": str(last.chance) if last else "",
        "completeness gap": f"{np.abs(fast.attribution.gap).max():.3f}",
        "fast, UNet rows": fast.rows,
        "sweep, UNet rows": rows,
        "of the sweep's": f"{100 * fast.rows / rows:.0f}%",
    }


def _said(verdict: str, layers: str) -> str:
    return f"localised, {layers}" if verdict == "localised" else verdict


def same(name: str, fast: Fast, answer: Answer) -> Claim:
    """The fast search says what the sweep says, as a claim of ours: the same layers, or both that there are none.

    Not settled where either of them is.
    """
    verdict, other = fast.verdict, answer.done.verdict.verdict
    both = verdict == other and (verdict != "localised" or fast.found == answer.done.found)
    return Claim(
        text=f"{name}: the backward pass with pictures says what the sweep says",
        section=OURS,
        number=f"{_said(verdict, label(fast.found))}; the sweep: {_said(other, label(answer.done.found))}",
        control=f"{100 * fast.rows / unet_rows(answer.sweeps):.0f}% of the sweep's UNet rows; {fast.why}",
        outcome=agreement_of("inconclusive" not in (verdict, other), both),
    )


def agreement_of(known: bool, both: bool) -> str:
    """The outcome of two answers: `known` where both are settled, `both` where they say the same."""
    return settled(known and both, known and not both)


def adjacency(name: str, window: Fast, any_set: Fast) -> Claim:
    """Adjacent layers are as few as any layers, as a claim: the assumption behind LocoGen's windows (Section 5.1.2).

    Held: both are localised with as many layers.  Did not hold: a set of fewer layers is confirmed, and the windows of that many
    layers that were tried are rejected by pictures.
    """
    other = len(any_set.found)
    of_size = [tried for tried in window.tried if len(tried.proposal.layers) == other]
    settled_sets = any_set.tried[-1] if any_set.verdict == "localised" else None
    last = window.tried[-1] if window.verdict == "localised" else None
    return Claim(
        text=f"{name}: no set of layers that are not adjacent is smaller than the smallest window",
        section="5.1.2",
        number=f"window: {_said(window.verdict, label(window.found))}; set: {_said(any_set.verdict, label(any_set.found))}",
        control="the window of that size: "
        + (str(of_size[0].share) if of_size else "not tried, as predicted too small"),
        outcome=fewer_of(of_size[0] if of_size else last, settled_sets),
    )


def fewer_of(window: Tried | None, any_set: Tried | None) -> str:
    """The outcome of a window beside a set: of the set's size where such a window was tried, else the smallest localised one.

    Held: both are localised with as many layers.  Did not hold: the set is localised, and the window of its size is rejected.
    """
    if window is None or any_set is None or not any_set.localised:
        return settled(False, False)
    as_many = len(window.proposal.layers) == len(any_set.proposal.layers)
    return settled(as_many and window.localised, as_many and window.rejected)


def sentence(name: str, fast: Fast) -> str:
    """An answer of the fast search in words."""
    by = fast.attribution
    tried = "; ".join(
        f"layers {label(t.proposal.layers)} (predicted {t.proposal.predicted:.2f}; by pictures of {t.prompts} other prompts {t.share})"
        for t in fast.tried
    )
    if fast.tried:
        last = fast.tried[-1]
        tried += f"; all layers but the last ones {last.rest}, as many at random {last.chance}"
    return (
        f"- **{name}**: {_said(fast.verdict, label(fast.found))}, {fast.why}. {len(by.layers)} prompts proposed, with a gap of "
        f"{np.abs(by.gap).max():.3f} at most. {f'Tried: {tried}.' if tried else 'No window reached what is tried by pictures.'}"
    )


def ends(paths: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """How much of the change has happened at the middle of the path, the mean over prompts, by model."""
    return {name: float(table[table.place == 0.5].value.mean()) for name, table in paths.items()}


def total(found: Sequence[Attribution]) -> str:
    """The largest gap of several attributions, in words."""
    return f"{max(float(np.abs(one.gap).max()) for one in found):.3f}"
