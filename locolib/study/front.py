"""What the front page shows first: the finding in four pictures, and where LocoGen finds what in the five models."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from IPython.display import HTML

from ..claims import FAILED, HELD
from ..experiments import locogen
from ..experiments.locogen import Request, Sweep, report_by_model
from ..experiments.locogen import report as locogen_report
from ..experiments.locogen.report import comparable, outcome
from ..experiments.locogen.strips import clearest
from ..experiments.locogen.strips import strip as prompt_strip
from ..figures import PALETTE, data_uri
from ..models import Spec
from ..scores import disjoint
from ..store import Store

_FOUND = {
    "localised": "LocoGen finds it in layers {found}",
    "inconclusive": "LocoGen settles on no window (the best one is layers {found})",
    "not localised": "LocoGen finds that no such window is enough (the best one is layers {found})",
    "no effect": "altering all layers changes nothing in this run, so that there is nothing to find",
}
_TRACK = "position:relative;height:1.1rem;background:#e3e3e3;border-radius:2px;overflow:hidden;min-width:6rem"
_FRAME = "box-shadow:inset 0 0 0 2px #000"
_HATCH = "repeating-linear-gradient(45deg,#595959 0 3px,#c4c4c4 3px 7px)"


def strip(done: Sweep, asked: Request, spec: Spec, *, store: Store) -> HTML:
    """The finding in one sentence and four pictures of one prompt: as it is, LocoGen's window altered, the best window elsewhere, all layers (as Fig. 1 sums up LocoGen).

    The prompt is that on which altering all layers moves the score the most, whatever the windows do.
    """
    verdict, curve = done.verdict, done.curve.reset_index(drop=True)
    apart = disjoint(
        curve.start.tolist(), done.m, int(curve.index[curve.start == verdict.start][0])
    )
    other = curve.loc[curve.share[apart].fillna(0).idxmax(), "layers"] if len(apart) else ""
    found = locogen.label(tuple(range(verdict.start, verdict.start + verdict.m)))
    prompt = next(p for p in asked.prompts if p.original == clearest(done.table))
    images = dict(prompt_strip(store, done.table, prompt.original)[1])
    shown = {
        "clean": "nothing altered",
        found: f"layers {found} altered",
        other: f"layers {other} altered",
        "all": f"all {done.layers} layers altered",
    }
    boxes = "".join(
        _picture(
            f"“{prompt.original}”, {what}", what, data_uri(images[label]), marked=label == found
        )
        for label, what in shown.items()
        if label in images
    )
    told = (
        f"“{html.escape(prompt.original)}” four times from the same noise; an altered layer reads “{html.escape(prompt.target)}” instead. "
        f"Layers {other} are the best window elsewhere.{_numbers(done)}"
    )
    return HTML(
        f'<figure class="loco-figure"><p style="margin:0 0 0.5rem"><strong>{_said(done, spec, found)}</strong></p>'
        f'<div style="display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:0.5rem">{boxes}</div>'
        f'<figcaption style="text-align:start;margin:0.5rem 0 0;padding:0;font-size:0.9rem">{told}</figcaption></figure>'
    )


def _said(done: Sweep, spec: Spec, found: str) -> str:
    """The finding as a sentence."""
    start = (
        f"We put {done.attribute} into layers {locogen_report.known(spec, done.attribute)} of a small model's {done.layers}, and "
        if spec.planted
        else f"Where is {done.attribute} in {spec.title}? "
    )
    return html.escape(f"{start}{_FOUND[done.verdict.verdict].format(found=found)}.")


def _numbers(done: Sweep) -> str:
    """Its numbers, where a share is defined."""
    verdict, (units, of) = done.verdict, locogen_report.counted(done)
    return (
        ""
        if verdict.verdict == "no effect" or not np.isfinite(verdict.share.value)
        else (
            f" Altering LocoGen's window alone does {verdict.share} of what altering all layers does, and leads the best window elsewhere by {verdict.margin} "
            f"(95% intervals, on {units} {of} that had no part in the choice; about {locogen.about_whom(done.asked.prompts)})."
        )
    )


def _picture(alt: str, what: str, source: str, *, marked: bool) -> str:
    edge = f"outline:4px solid {PALETTE['2']};outline-offset:-4px" if marked else ""
    return (
        f'<div style="text-align:center;line-height:1.3"><img src="{source}" alt="{html.escape(alt)}" style="display:block;width:100%;height:auto;padding:0;'
        f'margin:0 0 0.2rem;image-rendering:pixelated;{edge}"><span style="font-weight:{700 if marked else 400}">{html.escape(what)}</span></div>'
    )


def places(rows: Sequence[Mapping[str, Any]], layers: Mapping[str, int]) -> HTML:
    """Where LocoGen finds what in several models, beside the paper's layers: a line of layers for each model and attribute, and words.

    Args:
        rows: of `locogen.report.hit`, with the model's title.
        layers: by that title, how many there are.
    """
    keys = (
        (
            "coloured: LocoGen's window",
            f"background:linear-gradient(90deg,{PALETTE['style']} 33%,{PALETTE['object']} 33% 67%,{PALETTE['fact']} 67%)",
        ),
        ("hatched: the best window, unconfirmed", f"background:{_HATCH}"),
        ("frame: the paper's layers", f"background:#e3e3e3;border:1px solid #e3e3e3;{_FRAME}"),
    )
    legend = "".join(
        f'<span style="display:inline-block;margin-right:1rem"><span aria-hidden="true" style="display:inline-block;width:1.6rem;height:0.8rem;'
        f'box-sizing:border-box;margin-right:0.4rem;{style}"></span>{text}</span> '
        for text, style in keys
    )
    groups = "".join(
        f'<div style="margin-top:0.4rem"><div><strong>{html.escape(title)}</strong>, layers 0 to {layers[title] - 1}</div>'
        + "".join(_line(row, layers[title]) for row in rows if row["model"] == title)
        + "</div>"
        for title in dict.fromkeys(row["model"] for row in rows)
    )
    compared = report_by_model.comparison(rows).splitlines()[0]
    return HTML(
        f'<figure class="loco-figure"><p style="margin:0 0 0.5rem"><strong>{html.escape(compared)}</strong></p>{groups}'
        f'<figcaption style="text-align:start;margin:0.5rem 0 0;padding:0;font-size:0.9rem">Each line is a model\'s layers, from the first at the left to '
        f"the last at the right. {legend}</figcaption></figure>"
    )


def _line(row: Mapping[str, Any], layers: int) -> str:
    """One attribute of one model: its name, its layers as a line, and what was found, in words."""
    sure, told = row["verdict"] == "localised", str(row["paper"])
    own = {
        "localised": f"layers {row['found']}",
        "inconclusive": f"not settled (best: {row['found']})",
        "no effect": "altering changes nothing",
        "not localised": "no window is enough",
    }[row["verdict"]]
    known = told[:1].isdigit()
    where = f"paper: {told if known or told == 'not said' else 'it depends'}"
    says = {HELD: "as in the paper", FAILED: f"unlike the paper ({told})"}.get(
        outcome(row) if comparable(row) else "", where
    )
    if outcome(row) == HELD and row["found"] != told and known:
        says += f" ({told}: {'tied' if row['tie'] else 'nested'})"
    parts = (
        _span(row["found"], layers, f"background:{PALETTE[row['attribute']] if sure else _HATCH}")
        if row["verdict"] != "no effect"
        else ""
    )
    parts += _span(told, layers, _FRAME) if known else ""
    grid = "display:grid;grid-template-columns:3.5rem minmax(6rem,1fr) 16rem;gap:0 0.5rem;align-items:center;font-size:0.9rem;line-height:1.5"
    return (
        f'<div class="loco-line" style="{grid}"><span>{html.escape(row["attribute"])}</span><span aria-hidden="true" style="{_TRACK}">{parts}</span>'
        f'<span>{html.escape(own)}; <span style="white-space:nowrap">{html.escape(says)}</span></span></div>'
    )


def _span(label: str, layers: int, style: str) -> str:
    chosen = locogen.labelled(label)
    return (
        f'<span style="position:absolute;top:0;bottom:0;box-sizing:border-box;left:{100 * chosen[0] / layers:.2f}%;'
        f'width:{100 * len(chosen) / layers:.2f}%;{style}"></span>'
    )
