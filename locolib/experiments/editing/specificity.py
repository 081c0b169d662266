"""What else an edit changes: every value edited in turn, and how often each of the attribute's values is still seen after it.

The paper asks prompts about other objects (App. L, Table 1), so an edit that erases every painter looks perfect there.  Here
the same edit is asked for the other values of its own attribute, by prompts that no edit was told of, and for plain pictures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ... import scores
from ...drawing.memory import Row
from ...drawing.sampling import generate
from ...drawing.text import Tokens
from ...models import load_scorer
from ...prompts import Prompt, about, choose, halves, listed
from ...scores import Interval, wilson
from ..locogen import SEED, Window
from . import baselines, trials
from .edits import Edit, applied
from .judging import shows
from .locoedit import SPARES, kept, sparing
from .trials import OWN, Trial

# The paper's edit (its token, its wording) with its two controls, and ours: other tokens, the prompt without the attribute.
PAPER, APART, EVERY = (
    "LocoEdit, the paper's",
    "the paper's, random windows",
    "the paper's, all layers",
)
OURS = "LocoEdit, our tokens and wording"
DIFFQUICKFIX = "DiffQuickFix"
NONE = "no edit"
RATES = {
    "gone": "edited value gone (share of images)",
    "kept": "other values kept (share of images)",
    "moved": "generic pictures moved (of 255 levels)",
}
Make = Callable[[Trial], Edit]
MOST = 6  # values that are asked for when one of them is edited


def values_of(attribute: str, *, bundled: bool = True) -> list[str]:
    """The values of an attribute that the study's prompts know, in their order; those of the paper for a published model."""
    known = listed(attribute, printed=not bundled, edited=True)
    return list(dict.fromkeys(prompt.value for prompt in known))


def _known(one: Trial) -> tuple[Prompt, ...]:
    """The prompts of a trial's attribute that its model is asked."""
    return listed(one.attribute, printed=not one.model.spec.bundled, edited=True)


def rows_that_stay(one: Trial) -> tuple[str, ...]:
    """What `locoedit.kept` keeps when only the training halves of all values may be told: the other halves judge."""
    known = _known(one)
    sides = [halves(about(known, v)) for v in dict.fromkeys(p.value for p in known)]
    told, judge = ([prompt for side in sides for prompt in side[which]] for which in (0, 1))
    stay = kept(told, one.train[0].value, one.train, bundled=one.model.spec.bundled)
    return tuple(text for text in stay if text not in {prompt.original for prompt in judge})


def spared(one: Trial, layers: Window | None = None) -> Edit:
    """LocoEdit that spares, from a trial's training prompts, at the located layers or at others."""
    return sparing(
        one.model, one.train, one.window if layers is None else layers, rows_that_stay(one)
    )


def locoedits(tokens: Tokens) -> dict[str, Make]:
    """LocoEdit at the located layers: as the paper has it, by our tokens and wording, and sparing."""
    return {
        PAPER: lambda one: one.locoedit("subject"),
        OURS: lambda one: one.locoedit(tokens, wording=OWN),
        SPARES: spared,
    }


def solved() -> dict[str, Make]:
    """The baselines that are solved in closed form; UCE keeps the rows that LocoEdit that spares keeps."""
    return {
        DIFFQUICKFIX: lambda one: baselines.diffquickfix(one.model, one.train),
        "TIME": lambda one: baselines.time(one.model, one.train),
        "UCE": lambda one: baselines.uce(one.model, one.train, rows_that_stay(one)),
    }


def of_value(one: Trial, value: str) -> Trial:
    """The same trial of another value."""
    return trials.trial(
        one.model, replace(one.held, prompts=_known(one)), value, one.window, store=one.store
    )


def asked_values(one: Trial, most: int = MOST) -> list[str]:
    """The values that are asked for after an edit of one: its own, then the first others, `most` in all."""
    others = [
        value
        for value in values_of(one.attribute, bundled=one.model.spec.bundled)
        if value != one.value
    ]
    return [one.value, *others[: most - 1]]


