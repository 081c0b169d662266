"""What an edit does, measured before it is written: is the value gone, are other values kept, are plain pictures unmoved?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...drawing.memory import Row
from ...drawing.sampling import Settings, generate
from ...models import Model, Scorer, load_scorer
from ...prompts import Prompt, about, choose, generic_halves, generic_of, others
from ...scores import NOTHING, Interval, mean, wilson
from ...store import Store
from ..locogen import SEED, candidates
from .edits import Edit, applied

# What an edit must do to be written without --force: the value gone from, and others kept in, so many of the pictures that
# showed them; and plain pictures moved by no more levels of 255 on average.
GONE, KEPT, MOVED = 0.9, 0.9, 3.0
MOST = 24  # pictures for each of the three questions


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Three numbers of an edit, each on its own pictures, with 95% intervals.

    Attributes:
        value, scorer: of what, and who looked.
        found: what was found of each picture [pictures]: ``gone``, of those that showed the value, whether they no longer do;
            ``kept``, of those that showed another value, whether they still do; ``moved``, of those told neither, the mean
            absolute change of a pixel's channel, of 255 levels.
        pairs: pictures before and after, (prompt, before, after), for each of the three.
    """

    value: str
    scorer: str
    found: Mapping[str, np.ndarray] = field(repr=False)
    pairs: Mapping[str, Sequence[tuple[str, np.ndarray, np.ndarray]]] = field(repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """Pictures behind each of the three."""
        return {name: len(some) for name, some in self.found.items()}

    @property
    def gone(self) -> Interval:
        """Share of the pictures that showed the value, told the prompts that made the edit, which no longer do."""
        return _rate(self.found["gone"])

    @property
    def kept(self) -> Interval:
        """Share of the pictures that showed another value which still do."""
        return _rate(self.found["kept"])

    @property
    def moved(self) -> Interval:
        """Levels by which pictures move that are told neither."""
        return mean(self.found["moved"]) if len(self.found["moved"]) else NOTHING

    def problems(self) -> list[str]:
        """What the edit does not do, a clause each; empty: it does what was asked."""
        said = []
        if not self.counts["gone"]:
            said.append(
                f"the model as it is never shows {self.value}, so nothing can be said to be gone"
            )
        elif self.gone.value < GONE:
            said.append(
                f"{self.value} is gone from {self.gone} of the pictures, where {GONE} are needed"
            )
        if self.counts["kept"] and self.kept.value < KEPT:
            said.append(
                f"other values are kept in {self.kept} of the pictures, where {KEPT} are needed"
            )
        if self.counts["moved"] and self.moved.value > MOVED:
            said.append(
                f"pictures that do not name it move by {self.moved} of 255 levels, where {MOVED:g} are allowed"
            )
        return said

    def lines(self) -> list[str]:
        """The three numbers, a line each."""
        none = "nothing to ask"
        return [
            f"{self.value} gone: {self.gone if self.counts['gone'] else none} of {self.counts['gone']} pictures that showed it (training prompts)",
            f"other values kept: {self.kept if self.counts['kept'] else none} of {self.counts['kept']} pictures that showed them",
            f"prompts that do not name it: moved by {self.moved if self.counts['moved'] else none} of 255 levels (n = {self.counts['moved']} pictures)",
        ]

    def facts(self) -> dict[str, Any]:
        """The same for a file's metadata."""
        parts = {
            name: [round(x, 4) for x in (part.value, part.low, part.high)]
            if self.counts[name]
            else None
            for name, part in (("gone", self.gone), ("kept", self.kept), ("moved", self.moved))
        }
        return {"value": self.value, "scorer": self.scorer, "pictures": dict(self.counts)} | parts


def _rate(hits: np.ndarray) -> Interval:
    return wilson(int(hits.sum()), len(hits)) if len(hits) else NOTHING


def shows(
    scorer: Scorer, images: np.ndarray, prompts: Sequence[Prompt], known: Sequence[Prompt]
) -> np.ndarray:
    """Whether the scorer sees each prompt's own value in its image [n, h, w, 3], rather than the target's or another one: bool [n]."""
    if not len(prompts):
        return np.zeros(0, bool)
    found = []
    for prompt, seen in zip(prompts, scorer.images(images)):
        texts = candidates(prompt, known)
        found.append(texts[int((scorer.texts(texts) @ seen).argmax())] == prompt.original)
    return np.array(found)


def judge(
    model: Model,
    known: Sequence[Prompt],
    value: str,
    change: Edit,
    settings: Settings,
    *,
    store: Store,
    most: int = MOST,
) -> Judgement:
    """Look at pictures of a model before and after an edit of `value`.

    Args:
        known: all prompts of the attribute; those about `value` made the edit.
        most: pictures for each question.
    """
    scorer = load_scorer(model.spec.scorer)
    told = choose(about(known, value), most)
    rest = choose([prompt for prompts in others(known, value).values() for prompt in prompts], most)
    plain = choose(generic_halves([value], generic_of(model.spec.bundled))[1], most)

    def both(texts: Sequence[str], label: str) -> tuple[np.ndarray, np.ndarray]:
        if not texts:
            return np.zeros((0, 1, 1, 3), np.uint8), np.zeros((0, 1, 1, 3), np.uint8)
        rows = [Row(prompt=text, seed=SEED * (i + 1)) for i, text in enumerate(texts)]
        before = generate(model, rows, settings, store=store, label=f"{label}, as it is")
        with applied(model, change) as edited:
            return before, generate(edited, rows, settings, store=store, label=f"{label}, edited")

    pictures = {
        "gone": both([p.original for p in told], f"told {value}"),
        "kept": both([p.original for p in rest], "told other values"),
        "moved": both(plain, "told neither"),
    }
    (had, has), (knew, knows) = (
        [shows(scorer, images, prompts, known) for images in pictures[name]]
        for name, prompts in (("gone", told), ("kept", rest))
    )
    levels = np.abs(pictures["moved"][0].astype(float) - pictures["moved"][1]).mean((1, 2, 3))
    return Judgement(
        value=value,
        scorer=scorer.name,
        found={"gone": ~has[had], "kept": knows[knew], "moved": levels},
        pairs={
            name: list(zip(texts, *pictures[name]))
            for name, texts in (
                ("gone", [p.original for p in told]),
                ("kept", [p.original for p in rest]),
                ("moved", list(plain)),
            )
        },
    )
