"""The study as a reproducibility report: the paper's own claims by outcome, what was run, and which claims are ours."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from IPython.display import HTML

from ..claims import OUTCOMES
from ..models import Spec

Told = Sequence[Mapping[str, Any]]


def ours(claim: Mapping[str, Any]) -> bool:
    """Whether a record of `ledger.records` is a question of this study or rests on choices of ours: its section says so."""
    return "ours" in str(claim["section"]) or not str(claim["section"]).strip()


def counts(told: Told) -> pd.DataFrame:
    """How many claims held, did not, and are open: the paper's with the paper's own choices, and ours, by kind of model.

    Returns:
        A row for each: whose (the paper's, ours), models (planted, natural), then a column for each outcome, and all.
    """
    frame = pd.DataFrame(
        [
            {
                "whose": "ours" if ours(one) else "the paper's",
                "models": "planted" if one["model"].startswith("planted") else "natural",
                "outcome": one["outcome"],
            }
            for one in told
        ],
        columns=["whose", "models", "outcome"],
    )
    table = frame.groupby(["whose", "models", "outcome"]).size().unstack(fill_value=0)
    table = table.reindex(columns=list(OUTCOMES), fill_value=0)
    return table.assign(all=table.sum(axis=1)).sort_index(ascending=False)


def by_section(told: Told, outcome: str, titles: Mapping[str, str]) -> HTML:
    """The paper's claims of one outcome in natural models, as a list by section of the paper, with numbers and links."""
    chosen = [
        one
        for one in told
        if one["outcome"] == outcome
        and not ours(one)
        and not str(one["model"]).startswith("planted")
    ]
    if not chosen:
        return HTML("<p>None.</p>")
    sections = dict.fromkeys(str(one["section"]) for one in chosen)
    parts = []
    for section in sections:
        items = [_item(one, titles) for one in chosen if one["section"] == section]
        named = f"Section {section}" if section[:1].isdigit() else section
        parts.append(f"<li>{html.escape(named)}<ul>{''.join(items)}</ul></li>")
    return HTML(f"<ul>{''.join(parts)}</ul>")


def _item(one: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    title = titles.get(str(one["model"]), str(one["model"]))
    return (
        f'<li><a href="{html.escape(str(one["link"]))}">{html.escape(title)}</a>: {html.escape(str(one["claim"]))} '
        f"({html.escape(str(one['number']))})</li>"
    )


def of_page(told: Told, page: str, model: str = "") -> str:
    """How the paper's claims of a page came out, as words: "2 held, 1 did not hold, 3 not settled"."""
    part = [
        one
        for one in told
        if one["page"] == page and not ours(one) and (not model or one["model"] == model)
    ]
    if not part:
        return "not run here"
    return ", ".join(
        f"{sum(one['outcome'] == outcome for one in part)} {outcome}" for outcome in OUTCOMES
    )


def models_run(specs: Sequence[Spec], told: Told) -> pd.DataFrame:
    """The models that claims are about: layers, resolution's stand-in, sampling steps, and how many claims were tested on each."""
    rows = [
        {
            "model": spec.title,
            "stands for": spec.original or ("no published model" if spec.planted else spec.name),
            "cross-attention layers": spec.layers,
            "steps": spec.steps,
            "claims tested": sum(one["model"] == spec.name for one in told),
        }
        for spec in specs
    ]
    return pd.DataFrame([row for row in rows if row["claims tested"]])
