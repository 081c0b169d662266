"""Where the paper and its released code mean different things: both readings run, and what the difference does.

Each function measures one switch on one model and returns a row: what the paper says, what the code does, both results in words and,
where they are numbers, with their intervals ("values").
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from .. import scores
from ..experiments import locogen, neurons
from ..experiments.editing import Trial, locoedit
from ..experiments.locogen import Request, label
from ..models import Model
from ..prompts import FOLDER, read_styled, reworded
from ..scores import Interval
from ..store import Store

Row = dict[str, Any]
DIFFERENCE = "the difference (code minus paper)"
READINGS = ("the paper (our default)", "the released code")


def _row(
    switch: str, paper: str, code: str, results: Iterable[str], difference: str, *values: "Value"
) -> Row:
    with_paper, with_code = results
    return {
        "switch": switch,
        READINGS[0]: paper,
        READINGS[1]: code,
        "result as in the paper": with_paper,
        "result as in the code": with_code,
        DIFFERENCE: difference,
        "values": values,
    }


class Value(NamedTuple):
    """One result in numbers: what it is (empty: the switch's own), in which unit, by both readings, of how many."""

    what: str
    unit: str
    paper: Interval
    code: Interval
    counted: str


def window_size(model: Model, asked: Request, *, store: Store) -> Row:
    """Windows of exactly m layers, against the code's: three layers from index 0 to 13, one from 14 on (for 16 layers)."""
    m, layers = model.spec.m[asked.attribute], model.spec.layers
    done = locogen.sweep(model, asked, m, store=store)
    sets = [tuple(range(i, i + 3)) if i < layers - 2 else (i,) for i in range(layers)]
    table = locogen.measure(model, asked, [(), tuple(range(layers)), *sets], store=store)
    found = locogen.effects(table, sets, layers, asked.attribute)
    best, own = (int(effects.windows.mean(0).argmax()) for effects in (found, done.effects))
    windows, shares = (
        (done.curve.layers[own], label(sets[best])),
        (scores.share(done.effects, own), scores.share(found, best)),
    )
    difference = scores.ratio(
        found.windows[:, best] - done.effects.windows[:, own], found.full, found.strata
    )
    return _row(
        "layers in a window",
        f"exactly m = {m}",
        "3 layers from 0 to 13, 1 layer at 14 and 15",
        (
            f"best window {where}, share {share}"
            for where, share in ((windows[0], shares[0]), (windows[1], shares[1]))
        ),
        f"best window {' and '.join(windows)}, share {difference}",
        Value("", "share", shares[0], shares[1], _prompts(asked)),
    )


def bare_target(model: Model, asked: Request, *, store: Store) -> Row:
    """The target prompt without the artist alone, against App. C's bare "a painting"."""
    m = model.spec.m["style"]
    ours, bare = (
        locogen.sweep(model, replace(asked, bare_target=bare), m, store=store)
        for bare in (False, True)
    )
    full = [scores.mean(d.effects.full) for d in (ours, bare)]
    says = [
        f"{d.verdict.verdict}, {locogen.window_label(d.verdict.start, m)}" for d in (ours, bare)
    ]
    difference = scores.mean(bare.effects.full - ours.effects.full)
    return _row(
        "target of a style",
        "the prompt without the artist (Algorithm 1)",
        'the bare "a painting" (App. C, figures)',
        (f"{said}; all layers {points} points" for said, points in zip(says, full)),
        f"{' and '.join(says)}; altering all layers moves the score by {difference} points more (it may remove the object too)",
        Value("", "points", full[0], full[1], _prompts(asked)),
    )


def guidance(model: Model, asked: Request, *, store: Store) -> Row:
    """Eq. 1's c + alpha (c - u), against the code's u + s (c - u), with the same number in both places."""
    every, number = [(), tuple(range(model.spec.layers))], asked.settings.guidance
    told = replace(asked, settings=replace(asked.settings, guidance=number + 1))
    paper, code = (
        locogen.effects(
            locogen.measure(model, request, every, store=store),
            every[1:],
            model.spec.layers,
            asked.attribute,
        ).full
        for request in (told, asked)
    )
    return _row(
        f"guidance of {number:g}",
        f"alpha = {number:g}, that is s = {number + 1:g} (Eq. 1)",
        f"s = {number:g} (our default too)",
        (f"all layers {scores.mean(effects)} points" for effects in (paper, code)),
        f"{scores.mean(code - paper)} points",
        Value("", "points", scores.mean(paper), scores.mean(code), _prompts(asked)),
    )


def by_eye(model: Model, asked: Request, *, store: Store) -> Row:
    """The best window of an average over prompts, against that of a single prompt and seed."""
    done = locogen.sweep(model, asked, model.spec.m[asked.attribute], store=store)
    switch = (
        "prompts behind an answer",
        f"an average over prompts (here {len(asked.prompts)})",
        "one prompt, one seed, judged by eye",
    )
    if done.curve.share.isna().all():
        return _row(*switch, ["altering all layers does nothing here"] * 2, "nothing to compare")
    own, first = (
        locogen.by_prompt(done).idxmax(axis=1),
        done.curve.start[int(done.curve.share.argmax())],
    )
    agree = scores.wilson(int((own == first).sum()), len(own))
    return _row(
        *switch,
        (
            f"best window begins at layer {first}",
            f"begins at {', '.join(map(str, sorted(set(own))))}, by prompt",
        ),
        f"a single prompt names the same window in a share of {agree}",
    )


def keys_of_edit(one: Trial) -> Row:
    """LocoEdit's keys: the subject's last token, against the prompt's last token."""
    paper, code = (
        one.row("", one.measured(one.locoedit(tokens))) for tokens in ("subject", "last")
    )
    same = paper["image"] == code["image"] or paper["share"] == code["share"]
    shares = [scores.interval(r) for r in (paper, code)]
    return _row(
        "keys of LocoEdit",
        "the subject's last token",
        "the prompt's last token",
        (f"share {s}" for s in shares),
        "none: in these prompts the subject stands last"
        if same
        else f"{code['share'] - paper['share']:+.2f} of the share",
        _value("", "share", paper, code),
    )


def target_of_edit(one: Trial) -> Row:
    """LocoEdit's target: "in the style of a painting" by the subject's token, against the bare "a painting" by the last."""
    bare = reworded(one.train, "bare")
    paper = one.row("", one.measured(one.locoedit("subject")))
    code = one.row("", one.measured(locoedit(one.model, bare, one.window, tokens="last")))
    says = [
        f"share {scores.interval(r)}; target picked {scores.interval(r, 'target')}"
        for r in (paper, code)
    ]
    return _row(
        "target of LocoEdit",
        'the subject, to that of "in the style of a painting" (Section 6.1)',
        'the last token, to that of the bare "a painting"',
        says,
        f"{code['target'] - paper['target']:+.2f} of the images show the target",
        _value("share of the effect", "share", paper, code),
        _value("images in which the target is picked", "target", paper, code),
    )


def _value(what: str, column: str, paper: Mapping[str, Any], code: Mapping[str, Any]) -> Value:
    """A column of two rows of `Trial.row`, both shares."""
    return Value(
        what,
        "share",
        scores.interval(paper, column),
        scores.interval(code, column),
        f"{paper['images']} images",
    )


def _prompts(asked: Request) -> str:
    return f"{len(asked.prompts)} prompts"


def neuron_reading(
    found: tuple[dict[str, Interval], str], name: str, paper: str, code: str, reading: str
) -> Row:
    """One reading of Section 7 against the default: shares of what altering the layers removes, of `neuron_shares`."""
    shares, counted = found
    default, other = shares["the paper's, held-out prompts"], shares[reading]
    return _row(
        name,
        paper,
        code,
        (f"share {default}", f"share {other}"),
        f"{other.value - default.value:+.2f} of the share",
        Value("", "share", default, other, counted),
    )


LOCOGEN: tuple[Callable[..., Row], ...] = (window_size, bare_target, guidance, by_eye)
NEURONS = (
    ("where neurons are read", "the subject's last token", "position 76, padding", "end position"),
    (
        "what neurons are set to",
        "zero (drop-out)",
        "their mean over neutral prompts",
        "neutral mean",
    ),
    (
        "prompts that choose the neurons",
        "held out (ours; the paper's own overlap)",
        "the test prompts among them",
        "the paper's",
    ),
    (
        "all of the code's choices at once",
        "the paper's, held out",
        "end position, neutral mean, overlap, population deviation",
        "the code's",
    ),
)


def neuron_shares(
    model: Model, one: Trial, artist: str, *, store: Store
) -> tuple[dict[str, Interval], str]:
    """Each reading of Section 7: how much of the style half of the neurons remove, as a share of altering the layers; and of how many images.

    (100 in 1280 may do too little in a miniature to tell readings apart.)
    """
    styled = read_styled() if model.spec.bundled else read_styled(FOLDER / "neuron_paper.csv")
    tests = tuple(prompt for prompt in styled if prompt.artist == artist)[:8]
    request = neurons.Request(
        artist=artist,
        prompts=styled,
        tests=tests,
        layers=one.window,
        seeds=one.held.seeds[:1],
        settings=one.held.settings,
    )
    table = neurons.measure(
        model,
        request,
        neurons.readings(neurons.Activations(model, one.window), request),
        store=store,
    )
    shares = {
        reading: neurons.removed(table, f"{reading}: {neurons.HALF}")
        for reading in neurons.READINGS
    }
    return shares, f"{len(tests) * len(request.seeds)} images"
