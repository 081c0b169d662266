"""What the page of dropped neurons says it found (Section 7): every number computed, with its 95% interval."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from ...claims import Claim, above
from ...scores import Interval, columns, mean, wilson
from .dropping import HALF, READINGS, by_unit, removed
from .ranking import NEURONS, WIDTH, Ranking

MOST = NEURONS[-1]  # the paper's largest number of neurons
LITTLE = 0.1  # a difference of less than a tenth of what altering the layers removes counts as none


def numbers(ranking: Ranking) -> pd.DataFrame:
    """How many neurons are dropped, a row for each matrix."""
    tops = {f"{count} of {WIDTH}": ranking.top(count) for count in (*NEURONS, HALF)}
    return pd.DataFrame(
        [
            {"layer": layer, "matrix": f"W_{matrix[0].upper()}", "neurons": len(z)}
            | {name: len(chosen[layer, matrix]) for name, chosen in tops.items()}
            for (layer, matrix), z in ranking.z.items()
        ]
    )


def sizes(rankings: Mapping[str, Ranking]) -> np.ndarray:
    """``|z|`` of all neurons of several rankings."""
    return np.abs(np.concatenate([z for ranking in rankings.values() for z in ranking.z.values()]))


def cut(rankings: Mapping[str, Ranking]) -> float:
    """The smallest ``|z|`` among the neurons that are dropped, a mean over artists and matrices."""
    return float(
        np.mean(
            [
                np.abs(ranking.z[matrix])[list(chosen)].min()
                for ranking in rankings.values()
                for matrix, chosen in ranking.top(MOST).items()
            ]
        )
    )


def standing_out(rankings: Mapping[str, Ranking], null: Mapping[str, Ranking]) -> str:
    """How many neurons tell prompts with a style from prompts without, as sentences."""
    found, chance = sizes(rankings), sizes(null)
    limit = float(np.quantile(chance, 0.95))
    part = wilson(int((found > limit).sum()), len(found))
    return (
        f"Of {len(found)} scores (of all artists, matrices and neurons) a proportion of {part} is above {limit:.1f}, below "
        f"which 95% lie when prompts are dealt at random. The median of |z| is {np.median(found):.1f} (dealt at random: "
        f"{np.median(chance):.1f}). The highest {MOST} in {WIDTH}, the most that are dropped, "
        f"begin at {cut(rankings):.1f} on average."
    )


def in_common(rankings: Mapping[str, Ranking], count: int = MOST) -> pd.DataFrame:
    """Which part of the top neurons two artists have in common, a mean over the matrices: [artists, artists].

    By chance it is `count` / 1280.
    """
    tops = {
        artist: {matrix: set(chosen) for matrix, chosen in one.top(count).items()}
        for artist, one in rankings.items()
    }
    return pd.DataFrame(
        {
            one: {
                other: float(np.mean([len(a[m] & b[m]) / len(a[m]) for m in a]))
                for other, b in tops.items()
            }
            for one, a in tops.items()
        }
    )


def overlap(shared: pd.DataFrame) -> str:
    """The mean over pairs of artists of a table of `in_common`."""
    pairs = np.array([shared.loc[one, other] for one, other in combinations(shared, 2)])
    return f"{mean(pairs)} (n = {len(pairs)} pairs of artists)"


def shown(found: Interval) -> str:
    """An interval without a zero that is negative."""
    return str(found).replace("-0.00", "0.00")


def change(table: pd.DataFrame, condition: str, but: str = "clean") -> Interval:
    """How many points the object's score is higher than in another condition."""
    scores = by_unit(table, "object")[1]
    return mean((scores[condition] - scores[but]).to_numpy())


def said(table: pd.DataFrame, condition: str) -> str:
    """What a condition does, in words."""
    share, points = shown(removed(table, condition)), shown(change(table, condition))
    return f"a share of {share}, while the object's score changes by {points} points"


