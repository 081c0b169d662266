"""What ratings say (App. J): rates beside the paper's, placebos, simulated ratings, and the conclusion (a scorer's answers: `witness`)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...claims import OPEN, above, settled
from ...models import find
from ...scores import Interval
from ...store import key
from . import crossed
from .files import COLUMNS
from .pairs import ATTRIBUTES, SCALE, Pair, order, table

MARGIN = 0.1  # rates that differ by less count as the same: one rating in ten
APART = 0.2  # real pairs and placebos that differ by less count as the same: a dozen placebos cannot tell less
AT_LEAST = (2, 3, 4, 5)
# App. J as printed: (ratings, per cent of them that are at least 2, 3, 4, 5).  The counts follow from 5 raters and 132 pairs.
PAPER: dict[tuple[str, str], tuple[int, tuple[float, ...]]] = {
    ("attribute", "style"): (360, (90.28, 63.61, 37.50, 13.89)),
    ("attribute", "fact"): (120, (100.00, 95.83, 86.67, 59.17)),
    ("attribute", "object"): (180, (92.22, 81.11, 62.22, 39.44)),
    ("model", "sd-v1-5"): (165, (95.76, 82.42, 57.58, 32.73)),
    ("model", "sd-v2-1"): (165, (87.27, 61.82, 43.03, 13.33)),
    ("model", "sdxl"): (165, (90.91, 69.70, 49.70, 31.52)),
    ("model", "openjourney"): (165, (96.36, 83.03, 62.42, 38.79)),
    ("all", "all"): (660, (92.58,)),
}


def counts(by: str, group: str) -> tuple[int, ...]:
    """How many of the paper's ratings were at least 2, 3, 4, 5: the whole numbers behind its percentages."""
    n, percent = PAPER[by, group]
    return tuple(round(n * value / 100) for value in percent)


def paper_totals() -> pd.DataFrame:
    """The paper's ratings of at least 2, 3, 4, 5, added up over its attributes and over its models, which must agree."""
    groups = {by: [group for group in PAPER if group[0] == by] for by in ("attribute", "model")}
    sums = {
        f"its {by}s added up": [
            sum(PAPER[group][0] for group in of),
            *np.sum([counts(*group) for group in of], axis=0),
        ]
        for by, of in groups.items()
    }
    return pd.DataFrame.from_dict(
        sums, orient="index", columns=["ratings", *map(_threshold, AT_LEAST)]
    )


def _threshold(rating: int) -> str:
    return "5" if rating == max(SCALE) else f"at least {rating}"


def _of(ratings: pd.DataFrame, pairs: Sequence[Pair], *, placebo: bool) -> pd.DataFrame:
    """Ratings with what their pairs are, of real pairs or of placebos; a miniature goes by the model it stands for."""
    known = table(pairs)[["pair", "model", "attribute", "placebo"]]
    known = known.assign(model=[find(name).original or name for name in known.model])
    return ratings.merge(known[known.placebo == placebo], on="pair")


def rates(
    ratings: pd.DataFrame,
    pairs: Sequence[Pair],
    confirmed: Collection[tuple[str, str]] | None = None,
) -> pd.DataFrame:
    """Shares of ratings of at least 2, 3, 4 and 5, of all, by attribute and by model, as App. J lists them; then of placebos.

    Args:
        confirmed: (model, attribute) of the windows that LocoGen localised; None: they are the paper's, and it was not asked.

    Returns:
        A row for each: by (all, windows, attribute, model, placebo), group, at_least, count, n, pairs, raters, rate with its 95%
        interval by pair and rater (low, high; `crossed.rate`), paper and paper_n (NaN and 0 where it prints none), simulated.
    """
    real, empty = _of(ratings, pairs, placebo=False), _of(ratings, pairs, placebo=True)
    parts = [("all", "all", real)]
    if confirmed is not None:
        places = {pair.pair for pair in pairs if (pair.model, pair.attribute) in set(confirmed)}
        sure = real.pair.isin(places)
        parts += [("windows", "confirmed", real[sure]), ("windows", "not confirmed", real[~sure])]
    parts += [("attribute", name, real[real.attribute == name]) for name in ATTRIBUTES]
    names = dict.fromkeys(find(pair.model).original or pair.model for pair in pairs)
    parts += [("model", name, real[real.model == name]) for name in names]
    parts += [("placebo", "placebo", empty)]
    made = [
        _rate(by, group, part, i)
        for by, group, part in parts
        if len(part)
        for i in range(len(AT_LEAST))
    ]
    return pd.DataFrame(made).assign(simulated=bool(ratings.simulated.any()))


def _rate(by: str, group: str, part: pd.DataFrame, i: int) -> dict[str, Any]:
    hits = crossed.matrix(part) >= AT_LEAST[i]
    found, (n, percent) = crossed.rate(hits), PAPER.get((by, group), (0, ()))
    paper = (
        {"paper": percent[i] / 100, "paper_n": n}
        if i < len(percent)
        else {"paper": np.nan, "paper_n": 0}
    )
    return {
        "by": by,
        "group": group,
        "at_least": AT_LEAST[i],
        "count": int(hits.sum()),
        "n": hits.size,
        "pairs": hits.shape[1],
        "raters": hits.shape[0],
        "rate": found.value,
        "low": found.low,
        "high": found.high,
    } | paper


