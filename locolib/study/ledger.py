"""The ledger as a page and as data: every claim with its outcome first, by question, linked to what measured it."""

import html
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from IPython.display import HTML

from ..claims import OUTCOMES
from ..models import find
from ..scores import WRITTEN, parsed
from .pages import HOME, PAGES

TEMPLATE = Path(__file__).with_name("ledger.html")
SIGNS = {"held": "✓", "did not hold": "✗", "not settled": "?"}
QUESTIONS = {
    "Where is it? (LocoGen)": (
        "07_planted_truth",
        "07b_no_window",
        "07c_by_artist",
        "08_one_backward_pass",
        "09_planted_benchmark",
        "02_locogen",
        "02b_five_models",
    ),
    "What do single states cause? (causal tracing)": ("01_causal_tracing",),
    "Can it be edited there? (LocoEdit)": ("03_locoedit", "03b_five_models"),
    "Are a few neurons enough?": ("04_neuron_editing",),
    "Why should edits fail in DeepFloyd?": ("05_deepfloyd_limits",),
    "Do people see it?": ("06_human_study",),
}
OTHER = "Other questions"  # of pages that QUESTIONS does not know
CLOSE = "What held, what did not, what could not be tested here"
# The section of a page that measured a claim: that of the first pattern which the claim's text has.
SECTIONS = {
    "01_causal_tracing": {"UNet": "The UNet", "text encoder": "The text encoder"},
    "02b_five_models": {"^style": "Style", "^object": "Objects", "^fact": "Facts"},
    "03_locoedit": {
        "works where LocoGen|better to edit": "Does localisation inform editing?",
        "lambda": "Lambda",
        "moves the score (as much|less|more) ": "Other methods",
        "generic prompts": "What they do to generic prompts",
        "removes the edited|keeps the other|generic pictures": "What they do to other values",
        "located layers|tokens and wording|that spares moves|last token": "Held-out prompts",
    },
    "03b_five_models": {
        "^style": "Removing the style of an artist",
        "^object": "Replacing an object",
        "^fact": "Updating a fact",
    },
    "04_neuron_editing": {
        "another's": "Are they the artist's own?",
        "chosen neurons|more of the style than": "How many does it take?",
        "neurons": "Fig. 10 again",
    },
    "05_deepfloyd_limits": {
        "looks at later": "Where do the encoders look?",
        "carr(y|ies) the": "Which positions carry the style?",
        "LocoEdit": "Do the edits fail?",
    },
    "07_planted_truth": {"": "LocoGen's turn"},
    "07b_no_window": {
        "two places": "Two layers, either of which is enough",
        "": "The search, to the end",
    },
    "07c_by_artist": {"": "Prompt by prompt"},
    "08_one_backward_pass": {"": "Propose, then confirm"},
    "09_planted_benchmark": {"": "The table"},
}


@cache
def headings(page: str) -> list[str]:
    """The title of a page's notebook and the headings of its sections, in order."""
    cells = nbformat.read(HOME / PAGES[page].source, as_version=4).cells
    return re.findall(
        r"^#+ (.+)$",
        "\n".join(cell.source for cell in cells if cell.cell_type == "markdown"),
        flags=re.M,
    )


def measured_in(page: str, claim: str) -> str:
    """The heading of the section that measured a claim; of the closing one where `SECTIONS` names none, or one that is no more."""
    found = next(
        (
            heading
            for pattern, heading in SECTIONS.get(page, {}).items()
            if re.search(pattern, claim)
        ),
        CLOSE,
    )
    return found if found in headings(page) else CLOSE


def link(page: str, name: str, heading: str) -> str:
    """The address, from the ledger, of a section of a page (of a model, where each has one)."""
    copy = f"{page}-{name}" if PAGES[page].each or not find(name).bundled else page
    anchor = (
        re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-").lstrip("-0123456789")
    )  # as docutils makes them
    return f"{Path(PAGES[page].source).with_name(copy)}.html#{anchor}".removeprefix("book/")


def question(page: str) -> str:
    """The question that a page is part of an answer to."""
    return next((name for name, part in QUESTIONS.items() if page in part), OTHER)


def records(claims: pd.DataFrame) -> list[dict[str, Any]]:
    """The claims of `claims.table` as plain data, in the order of the page, an object each.

    Returns:
        claim, section (of the paper), question, outcome, number (as the page tells it), value, low, high, unit (of its interval;
        None where it has none, or an end that is open), control, model, page, part (of the page), link, weights, commit, origin ("" of what was measured here).
    """
    order = [*(page for pages in QUESTIONS.values() for page in pages), *PAGES]
    rows = sorted(
        claims.to_dict("records"), key=lambda row: order.index(row["page"])
    )  # within a page as `claims.table` has them
    return [_record(row) for row in rows]


def _record(row: Mapping[str, str]) -> dict[str, Any]:
    name, part = row["name"], measured_in(row["page"], row["claim"])
    return {
        "claim": row["claim"],
        "section": row["section"],
        "question": question(row["page"]),
        "outcome": row["outcome"],
        "number": row["number"],
        **_interval(row["number"]),
        "control": row["control"],
        "model": name,
        "page": row["page"],
        "part": part,
        "link": link(row["page"], name, part),
        "weights": row["weights"],
        "commit": row["commit"],
        "origin": row["origin"],
    }


