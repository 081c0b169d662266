"""The pairs of images that people rate (Section 5.2 and App. J): the paper's prompts and questions, and the plan of what is shown.

A pair is a clean image (left) and the image of the same prompt and noise in which a window of layers received the target
prompt (right).  In a *placebo* pair the window is another one of the same size, drawn at random among those that share no
layer with it: if the attribute lies in the window, nothing should change.  The paper reports no placebo pairs.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ... import UserError, scores
from ...drawing.memory import Altered, Row
from ...models import find
from ...prompts import FOLDER, read_csv
from ...store import key
from .. import locogen

FOUR = (
    "mini-sd-v1-5",
    "mini-sd-v2-1",
    "mini-sdxl",
    "mini-openjourney",
)  # the paper's human study leaves DeepFloyd out
ATTRIBUTES = ("style", "fact", "object")  # in the order in which App. J reports them
SCALE = range(1, 6)
Sides = tuple[np.ndarray, np.ndarray]  # clean and altered image, [h, w, 3]
# App. J word for word: the question, and what the ends of the scale mean.
QUESTIONS = {
    "style": (
        "Has the artistic style ('{}') been decreased from original image (Left) compared to modified image (Right)?",
        "not removed (modified image still has the artistic style)",
        "maximally removed",
    ),
    "object": (
        "Has the main object ('{}') been modified from original image (Left) compared to modified (Right)?",
        "not modified at all (object is still there)",
        "maximally modified (other object is there)",
    ),
    "fact": (
        "Has the fact ('{}') been updated from original image (Left) compared to modified (Right)?",
        "not updated at all (previous person is still there)",
        "maximally updated (other person is there)",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """One of the 11 prompts of App. J.

    Attributes:
        number: its place in the list, from 1.
        original, target: T_i, and T'_i, which the altered layers receive.
        attribute: style, object or fact.
        asked: the name that the question puts in: the artist, the object, the fact.
        source: where the paper prints it.
    """

    number: int
    original: str
    target: str
    attribute: str
    asked: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One pair of images.

    Attributes:
        pair: its name, which tells a rater nothing.
        model, number, original, target, attribute, asked: of what (see `Item`).
        seed: of the noise of both images.
        start, m: the window that receives the target prompt.
        placebo: whether that is a window in which nothing should happen.
    """

    pair: str
    model: str
    number: int
    original: str
    target: str
    attribute: str
    asked: str
    seed: int
    start: int
    m: int
    placebo: bool

    @property
    def question(self) -> str:
        """The paper's question, with the name put in."""
        return QUESTIONS[self.attribute][0].format(self.asked)

    def rows(self) -> tuple[Row, Row]:
        """The clean row and the altered one."""
        change = Altered(layers=tuple(range(self.start, self.start + self.m)), prompt=self.target)
        return Row(prompt=self.original, seed=self.seed), Row(
            prompt=self.original, seed=self.seed, changes=(change,)
        )


def read(path: Path | str | None = None) -> tuple[Item, ...]:
    """The prompts of App. J, one of them twice, as the paper lists it (so `prompts.read`, which refuses that, is not used).

    Raises:
        UserError: the file, and the first thing that is wrong with it.
    """
    table = read_csv(
        path := Path(path or FOLDER / "human_study.csv"), [field.name for field in fields(Item)]
    )
    for row, line in zip(table.index + 2, table.to_dict("records")):
        wrong = [name for name, text in line.items() if not text.strip()]
        wrong += [
            name
            for name, good in (
                ("number", line["number"].isdecimal()),
                ("attribute", line["attribute"] in QUESTIONS),
                ("asked", line["asked"] in line["original"]),
            )
            if not good
        ]
        if wrong:
            raise UserError(
                f"{path}, row {row}, column {wrong[0]!r}: {line[wrong[0]]!r} cannot stand there; mend it."
            )
    return tuple(
        Item(**line | {"number": int(line["number"])}) for line in table.to_dict("records")
    )