def beyond_placebo(ratings: pd.DataFrame, pairs: Sequence[Pair]) -> Interval | None:
    """How many more ratings are above 1 than of placebo pairs; None where there are none.

    Each placebo pair is compared with the real pairs of its own model and prompt, rater by rater.
    """
    empty = _of(ratings, pairs, placebo=True)
    if empty.empty:
        return None
    known = {pair.pair: (pair.model, pair.number) for pair in pairs}
    real = _of(ratings, pairs, placebo=False)
    seen = (real.rating > 1).groupby([real.pair.map(known), real.rater]).mean()
    hits = [seen[known[row.pair], row.rater] for row in empty.itertuples()]
    return crossed.difference(crossed.matrix(empty.assign(more=hits - (empty.rating > 1)), "more"))


def _percent(row: Any) -> str:
    """A rate with its interval: "92.6% [90.3, 94.3]"."""
    ends = "(n too small)" if np.isnan(row.low) else f"[{100 * row.low:.1f}, {100 * row.high:.1f}]"
    return f"{100 * row.rate:.1f}% {ends}"


def agreement(ratings: pd.DataFrame, pairs: Sequence[Pair]) -> Interval:
    """`crossed.alpha` on the real pairs, with its interval.  The paper reports no agreement."""
    return crossed.agreement(crossed.matrix(_of(ratings, pairs, placebo=False)))


def simulate(pairs: Sequence[Pair], raters: Sequence[str], seed: int) -> pd.DataFrame:
    """*Simulated* ratings, in the columns of a file of ratings, with `simulated` True: to try the analysis before people rate.

    A pair has a strength, uniform from 0 to 4 (placebos: to 1); each rater adds normal noise of 0.7 and gives the whole number
    above, kept within 1 to 5.  None of it comes from images or from the paper's numbers: nothing follows from the result.
    """
    rng, known, parts = (
        np.random.default_rng(int(key({"pairs": seed})[:12], 16)),
        {pair.pair: pair for pair in pairs},
        [],
    )
    strong = dict(zip(known, rng.uniform(0, [1 if pair.placebo else 4 for pair in pairs])))
    for rater in raters:
        rng, names = (
            np.random.default_rng(int(key({"rater": rater, "seed": seed})[:12], 16)),
            order(pairs, rater),
        )
        felt = np.array([strong[name] for name in names]) + rng.normal(0, 0.7, len(names))
        rating = np.clip(np.ceil(felt), min(SCALE), max(SCALE)).astype(int)
        parts.append(
            pd.DataFrame(
                {
                    "pair": names,
                    "rater": rater,
                    "rating": rating,
                    "question": [known[name].question for name in names],
                    "seconds": rng.gamma(4, 2, len(names)).round(1),
                    "simulated": True,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)[[*COLUMNS, "simulated"]]


def as_seen(found: Interval, paper: float) -> str:
    """Whether a rate is the paper's: its whole interval lies within `MARGIN` of it, or all of it beyond."""
    low, high = paper - MARGIN, paper + MARGIN
    return settled(found.low > low and found.high < high, found.high < low or found.low > high)


def in_window(more: Interval) -> str:
    """Whether real pairs are seen to change more often than placebos: surely, or by less than `APART`."""
    return above(more, little=APART)


def conclusion(found: pd.DataFrame, agree: Interval, more: Interval | None) -> str:
    """What ratings say about the paper's 92.58% and about placebos, as Markdown; of simulated ones: that they say nothing.

    Args:
        found: of `rates`; where it tells confirmed windows apart, the paper's claim, which is about those, is judged on them.
        more: of `beyond_placebo`.
    """
    if found.simulated.any():
        return (
            "- **Not tested**: nobody has rated these pairs yet; the ratings above are simulated and show only what the analysis "
            "will look like."
        )
    first = {row.group: row for row in found[found.at_least == 2].itertuples()}
    lines = [_beside_paper(first), f"- Agreement of the raters: alpha = {agree}."]
    if more is not None:
        lines.append(
            f"- **{in_window(more).capitalize()}**: the change is in the window. The rate is higher than that of placebo pairs of the same "
            f"prompt and model by {more} (less than {APART} counts as nothing); of placebo pairs {_percent(first['placebo'])} of {first['placebo'].n} ratings are above 1."
        )
    return "\n".join(lines)


def _beside_paper(first: Mapping[str, Any]) -> str:
    """The rate of ratings above 1 beside the paper's, and at which windows."""
    paper, whole = PAPER["all", "all"][1][0], first["all"]
    told = f"{_percent(whole)} of {whole.n} ratings ({whole.pairs} pairs, {whole.raters} raters) are above 1; the paper has {paper}%"
    rule = f"{100 * MARGIN:.0f} points more or less count as the same"
    if not {"confirmed", "not confirmed"} & set(first):
        outcome = as_seen(_rated(whole), paper / 100)
        return f"- **{outcome.capitalize()}**: {told} ({rule}). The windows are the paper's; LocoGen was not asked."
    if (sure := first.get("confirmed")) is None:
        return f"- **{OPEN.capitalize()}**: LocoGen confirmed none of these windows. {told}."
    outcome = as_seen(_rated(sure), paper / 100)
    apart = (
        f"; at windows that LocoGen did not confirm {_percent(first['not confirmed'])}"
        if "not confirmed" in first
        else ""
    )
    return (
        f"- **{outcome.capitalize()}**: where LocoGen confirmed its window {_percent(sure)} of {sure.n} ratings ({sure.pairs} pairs, {sure.raters} "
        f"raters) are above 1{apart}. The paper has {paper}% ({rule}). Together: {told}."
    )


def _rated(row: Any) -> Interval:
    return Interval(value=row.rate, low=row.low, high=row.high)
