"""What the page of dropped neurons says it found (Section 7): every number computed, with its 95% interval."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from ...claims import OPEN, Claim, above
from ...models import Spec
from ...scores import Interval, columns, mean
from .dropping import HALF, PAPER, READINGS, by_unit, removed, strata
from .ranking import NEURONS, WIDTH, Ranking

MOST = NEURONS[-1]  # the paper's largest number of neurons
LITTLE = 0.1  # a difference of less than a tenth of what altering the layers removes counts as none


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
    part = (found > limit).mean()
    return (
        f"Of {len(found)} scores (of all artists, matrices and neurons) a part of {part:.2f} is above {limit:.1f}, below "
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
    """The mean over pairs of artists of a table of `in_common`, and its ends: of these artists, so without an interval."""
    pairs = np.array([shared.loc[one, other] for one, other in combinations(shared, 2)])
    return f"{pairs.mean():.2f} ({pairs.min():.2f} to {pairs.max():.2f} in {len(pairs)} pairs of artists)"


def shown(found: Interval) -> str:
    """An interval without a zero that is negative."""
    return str(found).replace("-0.00", "0.00")


def change(table: pd.DataFrame, condition: str, but: str = "clean") -> Interval:
    """How many points the object's score is higher than in another condition."""
    scores = by_unit(table, "object")[1]
    return mean((scores[condition] - scores[but]).to_numpy(), strata(scores))


def said(table: pd.DataFrame, condition: str) -> str:
    """What a condition does, in words."""
    share, points = shown(removed(table, condition)), shown(change(table, condition))
    return f"a share of {share}, while the object's score changes by {points} points"


def units(table: pd.DataFrame) -> str:
    """What the intervals are over, and how many there are."""
    unit, scores = by_unit(table)
    artists = table.artist.nunique()
    return f"{len(scores)} {unit}s of {'these' if artists > 1 else 'this'} {artists} artist{'s' * (artists > 1)}"


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


def by_model(tables: Mapping[str, pd.DataFrame], conditions: Sequence[str]) -> pd.DataFrame:
    """A row for each model and each number of dropped neurons: share (removed) and object (change), with _low and _high."""
    return pd.DataFrame(
        [
            {"model": name, "dropped": what, "n": len(by_unit(table)[1])}
            | columns({"share": removed(table, what), "object": change(table, what)})
            for name, table in tables.items()
            for what in conditions
        ]
    )


def caveat(spec: Spec) -> str:
    """What a planted model's answer is worth, in words; empty for others."""
    return (
        "; planted: style was put into these layers so that any one of them is enough, and few neurons may do little for that reason"
        if spec.planted
        else ""
    )


def outcome_of_half(share: Interval) -> str:
    """Whether neurons remove more than half of the style."""
    return above(share, 0.5)


def outcome_of_lead(lead: Interval) -> str:
    """Whether a lead in shares lies above 0: it does not where it is surely less than `LITTLE`, however sure it is."""
    return above(lead, little=LITTLE)


def outcome_of_cost(points: Interval) -> str:
    """Whether the object loses points: it does not where it surely loses less than one."""
    return above(points, little=1.0)


def _removes_half(text: str, section: str, share: Interval, control: str) -> Claim:
    number, outcome = f"a share of {shown(share)}", outcome_of_half(share)
    return Claim(text=text, section=section, number=number, control=control, outcome=outcome)


def _lead(text: str, section: str, found: Interval, control: str) -> Claim:
    number, outcome = f"a lead of {shown(found)} in shares", outcome_of_lead(found)
    return Claim(text=text, section=section, number=number, control=control, outcome=outcome)


def claims(table: pd.DataFrame, spec: Spec, layers: str, *, sure: bool = True) -> list[Claim]:
    """What Section 7 claims of 100 neurons, chosen as the paper does, and questions of ours.

    Args:
        layers: whose neurons were dropped and where these come from, in words.
        sure: whether these layers are known to control style.  The paper's claims are about such layers: of others none is settled.
    """
    found = _claims(table, f"; layers {layers}, {units(table)}{caveat(spec)}")
    if sure:
        return found
    return [replace(one, outcome=OPEN) if one.section.startswith("7") else one for one in found]


def _claims(table: pd.DataFrame, about: str) -> list[Claim]:
    """The claims, whose controls end with `about`: of what."""
    most, half = str(MOST), str(HALF)
    paper = {count: f"{PAPER}: {count}" for count in (NEURONS[0], MOST)}
    null, null_half = (
        f"random ones: a share of {shown(removed(table, f'random {count}'))}{about}"
        for count in (most, half)
    )
    other = f"another artist's: a share of {shown(removed(table, f'other {half}'))}{about}"
    cost = change(table, "clean", paper[MOST])
    null_cost = (
        f"random ones: {shown(change(table, 'clean', f'random {most}'))} points of its score{about}"
    )
    held, control, ours = "ours (other prompts choose)", "ours (the control)", "ours (the number)"
    leads = (
        (
            f"{MOST} neurons remove more of the style than {NEURONS[0]}",
            "7, Fig. 10",
            (paper[MOST], paper[NEURONS[0]]),
            null,
        ),
        (
            f"{most} chosen neurons remove more of the style than random ones",
            control,
            (most, f"random {most}"),
            null,
        ),
        (
            f"{half} chosen neurons remove more of the style than random ones",
            ours,
            (half, f"random {half}"),
            null_half,
        ),
        (
            f"an artist's own {half} neurons remove more of the style than another's",
            ours,
            (half, f"other {half}"),
            other,
        ),
    )
    start = f"{MOST} in {WIDTH} neurons of the layers remove more than half of the style"
    return [
        _removes_half(start, "7, Figs. 9 and 10", removed(table, paper[MOST]), null),
        _removes_half(
            f"{start}, of prompts that did not choose them", held, removed(table, most), null
        ),
        *(
            _lead(text, section, removed(table, *pair), compared)
            for text, section, pair, compared in leads
        ),
        Claim(
            text=f"dropping {most} neurons costs some of the object",
            section="7",
            number=f"{shown(cost)} points of its score",
            control=null_cost,
            outcome=outcome_of_cost(cost),
        ),
    ]
