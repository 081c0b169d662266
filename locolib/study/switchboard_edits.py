"""The switchboard of LocoEdit and of neurons: both readings of each choice, with paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import scores
from ..drawing.text import Tokens
from ..experiments import neurons
from ..experiments.editing import Trial, locoedit
from ..models import Model
from ..prompts import FOLDER, Prompt, Wording, read_styled, reworded
from ..scores import Interval
from ..store import Store
from .switchboard import Row, Value, row_of

PAPER = 'the subject, to that of "in the style of a painting" (Section 6.1)'
OTHERS: dict[str, tuple[str, Tokens, Wording]] = {
    "target of LocoEdit, the code": (
        'the code: the last token, to that of the bare "a painting"',
        "last",
        "bare",
    ),
    "target of LocoEdit, Section 5.1.1": (
        'Section 5.1.1: the subject, to that of "in the style of painting"',
        "subject",
        "5.1.1",
    ),
    "target of LocoEdit, ours": (
        "ours: the subject, to the last word of the prompt without the artist",
        "subject",
        "plain",
    ),
}


class Reading(NamedTuple):
    """What one edit does: its row of `Trial.row`."""

    row: Mapping[str, Any]

    @property
    def effect(self) -> np.ndarray:
        """Effects in points [units]."""
        return np.array(self.row["effects"])

    @property
    def hit(self) -> np.ndarray:
        """Share of each unit's images in which the target is picked [units]."""
        return np.array(self.row["hits"])

    @property
    def strata(self) -> tuple[str, ...] | None:
        """Where units are images, their prompts."""
        found: tuple[str, ...] | None = self.row["strata"]
        return found

    @property
    def words(self) -> str:
        """Share, target picked, size."""
        share, target = scores.interval(self.row), scores.interval(self.row, "target")
        return f"share {share}; target picked {target}; size {self.row['size']:.2f}"


def edited(one: Trial, tokens: Tokens, wording: Wording | None = None) -> Reading:
    """LocoEdit by some tokens, told in the prompts' wording (the paper's) or in another."""
    told = reworded(one.train, wording) if wording else one.train
    change = locoedit(one.model, told, one.window, tokens=tokens)
    return Reading(one.row("", one.measured(change), change))


def _apart(one: Trial, names: tuple[str, str, str], paper: Reading, other: Reading) -> Row:
    """The row of two edits of the same trial."""
    full = Reading(one.row("", one.measured(altered=one.window)))
    moved = (
        scores.ratio(other.effect - paper.effect, full.effect, full.strata)
        if full.effect.mean() > 0
        else scores.NOTHING
    )
    picked = _difference(other.hit - paper.hit, paper.strata)
    return row_of(
        *names,
        [paper.words, other.words],
        f"{moved} of the share, {picked} of the images show the target",
        _value("share of the effect", "share", paper, other, moved),
        _value("images in which the target is picked", "target", paper, other, picked),
    )


def _difference(hits: np.ndarray, strata: tuple[str, ...] | None) -> Interval:
    """Mean of paired differences of hits [units]; where all are the same, their spread is not 0 but unknown: Wilson's for none of n."""
    found = scores.mean(hits, strata)
    if np.isnan(found.low) or np.ptp(hits):
        return found
    half = scores.wilson(0, len(hits)).high
    return Interval(value=found.value, low=found.value - half, high=found.value + half)


def _value(what: str, column: str, paper: Reading, other: Reading, difference: Interval) -> Value:
    """A column of the rows of two readings, both shares."""
    one, two = (scores.interval(found.row, column) for found in (paper, other))
    return Value(what, "share", one, two, difference, f"{paper.row['images']} images")


def targets_of_edit(one: Trial) -> list[Row]:
    """LocoEdit's target and pair of tokens: the paper's against the code's, against Section 5.1.1's wording and against ours."""
    paper = edited(one, "subject")
    return [
        _apart(one, (switch, PAPER, says), paper, edited(one, tokens, wording))
        for switch, (says, tokens, wording) in OTHERS.items()
    ]


def behind(prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """Prompts of a style with words behind the artist (K.1's kind): "in the style of monet, a view of a house"; others are left out."""
    found = []
    for prompt in prompts:
        thing = prompt.original.removesuffix(f" in the style of {prompt.value}")
        if thing == prompt.original or "painting" in thing:
            continue
        original = f"in the style of {prompt.value}, a view of {thing}"
        found.append(
            replace(
                prompt,
                original=original,
                scored=original,
                target=f"a painting, a view of {thing}",
                edit_target=f"in the style of a painting, a view of {thing}",
                target_subject="painting",
            )
        )
    return tuple(found)


def keys_of_edit(one: Trial) -> Row:
    """LocoEdit's keys: the subject's last token, against the prompt's last token, where words stand behind the subject."""
    held = replace(one.held, prompts=behind(one.held.prompts))
    one = replace(one, train=behind(one.train), held=held)
    return _apart(
        one,
        (
            "keys of LocoEdit",
            f'the subject\'s last token, in "{held.prompts[0].original}"',
            "the code: the prompt's last token",
        ),
        edited(one, "subject"),
        edited(one, "last"),
    )


HELD_OUT = "the paper's, held-out prompts"


def neuron_reading(
    found: tuple[pd.DataFrame, str], name: str, paper: str, other: str, reading: str
) -> Row:
    """One reading of Section 7 against the default: shares of what altering the layers removes, of `neuron_table`."""
    table, counted = found
    default, dropped = (f"{one}: {neurons.HALF}" for one in (HELD_OUT, reading))
    one, two = (neurons.removed(table, condition) for condition in (default, dropped))
    difference = neurons.removed(table, dropped, but=default)
    return row_of(
        name,
        paper,
        other,
        [f"share {share}" for share in (one, two)],
        f"{difference} of the share",
        Value("", "share", one, two, difference, counted),
    )


NEURONS = (
    (
        "where neurons are read",
        "the subject's last token",
        "the code: position 76, padding",
        "end position",
    ),
    (
        "what neurons are set to",
        "zero (drop-out)",
        "the code: their mean over neutral prompts",
        "neutral mean",
    ),
    (
        "prompts that choose the neurons",
        "held out (ours; the paper's own overlap)",
        "the paper and the code: the test prompts among them",
        "the paper's",
    ),
    (
        "all of the code's choices at once",
        "the paper's, held out",
        "the code: end position, neutral mean, overlap, population deviation",
        "the code's",
    ),
)


def neuron_table(
    model: Model, one: Trial, artist: str, *, store: Store
) -> tuple[pd.DataFrame, str]:
    """Images with half of the neurons dropped by each reading of Section 7 (a table of `neurons.measure`), and of how many each.

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
    known = neurons.Activations(model, one.window)
    half = {
        name: made
        for name, made in neurons.readings(known, request).items()
        if name.endswith(f": {neurons.HALF}")
    }
    table = neurons.measure(model, request, half, store=store)
    return table, f"{len(tests) * len(request.seeds)} images"
