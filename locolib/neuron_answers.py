"""What the page of dropped neurons says it found (Section 7): every number computed, with n and its 95% interval."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from .neurons import HALF, NEURONS, READINGS, WIDTH, Ranking, by_unit, removed
from .scores import Interval, mean, wilson

MOST = NEURONS[-1]  # the paper's largest number of neurons
LITTLE = 0.1  # a difference of less than a tenth of what altering the layers removes counts as none


def numbers(ranking: Ranking) -> pd.DataFrame:
    """How many neurons are dropped, a row for each matrix."""
    tops = {f"{count} of {WIDTH}": ranking.top(count) for count in (*NEURONS, HALF)}
    return pd.DataFrame([{"layer": layer, "matrix": f"W_{matrix[0].upper()}", "neurons": len(z)}
                         | {name: len(chosen[layer, matrix]) for name, chosen in tops.items()}
                         for (layer, matrix), z in ranking.z.items()])


def sizes(rankings: Mapping[str, Ranking]) -> np.ndarray:
    """|z| of all neurons of several rankings."""
    return np.abs(np.concatenate([z for ranking in rankings.values() for z in ranking.z.values()]))


def cut(rankings: Mapping[str, Ranking]) -> float:
    """The smallest |z| among the neurons that are dropped, a mean over artists and matrices."""
    return float(np.mean([np.abs(ranking.z[matrix])[list(chosen)].min() for ranking in rankings.values()
                          for matrix, chosen in ranking.top(MOST).items()]))


def standing_out(rankings: Mapping[str, Ranking], null: Mapping[str, Ranking]) -> str:
    """How many neurons tell prompts with a style from prompts without, as sentences."""
    found, chance = sizes(rankings), sizes(null)
    limit = float(np.quantile(chance, 0.95))
    part = wilson(int((found > limit).sum()), len(found))
    return (f"Of {len(found)} scores (of all artists, matrices and neurons) a proportion of {part} is above {limit:.1f}, below "
            f"which 95% lie when prompts are dealt at random. The median of |z| is {np.median(found):.1f} (dealt at random: "
            f"{np.median(chance):.1f}). The highest {MOST} in {WIDTH}, which are dropped at most, begin at {cut(rankings):.1f}.")


def in_common(rankings: Mapping[str, Ranking], count: int = MOST) -> pd.DataFrame:
    """Which part of the top neurons two artists have in common, a mean over the matrices: [artists, artists].

    By chance it is `count` / 1280.
    """
    tops = {artist: {matrix: set(chosen) for matrix, chosen in one.top(count).items()} for artist, one in rankings.items()}
    return pd.DataFrame({one: {other: float(np.mean([len(a[m] & b[m]) / len(a[m]) for m in a])) for other, b in tops.items()}
                         for one, a in tops.items()})


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
    """A row for each of `READINGS`: what 100 and 640 neurons and 640 random ones remove, and what 640 do to the object."""
    plain, rows = {"at": "subject", "to": "zero", "overlap": False}, {}
    for name, options in READINGS.items():
        told = plain | options
        rows[name] = {"read at": told["at"], "set to": told["to"], "tests choose too": "yes" if told["overlap"] else "no"}
        rows[name] |= {f"share, {what}": shown(removed(table, f"{name}: {what}")) for what in (MOST, HALF, f"random {HALF}")}
        rows[name] |= {f"object's change with {HALF}, points": shown(change(table, f"{name}: {HALF}"))}
    return pd.DataFrame(rows).T.rename_axis("reading")


def enough(table: pd.DataFrame, doses: Sequence[int]) -> str:
    """How many neurons remove half of what altering the layers removes, as sentences."""
    lines = []
    kinds = {"": "of the highest |z|", "random ": "drawn at random", "other ": "of the highest |z| of another artist"}
    for prefix, words in kinds.items():
        shares = {count: removed(table, f"{prefix}{count}") for count in doses if f"{prefix}{count}" in set(table.condition)}
        count = next((count for count, found in shares.items() if found.value >= 0.5), None)
        few = f"{count} is the smallest of the numbers tried that removes at least half"
        many = f"none of the numbers up to {max(shares)} removes half"
        lines.append(f"Neurons {words}: {few if count else many} ({shown(shares[count or max(shares)])}).")
    return " ".join(lines)


def verdict(found: Interval, limit: float, little: float) -> str:
    """Held (surely above `limit`), did not hold (surely below it, or below what counts as little), or not settled."""
    if found.low > limit:
        return "Held"
    return "Did not hold" if found.high < max(limit, little) else "Not settled"


def claims(table: pd.DataFrame) -> pd.DataFrame:
    """What Section 7 claims of 100 neurons, and two questions of ours about 640, half of all: claim, verdict, measured."""
    share, lead = "share of what altering the layers removes", "lead, in shares of what altering the layers removes"
    most, half, few = str(MOST), str(HALF), str(NEURONS[0])
    parts = [
        (f"{most} neurons remove the style, more than half of it", removed(table, most), 0.5, LITTLE, share),
        (f"{most} chosen neurons remove more of the style than random ones",
         removed(table, most, f"random {most}"), 0.0, LITTLE, lead),
        (f"{most} neurons remove more of the style than {few}", removed(table, most, few), 0.0, LITTLE, lead),
        (f"dropping {most} costs some of the object", change(table, "clean", most), 0.0, 1.0, "points of the object's score"),
        (f"{half} chosen neurons remove more of the style than random ones",
         removed(table, half, f"random {half}"), 0.0, LITTLE, lead),
        (f"an artist's own {half} remove more of the style than another's",
         removed(table, half, f"other {half}"), 0.0, LITTLE, lead),
    ]
    return pd.DataFrame([{"claim": text, "verdict": verdict(found, limit, little), "measured": f"{shown(found)}, {what}"}
                         for text, found, limit, little, what in parts])


def conclusion(found: pd.DataFrame) -> str:
    """A table of `claims` as an HTML list: what held, what did not, what is open."""
    lines = {kind: [f"{row.claim} ({row.measured})" for row in found[found.verdict == kind].itertuples()]
             for kind in ("Held", "Did not hold", "Not settled")}
    items = (f"<li><strong>{kind}</strong>: {'; '.join(of) or 'nothing'}.</li>" for kind, of in lines.items()
             if of or kind != "Not settled")
    return f"<ul>{''.join(items)}</ul>"