def units(table: pd.DataFrame) -> str:
    """What the intervals are over, and how many there are."""
    unit, scores = by_unit(table)
    return f"{len(scores)} {unit}s of {table.artist.nunique()} artists"


def by_reading(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each of `READINGS` and of 100, 640 and 640 random neurons: share (removed) and object (change), with _low and _high."""
    rows = []
    for name, options in READINGS.items():
        told = {"at": "subject", "to": "zero", "overlap": False} | options
        said = {
            "read at": told["at"],
            "set to": told["to"],
            "tests choose too": "yes" if told["overlap"] else "no",
        }
        for what in (str(MOST), str(HALF), f"random {HALF}"):
            parts = {
                "share": removed(table, f"{name}: {what}"),
                "object": change(table, f"{name}: {what}"),
            }
            rows.append(
                {"reading": name}
                | said
                | {"dropped": what, "n": len(by_unit(table)[1])}
                | columns(parts)
            )
    return pd.DataFrame(rows)


def enough(table: pd.DataFrame, doses: Sequence[int]) -> str:
    """How many neurons remove half of what altering the layers removes, as sentences."""
    lines = []
    kinds = {
        "": "of the highest |z|",
        "random ": "drawn at random",
        "other ": "of the highest |z| of another artist",
    }
    for prefix, words in kinds.items():
        shares = {
            count: removed(table, f"{prefix}{count}")
            for count in doses
            if f"{prefix}{count}" in set(table.condition)
        }
        count = next((count for count, found in shares.items() if found.value >= 0.5), None)
        few = f"{count} is the smallest of the numbers tried that removes at least half"
        many = f"none of the numbers up to {max(shares)} removes half"
        lines.append(
            f"Neurons {words}: {few if count else many} ({shown(shares[count or max(shares)])})."
        )
    return " ".join(lines)


def _lead(text: str, section: str, found: Interval, control: str) -> Claim:
    """A claim that a lead in shares lies above 0 (it does not where it lies below what counts as little)."""
    number, outcome = f"a lead of {shown(found)} in shares", above(found, little=LITTLE)
    return Claim(text=text, section=section, number=number, control=control, outcome=outcome)


def claims(table: pd.DataFrame) -> list[Claim]:
    """What Section 7 claims of 100 neurons, and two questions of ours about 640, half of all."""
    most, half, few = str(MOST), str(HALF), str(NEURONS[0])
    by = {
        but: shown(removed(table, but))
        for but in (f"random {most}", f"random {half}", f"other {half}")
    }
    null, null_half = (f"random ones: a share of {by[f'random {count}']}" for count in (most, half))
    cost, null_cost = (change(table, "clean", name) for name in (most, f"random {most}"))

    whole, ours = removed(table, most), "7 (this number is ours)"
    return [
        Claim(
            text=f"{most} in {WIDTH} neurons of the layers remove more than half of the style",
            section="7, Figs. 9 and 10",
            number=f"a share of {shown(whole)}",
            control=null,
            outcome=above(whole, 0.5, little=LITTLE),
        ),
        _lead(
            f"{most} chosen neurons remove more of the style than random ones",
            "7 (the control is ours)",
            removed(table, most, f"random {most}"),
            null,
        ),
        _lead(
            f"{most} neurons remove more of the style than {few}",
            "7, Fig. 10",
            removed(table, most, few),
            null,
        ),
        Claim(
            text=f"dropping {most} neurons costs some of the object",
            section="7",
            number=f"{shown(cost)} points of its score",
            control=f"random ones: {shown(null_cost)} points of its score",
            outcome=above(cost, little=1.0),
        ),
        _lead(
            f"{half} chosen neurons remove more of the style than random ones",
            ours,
            removed(table, half, f"random {half}"),
            null_half,
        ),
        _lead(
            f"an artist's own {half} neurons remove more of the style than another's",
            ours,
            removed(table, half, f"other {half}"),
            f"another artist's: a share of {by[f'other {half}']}",
        ),
    ]
