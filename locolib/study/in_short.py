"""The two sentences at the top of every page: what was asked, and what was found (as the page kept it)."""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import nbformat
import pandas as pd

from ..claims import FAILED, HELD, OPEN
from ..models import MODELS
from . import quality
from .pages import PAGES
from .reproduction import ours

ASKED = {
    "world": "What is there in the world from which the bundled models learnt?",
    "model": "What does {title} draw, and how often is it what was asked for?",
    "models": "How often does each bundled model draw what it is told?",
    "01_causal_tracing": "Does restoring a single inner state of {title} bring a corrupted picture back?",
    "02_locogen": "Which adjacent layers of {title} control an attribute, and are they those that the paper names?",
    "02b_five_models": "Do five models keep style, objects and facts in the layers that the paper names?",
    "03_locoedit": "Can {title} be edited in the layers that LocoGen names, better than elsewhere and otherwise?",
    "03b_five_models": "Can each of five models be edited in the layers that LocoGen names?",
    "04_neuron_editing": "Is a style in a few neurons of the layers that control it?",
    "05_deepfloyd_limits": "Why should closed-form edits fail in a model whose text encoder reads both ways?",
    "switchboard": "What changes if a step is taken as the paper's released code takes it, or another section?",
    "06_human_study": "Do people see in the pictures what the scores say?",
    "07_planted_truth": "Does LocoGen find the layers in which we planted an attribute, and no others?",
    "07b_no_window": "Does LocoGen say so where there is no window to find?",
    "07c_by_artist": "Would LocoGen notice if each artist had layers of his own?",
    "08_one_backward_pass": "Can backward passes name the layers that LocoGen finds, before a picture is drawn?",
    "09_planted_benchmark": "Which methods find the layers in which knowledge was planted?",
    "rules": "How often does an interval miss the truth, and how often is a rule for outcomes wrong?",
    "ledger": "What became of every claim that was tested?",
    "reproduction": "Does what the paper claims hold when it is run again?",
}
# The page that keeps the claims of a page's copies, where that is another.
KEPT_BY = {"02_locogen": "02b_five_models"}
# A claim about where something is: "style: in layers 8-9, and LocoGen says so (these 6 artists)".
PLACE = re.compile(r"(?P<what>.+?): (?P<where>(?:planted )?in .+?), and LocoGen says so")
MANY = 3  # models of which each place can be said in one sentence
OF_ALL = ("ledger", "reproduction")  # about the claims of all pages
Scraps = Mapping[str, Any]


def _world(scraps: Scraps) -> str:
    return (
        f"{scraps['objects']} objects in {scraps['places']} places and {scraps['manners']} manners, "
        "drawn by rules and never photographed"
    )


def _model(scraps: Scraps) -> str:
    return (
        f"of its {scraps['pictures']} pictures {scraps['object_right']} show the object by the bundled scorer, "
        f"and {scraps['style_right']} the manner"
    )


def _models(_: Scraps) -> str:
    rows = [row for spec in MODELS.values() if spec.bundled for row in quality.quality(spec)]
    if not rows:
        return "no model's training kept its scores"
    parts = []
    for name in ("object", "style"):
        right = [row["right"] for row in rows if row["attribute"] == name]
        parts.append(f"the right {name} in {min(right):.2f} to {max(right):.2f}")
    return f"the scorer sees {' and '.join(parts)} of the pictures of {len(right)} models"


def _people(scraps: Scraps) -> str:
    told = str(scraps["witness_words"]).split(";")[0].removeprefix("It ")
    if str(scraps["kind"]).startswith("simulated"):
        return (
            f"nobody has rated the {scraps['pairs']} pairs yet; the scorer, asked instead, {told}"
        )
    first = str(scraps["first_words"]).split(",")[0]
    return (
        f"of the pairs people rated above 1 these parts: {first}; the scorer, asked instead, {told}"
    )


def _rules(scraps: Scraps) -> str:
    interval, rules = (str(scraps[name]).rstrip(".") for name in ("coverage_words", "rates_words"))
    return f"{interval}; {rules[0].lower()}{rules[1:].split(';')[0]}"


# What is found by pages that keep no claims, from what they glue.
FOUND: dict[str, Callable[[Scraps], str]] = {
    "world": _world,
    "model": _model,
    "models": _models,
    "switchboard": lambda scraps: str(scraps["switch_short"]),
    "06_human_study": _people,
    "rules": _rules,
}