def matrix(
    one: Trial,
    makers: Mapping[str, Make],
    *,
    trained: Mapping[str, Edit] | None = None,
    count: int = 2,
    most: int = MOST,
) -> pd.DataFrame:
    """Methods edit one value, or each in turn; then those values are asked for, by held-out prompts.

    Args:
        one: the trial of the page's own value.
        makers: edits that are made anew for each of the asked values.
        trained: edits of the page's own value alone.
        count: pictures of each value that is asked for.
        most: values (`asked_values`).

    Returns:
        A row for each method, edited value and asked value: ``still``, how many of the ``n`` pictures that showed the asked
        value before the edit still show it, and ``rate``; of the model as it is (`NONE`) n counts all pictures.
    """
    trials = {value: of_value(one, value) for value in asked_values(one, most)}
    asked = [prompt for trial in trials.values() for prompt in choose(trial.held.prompts, count)]
    before, rows = _seen(one, asked, ()), []
    whole = [(NONE, "", np.ones(len(asked), bool), before)]
    whole += [
        (name, value, before, _seen(one, asked, (make(trial),)))
        for name, make in makers.items()
        for value, trial in trials.items()
    ]
    whole += [
        (name, one.value, before, _seen(one, asked, (change,)))
        for name, change in (trained or {}).items()
    ]
    for name, edited, had, has in whole:
        for value in trials:
            about_it = np.array([prompt.value == value for prompt in asked])
            rows.append(
                {
                    "method": name,
                    "edited": edited,
                    "asked": value,
                    "n": int((had & about_it).sum()),
                    "still": int((had & has & about_it).sum()),
                }
            )
    table = pd.DataFrame(rows)
    return table.assign(rate=table.still / table.n.where(table.n > 0))


def _seen(one: Trial, asked: Sequence[Prompt], edits: Sequence[Edit]) -> np.ndarray:
    """Whether the scorer sees each asked prompt's value in its picture: bool [asked]."""
    scorer, rows = (
        load_scorer(one.model.spec.scorer),
        [Row(prompt=p.original, seed=SEED * (i + 1)) for i, p in enumerate(asked)],
    )
    with applied(one.model, *edits) as edited:
        images = generate(
            edited if edits else one.model,
            rows,
            one.held.settings,
            store=one.store,
            label=f"{one.attribute}, other values",
        )
    return shows(scorer, images, asked, _known(one))


def gone_and_kept(table: pd.DataFrame, value: str | None = None) -> pd.DataFrame:
    """Of a `matrix`, for each method: how often the edited value is gone, and other values are kept (with 95% intervals by Wilson).

    Args:
        value: of this edited value alone; None: of all that the method edited.
    """
    found = []
    for name, part in table[table.method != NONE].groupby("method", sort=False):
        part = part[part.edited == value] if value else part
        own = part.edited == part.asked
        (had, gone), (knew, kept_) = (
            (int(half.n.sum()), int(count))
            for half, count in (
                (part[own], (part[own].n - part[own].still).sum()),
                (part[~own], part[~own].still.sum()),
            )
        )
        found.append(
            {"name": name, "values": part.edited.nunique(), "n gone": had, "n kept": knew}
            | scores.columns({"gone": _rate(gone, had), "kept": _rate(kept_, knew)})
        )
    return pd.DataFrame(found)


def _rate(hits: int, of: int) -> Interval:
    return wilson(hits, of) if of else scores.NOTHING


def summary(table: pd.DataFrame, generic: pd.DataFrame | None) -> pd.DataFrame:
    """`gone_and_kept` of each method over all values it edited, with how far generic pictures moved (of `unrelated.generic`, if asked)."""
    found = gone_and_kept(table)
    if generic is None:
        return found
    moved = generic.set_index("name")[["moved", "moved_low", "moved_high", "prompts"]]
    return found.join(moved, on="name")
