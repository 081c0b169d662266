"""What the page of the benchmark says: tables of models, answers and localisers in words."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ...claims import Claim, above
from ...models.planted import ALL, Planted
from ...scores import Interval, interval, mean
from ..locogen import label
from .report import OURS


def of_models(planted: Mapping[str, Planted]) -> pd.DataFrame:
    """A row for each model: what was planted where, and how good its pictures are."""
    return pd.DataFrame(
        [
            {
                "model": name,
                **{a: _places(one, a) for a in ("style", "object", "place")},
                "styles right": f"{100 * one.measured['style']:.0f}%",
                "objects right": f"{100 * one.measured['object']:.0f}%",
            }
            for name, one in planted.items()
        ]
    )


def _places(one: Planted, attribute: str) -> str:
    """The answers about an attribute in words."""
    return "; ".join(
        answer.words + (f" ({', '.join(answer.values)})" if answer.values else "")
        for answer in one.of(attribute)
    )


def in_words(summary: pd.DataFrame) -> pd.DataFrame:
    """`benchmark.summary` as a table to be read."""

    def told(part: str) -> list[str]:
        return [
            str(interval(one, part)) if np.isfinite(one[part]) else ""
            for _, one in summary.iterrows()
        ]

    return pd.DataFrame(
        {
            "localiser": summary.localiser,
            "AUROC of layers": told("auroc"),
            "planted layers on top, part": told("overlap"),
            "all of them on top": told("exact"),
            "verdict right": told("right"),
            "falsely localised": told("false"),
            "missed": told("missed"),
            "UNet rows": summary["rows"].round().astype(int),
            "seconds": summary.seconds.map("{:.1f}".format),
            "n models": summary.models,
        }
    )


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """What those that decide said of each question: a row for each, a column for each localiser."""
    spoke = table[table.judged != ""]
    places = [
        f" in {label(tuple(map(int, one.found.split())))}" if one.verdict == "localised" else ""
        for one in spoke.itertuples()
    ]
    said = spoke.assign(said=spoke.verdict + places + ": " + spoke.judged)
    return said.pivot_table(
        index=["question", "layers"],
        columns="localiser",
        values="said",
        aggfunc="first",
        sort=False,
    ).reset_index()


def by_rule(table: pd.DataFrame) -> pd.DataFrame:
    """AUROC by localiser and kind of planting: one window, layers apart of which all must be altered, any of them."""
    planted = table.dropna(subset=["auroc"])
    kind = np.where(
        planted.rule != ALL,
        "any is enough",
        np.where(planted.layers.map(adjacent), "adjacent layers", "layers apart"),
    )
    return planted.assign(kind=kind).pivot_table(
        index="localiser", columns="kind", values="auroc", aggfunc="mean", sort=False
    )


def adjacent(words: str) -> bool:
    """Whether layers in words (`planted.Answer.words`) are adjacent."""
    layers = [int(word) for word in words.split() if word.isdigit()]
    return layers == list(range(layers[0], layers[0] + len(layers)))


def lead(table: pd.DataFrame, one: str, other: str) -> Interval:
    """How much higher a localiser's AUROC is than another's: the mean over models of their paired difference."""
    by_model = table.dropna(subset=["auroc"]).pivot_table(
        index="model", columns="localiser", values="auroc"
    )
    return mean((by_model[one] - by_model[other]).to_numpy())


def better(table: pd.DataFrame, one: str, other: str) -> Claim:
    """A localiser ranks planted layers above another one's, as a claim of ours."""
    scores = table.groupby("localiser").auroc.mean()
    found = lead(table, one, other)
    return Claim(
        text=f"{one} ranks planted layers higher than {other} does",
        section=OURS,
        number=f"AUROC {scores[one]:.2f} and {scores[other]:.2f}, paired difference over models {found}",
        control=f"{table.dropna(subset=['auroc']).model.nunique()} planted models whose answers are known; chance is 0.5",
        outcome=above(found),
    )