def scraps(made: nbformat.NotebookNode) -> dict[str, Any]:
    """What an executed notebook glued, by name: Markdown as it is, else the value that its text spells."""
    found = {}
    for cell in made.cells:
        for output in cell.get("outputs", ()):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if not name or not output.get("data"):
                continue
            kinds = {kind.rsplit("/", 1)[-1]: value for kind, value in output.data.items()}
            found[name] = kinds.get("markdown") or _spelt(str(kinds.get("plain", "")))
    return found


def _spelt(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def of_claims(claims: Sequence[Mapping[str, str]], examples: bool = True) -> str:
    """How claims came out, each outcome with its first claim: one of the paper's, if there is one."""
    parts: list[str] = []
    for outcome, words in ((HELD, "held"), (FAILED, "did not hold"), (OPEN, "{} not settled")):
        own = sorted((one for one in claims if one["outcome"] == outcome), key=ours)
        if own:
            number = re.split(r";| \(", own[0]["number"])[0]
            said = f"{len(own)} {words.format('is' if len(own) == 1 else 'are')}"
            shown = examples and (outcome != OPEN or not parts)
            parts.append(said + (f", such as “{own[0]['claim']}” ({number})" if shown else ""))
    return f"of {len(claims)} claims {'; '.join(parts)}" if parts else "this run kept no claim"


def of_places(claims: Sequence[Mapping[str, str]]) -> str:
    """Where an attribute is said to be, and where LocoGen finds it; of many models, how often the two agree."""
    named = [(PLACE.match(one["claim"]), one) for one in claims]
    places = [(found["what"], found["where"], one) for found, one in named if found]
    if len({one["name"] for _, _, one in places}) > MANY:
        return _agreed(places)
    parts = []
    for what, where, one in places:
        verdict, layers = one["number"].split(", share")[0].split(", ", 1)
        layers = re.sub(r"layers (?=\d+$)", "layer ", layers)
        found = f"finds {layers}" if verdict == "localised" else f"says “{verdict}”"
        said = (
            where if where.startswith("planted") else f"the paper says {where.removeprefix('in ')}"
        )
        parts.append(f"{what}: {said}, LocoGen {found} ({one['outcome']})")
    return "; ".join(parts)


def _agreed(places: Sequence[tuple[str, str, Mapping[str, str]]]) -> str:
    """In how many models LocoGen and the paper agree, attribute by attribute."""
    parts = []
    for what in dict.fromkeys(what for what, _, _ in places):
        own = [one for name, _, one in places if name == what]
        held = sum(one["outcome"] == HELD for one in own)
        parts.append(f"for {what} in {held} of {len(own)}")
    return f"in so many models LocoGen finds the place that the paper names: {', '.join(parts)}"


def found(page: str, model: str, claims: pd.DataFrame, glued: Scraps) -> str:
    """What a page found, as a sentence without its full stop.

    Args:
        page, model: which page, and whose copy of it ("": it has none).
        claims: those of all pages (`claims.table`).
        glued: what this page glued (`scraps`).
    """
    if page in FOUND:
        said = FOUND[page](glued)
    else:
        part = claims[claims.origin == ""]
        if page not in OF_ALL:
            part = part[part.page.isin([page, KEPT_BY.get(page, page)])]
            part = part[part.name == model] if model and PAGES[page].each else part
        rows = part.to_dict("records")
        placed = any(map(PLACE.match, part.claim)) and page not in OF_ALL
        said = of_places(rows) if placed else of_claims(rows, page not in OF_ALL)
    return f"{said[0].upper()}{said[1:]}"


def in_short(page: str, model: str, claims: pd.DataFrame, glued: Scraps) -> str:
    """Both sentences as Markdown, in a box (see `found`)."""
    asked = ASKED[page].format(title=MODELS[model].title if model in MODELS else model)
    told = f"**Asked:** {asked}\n\n**Found:** {found(page, model, claims, glued)}."
    return f"```{{admonition}} In short\n:class: loco-short\n{told}\n```"


def with_short(text: str, page: str, model: str, claims: pd.DataFrame) -> str:
    """An executed page with its two sentences below its title; as it is where it did not glue what they say."""
    made = nbformat.reads(text, as_version=4)
    try:
        short = in_short(page, model, claims, scraps(made))
    except KeyError:  # it ran before it said so
        return text
    title, _, rest = made.cells[0].source.partition("\n")
    made.cells[0].source = f"{title}\n\n{short}\n{rest}"
    return f"{nbformat.writes(made)}\n"
