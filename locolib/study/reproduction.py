"""The study as a reproducibility report: the paper's own claims by outcome, what was run, and which claims are ours."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from IPython.display import HTML

from ..claims import OUTCOMES
from ..models import MODELS, Spec, find

Told = Sequence[Mapping[str, Any]]


# What needs what this study does not have; the reasons are ours, so these are the only claims that are typed.
PUBLISHED = tuple(name for name, spec in MODELS.items() if not spec.bundled)
UNTESTABLE = (
    (
        "The heights of the bars of Figs. 5, 8, 10, 56 and 57",
        "5.2, 6.2, 7, G, I",
        "the paper prints no values, only figures",
    ),
    (
        "92.58% of the ratings see the change (132 pairs, 5 raters)",
        "5.2, App. J",
        "needs people: the rating page is there, and its analysis",
    ),
    ("The thresholds by which m is chosen", "5.1.2, App. G", "the paper does not print them"),
)
MEANT = """*Planted* miniatures, in which we decided where knowledge lies, test whether the methods say what is there; *natural* ones, of the
paper's five architectures, test whether its claims hold beyond the checkpoints that they were made of."""


def run_of(told: Told) -> list[str]:
    """The published models that claims are about."""
    return [name for name in PUBLISHED if any(one["model"] == name for one in told)]


def untestable(told: Told) -> pd.DataFrame:
    """Claims that this study cannot test, and why: those about published models as far as none was run."""
    missing = [name for name in PUBLISHED if name not in run_of(told)]
    of = [find(name).title for name in missing if name != "deepfloyd-if"]
    needs = "needs the published checkpoint: every page runs on it with a GPU"
    rows = [
        (
            f"In {', '.join(of)} style, objects and facts lie in the layers that Section 5.2 names",
            "5.2",
            needs,
        )
    ] * bool(of) + [
        ("In DeepFloyd itself the place depends on the prompt", "5.2, Fig. 7", needs)
    ] * ("deepfloyd-if" in missing)
    return pd.DataFrame([*rows, *UNTESTABLE], columns=["claim", "section", "why not"]).set_index(
        "claim"
    )


def scope(told: Told, titles: Mapping[str, str]) -> str:
    """What was run, in Markdown: published checkpoints, miniatures, or both."""
    of, parts = run_of(told), list[str]()
    if of:
        named = ", ".join(titles[name] for name in of)
        parts.append(
            f"**Published checkpoints**: {named}. The foot of each page names the weights that were loaded."
        )
    else:
        parts.append(
            "**No published checkpoint was run.** Nothing here reproduces or contradicts a number that the paper prints for "
            "Stable Diffusion, OpenJourney, SDXL or DeepFloyd."
        )
    if not of or any(one["model"] not in PUBLISHED for one in told):
        parts.append(MEANT)
    return "\n\n".join(parts)


def first_objection(told: Told, titles: Mapping[str, str]) -> str:
    """Whether a published checkpoint was run, as an answer."""
    if of := run_of(told):
        return f"Yes: {', '.join(titles[name] for name in of)}."
    return "No. The places that Section 5.2 names are compared, in words, with those of miniatures."


def _kind(model: str) -> str:
    """How a model came to know: planted by us, natural (a miniature trained like any model), published."""
    return (
        "planted"
        if model.startswith("planted")
        else "published"
        if model in PUBLISHED
        else "natural"
    )


def ours(claim: Mapping[str, Any]) -> bool:
    """Whether a record of `ledger.records` is a question of this study or rests on choices of ours: its section says so."""
    return "ours" in str(claim["section"]) or not str(claim["section"]).strip()


def counts(told: Told) -> pd.DataFrame:
    """How many claims held, did not, and are open: the paper's with the paper's own choices, and ours, by kind of model.

    Returns:
        A row for each: whose (the paper's, ours), models (published, planted, natural), then a column for each outcome, and all.
    """
    frame = pd.DataFrame(
        [
            {
                "whose": "ours" if ours(one) else "the paper's",
                "models": _kind(one["model"]),
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
    """The paper's claims of one outcome in models that nobody planted, as a list by section of the paper, with numbers and links."""
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
