"""Where the paper, its appendices and its released code mean different things: both readings run, and what the difference does.

Each function measures one switch of LocoGen or of sampling on one model and returns a row: what the paper says, what another reading
says and whose it is, both results in words and, where they are numbers, with their intervals ("values").  Differences are paired: the
same prompts and seeds in both readings.  Switches of LocoEdit and of neurons are in `switchboard_edits`.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from .. import scores
from ..experiments import locogen
from ..experiments.locogen import Request, Window, label
from ..models import Model
from ..prompts import swapped
from ..scores import Effects, Interval
from ..store import Store
from .published_sampler import sampling_as_published

Row = dict[str, Any]
DIFFERENCE = "the difference (other minus paper)"
READINGS = ("the paper", "the other reading")
RESULTS = ("result as in the paper", "result as in the other")


def row_of(
    switch: str, paper: str, other: str, results: Iterable[str], difference: str, *values: "Value"
) -> Row:
    """A row of the switchboard."""
    return {
        "switch": switch,
        **dict(zip(READINGS, (paper, other))),
        **dict(zip(RESULTS, results)),
        DIFFERENCE: difference,
        "values": values,
    }


class Value(NamedTuple):
    """One result in numbers: what it is (empty: the switch's own), in which unit, by both readings, their difference, of how many."""

    what: str
    unit: str
    paper: Interval
    other: Interval
    difference: Interval
    counted: str


def window_size(model: Model, asked: Request, *, store: Store) -> Row:
    """Windows of exactly m layers, against the code's: three layers from index 0 to 13, one from 14 on (for 16 layers).

    Each reading's best window is chosen on one half of the prompts and measured on the other.
    """
    m, layers = model.spec.m[asked.attribute], model.spec.layers
    ours = locogen.windows(layers, m)
    theirs = [tuple(range(i, i + 3)) if i < layers - 2 else (i,) for i in range(layers)]
    choose, confirm = locogen.split(asked.prompts)
    best, seen = [], []
    for sets in (ours, theirs):
        table = locogen.measure(model, asked, [(), tuple(range(layers)), *sets], store=store)
        chosen, found = (
            locogen.effects(table, sets, layers, asked.attribute, half)
            for half in (choose, confirm)
        )
        number = int(chosen.windows.mean(0).argmax())
        best.append(label(sets[number]))
        seen.append(replace(found, windows=found.windows[:, [number]], starts=(sets[number][0],)))
    value = _share(seen[0], seen[1], f"{len(confirm)} prompts")
    return row_of(
        "layers in a window",
        f"exactly m = {m}",
        "the code: 3 layers from 0 to 13, 1 layer at 14 and 15",
        [
            f"best window {where}, chosen on {len(choose)} prompts; share {found} on the {len(confirm)} others"
            for where, found in zip(best, (value.paper, value.other))
        ],
        f"best window {' and '.join(best)}, share {value.difference}",
        value,
    )


def _window_of(model: Model, asked: Request, store: Store) -> Window:
    """The window that our sweep names."""
    done = locogen.sweep(model, asked, model.spec.m[asked.attribute], store=store)
    return tuple(range(done.verdict.start, done.verdict.start + done.m))


def _at(model: Model, asked: Request, window: Window, store: Store) -> Effects:
    """Effects of one window and of all layers."""
    layers = model.spec.layers
    table = locogen.measure(model, asked, [(), tuple(range(layers)), window], store=store)
    return locogen.effects(table, [window], layers, asked.attribute)


def _share(paper: Effects, other: Effects, counted: str) -> Value:
    """The share of the only window of each; the difference is of the effects, as share of the paper's effect of all layers."""
    one, two = (scores.share(effects, 0) for effects in (paper, other))
    apart = other.windows[:, 0] - paper.windows[:, 0]
    difference = scores.ratio(apart, paper.full, paper.strata)
    return Value("", "share", one, two, difference, counted)


def _contrast(
    model: Model,
    asked: Request,
    other: Request,
    names: tuple[str, str, str],
    *,
    store: Store,
    default_is_other: bool = False,
) -> Row:
    """Two requests that differ in one reading: all layers, and the window that LocoGen names by ours.

    Args:
        asked, other: the default, and the reading that differs.
        names: the switch, the paper's reading, the other one.
        default_is_other: the default is the other reading, not the paper's.
    """
    window = _window_of(model, asked, store)
    both = [_at(model, request, window, store) for request in (asked, other)]
    paper, read = reversed(both) if default_is_other else both
    return _told(names, window, paper, read, _prompts(asked))


def _told(
    names: tuple[str, str, str], window: Window, paper: Effects, other: Effects, counted: str
) -> Row:
    """The row of two readings of the same windows: points of all layers, and the share of one window."""
    one, two = (scores.mean(effects.full, effects.strata) for effects in (paper, other))
    moved = scores.mean(other.full - paper.full, paper.strata)
    value = _share(paper, other, counted)
    return row_of(
        *names,
        [
            f"all layers {points} points; layers {label(window)}: share {found}"
            for points, found in zip((one, two), (value.paper, value.other))
        ],
        f"all layers {moved} points; layers {label(window)} {value.difference} of the share",
        Value("", "points", one, two, moved, counted),
        value,
    )


def bare_target(model: Model, asked: Request, *, store: Store) -> Row:
    """The target prompt without the artist alone, against the bare "a painting", which removes the object too."""
    names = (
        "target of a style, bare",
        "the prompt without the artist (Algorithm 1; our default)",
        'App. C, the figures and the code: the bare "a painting"',
    )
    return _contrast(model, asked, replace(asked, bare_target=True), names, store=store)


def worded_target(model: Model, asked: Request, *, store: Store) -> Row:
    """The target prompt without the artist, against Section 5.1.1's 'An <object> in the style of painting'."""
    told = tuple(
        replace(prompt, target=swapped(prompt.original, prompt.value, "painting"))
        for prompt in asked.prompts
    )
    names = (
        "target of a style, in words",
        "the prompt without the artist (Algorithm 1; our default)",
        'Section 5.1.1: "in the style of painting"',
    )
    return _contrast(model, asked, replace(asked, prompts=told), names, store=store)


def guidance(model: Model, asked: Request, *, store: Store) -> Row:
    """Eq. 1's c + alpha (c - u), against the code's u + s (c - u), with the same number in both places."""
    number = asked.settings.guidance
    paper = replace(asked, settings=replace(asked.settings, guidance=number + 1))
    names = (
        f"guidance of {number:g}",
        f"alpha = {number:g}, that is s = {number + 1:g} (Eq. 1)",
        f"the code: s = {number:g} (our default too)",
    )
    return _contrast(model, asked, paper, names, store=store, default_is_other=True)


def printed_order(model: Model, asked: Request, *, store: Store) -> Row:
    """App. D's list of layers to the letter: it prints layer 2's path twice for Stable Diffusion v1.5, so that "3" is 2."""
    layers, attribute = model.spec.layers, asked.attribute
    window, letter = (2, 3), (2,)
    table = locogen.measure(model, asked, [(), tuple(range(layers)), window, letter], store=store)
    paper, other = (
        locogen.effects(table, [altered], layers, attribute) for altered in (window, letter)
    )
    value = _share(paper, other, _prompts(asked))
    return row_of(
        "layer 3 of App. D",
        "the order of execution: layers 2-3 are two layers",
        "App. D as printed: 2 and 3 are one path, so that layers 2-3 are layer 2",
        [f"layers 2-3: share {found}" for found in (value.paper, value.other)],
        f"{value.difference} of the share",
        value,
    )


def sampler(model: Model, asked: Request, *, store: Store) -> Row:
    """The paper's DDIM, against the sampler saved with the weights, which the code takes: PNDM for Stable Diffusion v1."""
    window = _window_of(model, asked, store)
    paper = _at(model, asked, window, store)
    with sampling_as_published(model) as other:
        found = _at(other, asked, window, store)
    names = (
        "sampler",
        f"DDIM, {asked.settings.steps} steps",
        f"the code: the checkpoint's own, PNDM for Stable Diffusion v1, {asked.settings.steps} steps",
    )
    return _told(names, window, paper, found, _prompts(asked))


def by_eye(model: Model, asked: Request, *, store: Store) -> Row:
    """The best window of an average over prompts, against that of a single prompt and seed."""
    done = locogen.sweep(model, asked, model.spec.m[asked.attribute], store=store)
    switch = (
        "prompts behind an answer",
        f"an average over prompts (here {len(asked.prompts)})",
        "the code: one prompt, one seed, judged by eye",
    )
    if done.curve.share.isna().all():
        return row_of(*switch, ["altering all layers does nothing here"] * 2, "nothing to compare")
    own, first = (
        locogen.by_prompt(done).idxmax(axis=1),
        done.curve.start[int(done.curve.share.argmax())],
    )
    agree = scores.wilson(int((own == first).sum()), len(own))
    return row_of(
        *switch,
        (
            f"best window begins at layer {first}",
            f"begins at {', '.join(map(str, sorted(set(own))))}, by prompt",
        ),
        f"a single prompt names the same window in a share of {agree}",
    )


def _prompts(asked: Request) -> str:
    return f"{len(asked.prompts)} prompts"


LOCOGEN: tuple[Callable[..., Row], ...] = (
    window_size,
    bare_target,
    worded_target,
    guidance,
    sampler,
    printed_order,
    by_eye,
)


def not_here() -> pd.DataFrame:
    """Differences that no miniature can measure, and why."""
    rows = {
        "resolution of Stable Diffusion v2.1": (
            "not said",
            "the code: 512 pixels, where the weights were trained for 768",
            "a miniature has one resolution, that of its training; the published weights are needed",
        ),
        "weights": (
            "Stable Diffusion v1.5",
            "the code: v1.4",
            "both are published weights of one architecture; a miniature of each would differ by its seed alone",
        ),
        "thresholds of the window size": (
            "one is set, its value is not printed",
            "the code: none",
            "there is no second number to compare ours with",
        ),
        "text that bypasses the layers": (
            "not said",
            "the code: not said",
            "Stable Diffusion v1 has none; both choices are measured on the pages of SDXL and DeepFloyd",
        ),
    }
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["the paper", "the other reading", "why it is not measured"]
    ).rename_axis("switch")