def _interval(number: str) -> dict[str, Any]:
    """Value, ends and unit of what was measured: the unit is what follows the interval ("points"), or else what it is of ("share")."""
    found, written = parsed(number), WRITTEN.search(number)
    if found is None or written is None:
        return dict.fromkeys(("value", "low", "high", "unit"))
    before, after = (
        re.split(r"[,;:]", number[: written.start()])[-1],
        re.split(r"[,;:(]", number[written.end() :])[0],
    )
    unit = after.strip().removeprefix("in ") or re.sub(r"^an? | of$", "", before.strip())
    return {
        end: number if math.isfinite(number := getattr(found, end)) else None
        for end in ("value", "low", "high")
    } | {"unit": unit or None}


def page(told: Sequence[dict[str, Any]], titles: Mapping[str, str]) -> HTML:
    """All claims of `records` as HTML: how many held, a filter (if there are scripts), a table for each question.

    Args:
        titles: of the models, by name.
    """
    asked = list(dict.fromkeys(one["question"] for one in told))
    groups = [(name, [one for one in told if one["question"] == name]) for name in asked]
    titled = {
        name: headings(name)[0].split(":")[0] for name in dict.fromkeys(one["page"] for one in told)
    }
    models = {
        name: title for name, title in titles.items() if name in {one["model"] for one in told}
    }
    slots = {
        "sum": _sum(groups),
        "count": str(len(told)),
        "outcomes": _options({name: name for name in OUTCOMES}),
        "models": _options(models),
        "pages": _options(titled),
        "groups": "".join(
            _group(i, name, part, titles, titled) for i, (name, part) in enumerate(groups)
        ),
    }
    # All slots at once, so that what fills one is not searched for another.
    return HTML(
        re.sub(
            r"\{\{(\w+)\}\}", lambda found: slots[found[1]], TEMPLATE.read_text(encoding="utf-8")
        )
    )


def _options(names: Mapping[str, str]) -> str:
    return "".join(
        f'<option value="{html.escape(value)}">{html.escape(text)}</option>'
        for value, text in names.items()
    )


def _sum(groups: Sequence[tuple[str, Sequence[dict[str, Any]]]]) -> str:
    """How many claims held, by question."""
    head = "".join(
        f'<th scope="col" class="{_class(name)}">{_badge(name)}</th>' for name in OUTCOMES
    )
    rows = [
        (f'<a href="#claims-{i}">{html.escape(name)}</a>', part)
        for i, (name, part) in enumerate(groups)
    ]
    rows += [("all", [one for _, part in groups for one in part])]
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f"<td>{sum(one['outcome'] == word for one in part)}</td>" for word in OUTCOMES)
        + "</tr>"
        for name, part in rows
    )
    return f'<table class="sum"><thead><tr><th scope="col">Question</th>{head}</tr></thead><tbody>{body}</tbody></table>'


def _class(outcome: str) -> str:
    return outcome.replace(" ", "-")


def _badge(outcome: str) -> str:
    return f'<span class="said"><span aria-hidden="true">{SIGNS[outcome]}</span> {outcome}</span>'


def _group(
    i: int,
    name: str,
    part: Sequence[dict[str, Any]],
    titles: Mapping[str, str],
    titled: Mapping[str, str],
) -> str:
    """A question's claims as a table whose rows are cards on a phone; roles are said, because a table that is no block loses them."""
    head = "".join(
        f'<th role="columnheader" scope="col">{title}</th>'
        for title in ("Outcome", "Claim", "Measured", "To compare with")
    )
    body = "".join(_row(one, titles[one["model"]], titled[one["page"]]) for one in part)
    return (
        f'<div class="claims"><h3 id="claims-{i}">{html.escape(name)}</h3><table role="table" aria-labelledby="claims-{i}"><thead role="rowgroup">'
        f'<tr role="row">{head}</tr></thead><tbody role="rowgroup">{body}</tbody></table></div>'
    )


def _row(one: dict[str, Any], title: str, page_title: str) -> str:
    data = " ".join(
        f'data-{name}="{html.escape(one[name])}"' for name in ("outcome", "model", "page")
    )
    section = re.sub(r"^(?=\d)", "Section ", one["section"]).replace(
        "ours", "a question of this study"
    )
    return (
        f'<tr role="row" class="{_class(one["outcome"])}" {data}><td role="cell">{_badge(one["outcome"])}</td>'
        f'<th role="rowheader" scope="row">{html.escape(one["claim"])}<small>{html.escape(title)} · {html.escape(section)} · measured in '
        f'<a href="{html.escape(one["link"])}">{html.escape(page_title)}{"" if page_title.endswith("?") else ":"} {html.escape(one["part"])}</a>{_origin(one)}</small></th>'
        f'<td role="cell" data-label="Measured">{_number(one["number"])}</td>'
        f'<td role="cell" data-label="To compare with">{_number(one["control"])}</td></tr>'
    )


def _origin(one: Mapping[str, Any]) -> str:
    """Where a claim was measured, if not here."""
    return f" · <strong>{html.escape(one['origin'])}</strong>" if one.get("origin") else ""


def _number(text: str) -> str:
    """A text in which the ends of an interval, and of a window, stay on one line."""
    return re.sub(
        r"\[[^\[\]]*\]|\d+-\d+",
        lambda found: f'<span class="whole">{found[0]}</span>',
        html.escape(text),
    )
