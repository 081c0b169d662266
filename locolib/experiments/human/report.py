"""What ratings say (App. J): rates beside the paper's, agreement, simulated ratings, and what a scorer sees in the pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from ...models import Scorer, find
from ...scores import Interval, columns, wilson
from ...store import key
from .files import COLUMNS
from .pairs import ATTRIBUTES, SCALE, Pair, order, table
from .rating_page import Sides

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


def rates(ratings: pd.DataFrame, pairs: Sequence[Pair]) -> pd.DataFrame:
    """Shares of ratings of at least 2, 3, 4 and 5, of all, by attribute and by model, as App. J lists them; then of placebos.

    Returns:
        A row for each: by (all, attribute, model, placebo), group, at_least, count, n, rate with Wilson's 95% interval (low,
        high), paper and paper_n (NaN and 0 where it prints none), simulated.  An interval takes ratings as independent,
        which those of one pair are not: it is too narrow.
    """
    real, empty = _of(ratings, pairs, placebo=False), _of(ratings, pairs, placebo=True)
    parts = [("all", "all", real)]
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
    count = int((part.rating >= AT_LEAST[i]).sum())
    found, (n, percent) = wilson(count, len(part)), PAPER.get((by, group), (0, ()))
    paper = (
        {"paper": percent[i] / 100, "paper_n": n}
        if i < len(percent)
        else {"paper": np.nan, "paper_n": 0}
    )
    return {
        "by": by,
        "group": group,
        "at_least": AT_LEAST[i],
        "count": count,
        "n": len(part),
        "rate": found.value,
        "low": found.low,
        "high": found.high,
    } | paper


def _percent(row: Any) -> str:
    """A rate with its interval: "92.6% [90.3, 94.3]"."""
    return f"{100 * row.rate:.1f}% [{100 * row.low:.1f}, {100 * row.high:.1f}]"


def matrix(ratings: pd.DataFrame) -> np.ndarray:
    """Ratings as [raters, pairs], NaN where one is missing."""
    return ratings.pivot_table(values="rating", index="rater", columns="pair").to_numpy(float)


def alpha(values: np.ndarray) -> float:
    """Krippendorff's alpha, ordinal, of ratings [raters, pairs] with NaN for missing: 1 full agreement, 0 chance.

    1 - D_o / D_e of Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": observed over expected disagreement of
    two ratings of a pair, where two grades differ by the square of how many ratings lie between them, half of each end counted.
    NaN where it is not defined: no pair has two ratings, or all ratings are the same.
    """
    both = values[:, (~np.isnan(values)).sum(0) >= 2]
    grades = np.unique(both[~np.isnan(both)])
    if len(grades) < 2:
        return float("nan")
    counts = (both[:, :, None] == grades).sum(0).astype(float)  # [pairs, grades]
    each = 1 / (counts.sum(1) - 1)
    coincidences = (counts * each[:, None]).T @ counts - np.diag(each @ counts)  # [grades, grades]
    total = coincidences.sum(0)
    middle = np.cumsum(total) - total / 2  # where a grade stands among all ratings
    distance = (middle[:, None] - middle) ** 2
    expected = (np.outer(total, total) * distance).sum() / (total.sum() - 1)
    return float(1 - (coincidences * distance).sum() / expected)


def agreement(
    ratings: pd.DataFrame, pairs: Sequence[Pair], *, draws: int = 500, seed: int = 0
) -> Interval:
    """`alpha` on the real pairs, with a 95% interval from a bootstrap over pairs.  The paper reports no agreement."""
    values = matrix(_of(ratings, pairs, placebo=False))
    value = alpha(values)
    if np.isnan(value):
        return Interval(value=value, low=value, high=value)
    found = bootstrap(
        (np.arange(values.shape[1]),),
        lambda drawn: alpha(values[:, drawn.astype(int)]),
        n_resamples=draws,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(value=value, low=float(found.low), high=float(found.high))


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


def machine(pairs: Sequence[Pair], images: Mapping[str, Sides], scorer: Scorer) -> pd.DataFrame:
    """What a scorer sees in the pairs: in which images it finds the target prompt nearer than the original one.

    No rater and no rating: it stands beside them, and says where to expect a change.

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
        pairs, image (clean, altered), n, nearer with _low and _high (Wilson's).
    """
    real = found[~found.placebo]
    parts = {"all pairs": real} | {name: real[real.attribute == name] for name in ATTRIBUTES}
    parts |= {name: real[real.model == name] for name in dict.fromkeys(real.model)} | {
        "placebo pairs": found[found.placebo]
    }
    return pd.DataFrame(
        [
            {"pairs": name, "image": image, "n": len(part)}
            | columns({"nearer": _share(part[image])})
            for name, part in parts.items()
            if len(part)
            for image in ("clean", "altered")
        ]
    )


def _share(answers: pd.Series) -> Interval:
    return wilson(int(answers.sum()), len(answers))


def conclusion(found: pd.DataFrame, agree: Interval) -> str:
    """What ratings say about the paper's 92.58% and about placebos, as Markdown; of simulated ones: that they say nothing."""
    if found.simulated.any():
        return (
            "- **Not tested**: nobody has rated these pairs yet; the ratings above are simulated and show only what the analysis "
            "will look like."
        )
    first = {
        row.by: row for row in found[found.at_least == 2].itertuples()
    }  # of attributes and models the last: not needed
    whole, claimed = first["all"], PAPER["all", "all"][1][0]
    lines = [
        f"- **{_held(100 * whole.high >= claimed)}**: {_percent(whole)} of {whole.n} ratings are above 1; "
        f"the paper has {claimed}%. Agreement of the raters: alpha = {agree}."
    ]
    if empty := first.get("placebo"):
        lines.append(
            f"- **{_held(empty.high < whole.low)}**: the change is in the window; "
            f"of placebo pairs {_percent(empty)} of {empty.n} ratings are above 1."
        )
    return "\n".join(lines)


def _held(so: bool) -> str:
    return "Held" if so else "Did not hold"


def expectation(found: pd.DataFrame) -> str:
    """What a scorer saw (a table of `machine`), as a sentence."""
    real, empty = found[~found.placebo], found[found.placebo]
    said = (
        f"It finds the target prompt nearer in {_share(real.altered)} of the {len(real)} altered images, "
        f"and in {_share(real.clean)} of the clean ones"
    )
    return said + (
        f"; of the {len(empty)} altered images of placebo pairs in {_share(empty.altered)}."
        if len(empty)
        else "."
    )