def plan(
    names: Sequence[str] = FOUR,
    *,
    windows: Mapping[tuple[str, str], tuple[int, int]] | None = None,
    seeds: int = 3,
    placebos: int = 3,
    items: Sequence[Item] | None = None,
) -> tuple[Pair, ...]:
    """All pairs: every prompt with `seeds` images of each model (the paper's: 11 x 3 x 4 = 132), then `placebos` of each model.

    A prompt's seeds are its own, as in a sweep; that which is listed twice has other noise the second time.  Placebos take
    attributes in turn, and noise of their own, so that no image is seen twice.

    Args:
        windows: (model, attribute) -> (start, m); default the paper's.

    Raises:
        UserError: no window is known, or no window of that size is disjoint from it.
    """
    items = tuple(items or read())
    locogen.seeds(seeds), locogen.seeds(seeds + placebos)  # refuse what is out of range
    pairs = []
    for name in dict.fromkeys(names):
        where = {
            a: _window(name, a, windows) for a in dict.fromkeys(item.attribute for item in items)
        }
        pairs += [
            _pair(name, item, place, where[item.attribute])
            for item in items
            for place in range(seeds)
        ]
        pairs += _placebos(name, items, where, seeds, placebos)
    return tuple(sorted(pairs, key=lambda pair: pair.placebo))  # stable: the placebos last


def _window(
    name: str, attribute: str, windows: Mapping[tuple[str, str], tuple[int, int]] | None
) -> tuple[int, int]:
    if (
        known := find(name).paper.get(attribute)
        if windows is None
        else windows.get((name, attribute))
    ) is None:
        raise UserError(
            f"No window of {name} is known for {attribute}; leave it out, or let LocoGen find the windows."
        )
    return known


def _pair(
    name: str, item: Item, place: int, window: tuple[int, int], *, placebo: bool = False
) -> Pair:
    seed = locogen.SEED * (item.number - 1) + locogen.SEED + place
    known: dict[str, Any] = {
        "model": name,
        "seed": seed,
        "start": window[0],
        "m": window[1],
        "placebo": placebo,
    }
    known |= {
        column: getattr(item, column)
        for column in ("number", "original", "target", "attribute", "asked")
    }
    name = key({"pair": known})[:10]
    if re.fullmatch(
        r"0\d+|\d+e\d+", name
    ):  # spreadsheets take 12e4567890 for a number, and write 0012345678 without its zeros
        name = f"p{name[1:]}"
    return Pair(pair=name, **known)


def _placebos(
    name: str, items: Sequence[Item], where: Mapping[str, tuple[int, int]], seeds: int, count: int
) -> list[Pair]:
    rng = np.random.default_rng(int(key({"placebos": name})[:12], 16))
    made = []
    for i in range(count):
        attribute = list(where)[i % len(where)]
        start, m = where[attribute]
        starts = range(find(name).layers - m + 1)
        apart = scores.disjoint(starts, m, start)
        if not len(apart):
            raise UserError(
                f"No window of {m} layers of {name} is disjoint from {start}-{start + m - 1}; ask for no placebos."
            )
        own = [item for item in items if item.attribute == attribute]
        made.append(
            _pair(
                name,
                own[int(rng.choice(len(own)))],
                seeds + i,
                (int(rng.choice(apart)), m),
                placebo=True,
            )
        )
    return made


def order(pairs: Sequence[Pair], rater: str) -> list[str]:
    """The order in which a rater sees the pairs: shuffled by a generator whose seed is the name (as `rating.html` does it).

    FNV-1a makes the seed, mulberry32 the numbers, Fisher and Yates the shuffle: ten lines in either language.
    """
    state = 0x811C9DC5
    for byte in " ".join(rater.split()).lower().encode():
        state = (state ^ byte) * 0x01000193 & 0xFFFFFFFF
    names = sorted(pair.pair for pair in pairs)
    for last in range(len(names) - 1, 0, -1):
        state = state + 0x6D2B79F5 & 0xFFFFFFFF
        mixed = (state ^ state >> 15) * (state | 1) & 0xFFFFFFFF
        mixed ^= mixed + ((mixed ^ mixed >> 7) * (mixed | 61) & 0xFFFFFFFF) & 0xFFFFFFFF
        other = ((mixed ^ mixed >> 14) * (last + 1)) >> 32
        names[last], names[other] = names[other], names[last]
    return names


def table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """A plan as a tidy table, a row for each pair: the key that tells which pair is what."""
    return pd.DataFrame(
        [asdict(pair) for pair in pairs], columns=[field.name for field in fields(Pair)]
    )
