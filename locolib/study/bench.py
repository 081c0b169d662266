"""Planted T2I with all localisers, causal tracing included, and the rows that ``locolib bench-localiser`` handed in."""

from collections.abc import Sequence
from time import monotonic

import numpy as np
import pandas as pd

from ..drawing.layers import sites
from ..experiments import tracing
from ..experiments.attribution import benchmark
from ..experiments.attribution.localisers import (
    ANSWERERS,
    LOCALISERS,
    SWEEP,
    Localiser,
    Scores,
    parts,
)
from ..experiments.locogen import Request
from ..models import Model
from ..store import Store

FOLDER = "localisers"  # of the store: rows of strangers' localisers
TRACING = "causal tracing"


def by_tracing(model: Model, request: Request, *, store: Store | None = None) -> Scores:
    """Causal tracing (Section 4): how much of the clean picture's score comes back with a layer's clean output in a corrupted run."""
    started = monotonic()
    states = {one.path: one for one in tracing.unet_states(model.unet)}
    chosen = [states[site.path] for site in sites(model.unet)]
    asked = tracing.Request(prompts=request.prompts, seeds=request.seeds, settings=request.settings)
    plain = (tracing.CLEAN, tracing.CORRUPTED)
    table = tracing.trace(model, asked, chosen, store=store or Store(), plain=plain)
    score = table.groupby("state").score.mean()
    lost = score[tracing.CLEAN] - score[tracing.CORRUPTED]
    back = np.array([score[one.name] - score[tracing.CORRUPTED] for one in chosen])
    # A restored row copies from a clean one that is drawn beside it.
    rows = 2 * len(table) * request.settings.unet_rows
    return Scores(layers=parts(back, lost), rows=rows, seconds=monotonic() - started)


def everyone() -> dict[str, Localiser]:
    """All localisers that score layers, by name."""
    return {**LOCALISERS, TRACING: by_tracing}


def table(
    asked: Sequence[benchmark.Question],
    *,
    prompts: int = benchmark.PROMPTS,
    more: int = benchmark.MORE,
    swept: bool = True,
) -> pd.DataFrame:
    """The benchmark's answers: all that score layers on `prompts` prompts of each question, those that decide on `more` (0: they are not asked).

    `swept`: whether the sweep of all windows is asked too, which draws about a thousand pictures for a question.
    """
    scored = benchmark.run(everyone(), asked, prompts=prompts)
    if not more:
        return scored
    chosen = {name: one for name, one in ANSWERERS.items() if swept or name != SWEEP}
    return pd.concat([scored, benchmark.run(chosen, asked, prompts=more)], ignore_index=True)


def handed_in(store: Store) -> pd.DataFrame:
    """The rows of strangers' localisers that ``locolib bench-localiser`` wrote into a store; none: an empty table."""
    files = sorted((store.root / FOLDER).glob("*.csv"))
    return pd.concat([pd.read_csv(file) for file in files]) if files else pd.DataFrame()


def told(summary: pd.DataFrame) -> str:
    """A summary as lines of text."""
    return "\n".join(
        f"{row.localiser}: AUROC {row.auroc:.2f}, all planted layers on top in {100 * row.exact:.0f}%, overlap {row.overlap:.2f}"
        + (
            f", verdict right {100 * row.right:.0f}%, falsely localised {100 * row.false:.0f}%, missed {100 * row.missed:.0f}%"
            if row.right == row.right
            else ""
        )
        + f"; {row.models} models, {row.questions} questions, {row.rows:.0f} UNet rows and {row.seconds:.1f} s each"
        for row in summary.itertuples()
    )
