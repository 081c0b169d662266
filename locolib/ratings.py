"""The human study (Section 5.2 and App. J): pairs of images, the page on which people rate them, and what they send back.

A pair is a clean image (left) and the image of the same prompt and noise in which a window of layers received the target
prompt (right).  In a *placebo* pair the window is another one of the same size, drawn at random among those that share no
layer with it: if the attribute lies in the window, nothing should change.  The paper reports no placebo pairs.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import monotonic

import numpy as np
import pandas as pd

from . import UserError, locogen, scores
from .memory import Altered, Row
from .models import Model, find
from .prompts import FOLDER, read_csv
from .runs import Store, key, versions, write_atomic
from .sampling import Settings, generate, image_key
from .scrubber import data_uri

FOUR = ("mini-sd-v1-5", "mini-sd-v2-1", "mini-sdxl", "mini-openjourney")  # the paper's human study leaves DeepFloyd out
ATTRIBUTES = ("style", "fact", "object")  # in the order in which App. J reports them
TEMPLATE = Path(__file__).with_name("rating.html")
COLUMNS = ("pair", "rater", "rating", "question", "seconds")  # of the file that the page saves
SCALE = range(1, 6)
Sides = tuple[np.ndarray, np.ndarray]  # clean and altered image, [h, w, 3]
# App. J word for word: the question, and what the ends of the scale mean.
QUESTIONS = {
    "style": ("Has the artistic style ('{}') been decreased from original image (Left) compared to modified image (Right)?",
              "not removed (modified image still has the artistic style)", "maximally removed"),
    "object": ("Has the main object ('{}') been modified from original image (Left) compared to modified (Right)?",
               "not modified at all (object is still there)", "maximally modified (other object is there)"),
    "fact": ("Has the fact ('{}') been updated from original image (Left) compared to modified (Right)?",
             "not updated at all (previous person is still there)", "maximally updated (other person is there)"),
}
STAND_INS = ("In the world of these small models snoopy is a poodle and nemo a striped fish; the british monarch is a queen, "
             "and the president of the united states a younger man. Compare the two images only with each other.")


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
        return Row(prompt=self.original, seed=self.seed), Row(prompt=self.original, seed=self.seed, changes=(change,))


def read(path: Path | str | None = None) -> tuple[Item, ...]:
    """The prompts of App. J, one of them twice, as the paper lists it (so `prompts.read`, which refuses that, is not used).

    Raises:
        UserError: the file, and the first thing that is wrong with it.
    """
    table = read_csv(path := Path(path or FOLDER / "human_study.csv"), [field.name for field in fields(Item)])
    for row, line in zip(table.index + 2, table.to_dict("records")):
        wrong = [name for name, text in line.items() if not text.strip()]
        wrong += [name for name, good in (("number", line["number"].isdecimal()), ("attribute", line["attribute"] in QUESTIONS),
                                          ("asked", line["asked"] in line["original"])) if not good]
        if wrong:
            raise UserError(f"{path}, row {row}, column {wrong[0]!r}: {line[wrong[0]]!r} cannot stand there; mend it.")
    return tuple(Item(**line | {"number": int(line["number"])}) for line in table.to_dict("records"))


def plan(names: Sequence[str] = FOUR, *, windows: Mapping[tuple[str, str], tuple[int, int]] | None = None, seeds: int = 3,
         placebos: int = 3, items: Sequence[Item] | None = None) -> tuple[Pair, ...]:
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
        where = {a: _window(name, a, windows) for a in dict.fromkeys(item.attribute for item in items)}
        pairs += [_pair(name, item, place, where[item.attribute]) for item in items for place in range(seeds)]
        pairs += _placebos(name, items, where, seeds, placebos)
    return tuple(sorted(pairs, key=lambda pair: pair.placebo))  # stable: the placebos last


def _window(name: str, attribute: str, windows: Mapping[tuple[str, str], tuple[int, int]] | None) -> tuple[int, int]:
    if (known := find(name).paper.get(attribute) if windows is None else windows.get((name, attribute))) is None:
        raise UserError(f"No window of {name} is known for {attribute}; leave it out, or let LocoGen find the windows.")
    return known


def _pair(name: str, item: Item, place: int, window: tuple[int, int], *, placebo: bool = False) -> Pair:
    seed = locogen.SEED * (item.number - 1) + locogen.SEED + place
    known = {"model": name, "seed": seed, "start": window[0], "m": window[1], "placebo": placebo}
    known |= {column: getattr(item, column) for column in ("number", "original", "target", "attribute", "asked")}
    return Pair(pair=key({"pair": known})[:10], **known)


def _placebos(name: str, items: Sequence[Item], where: Mapping[str, tuple[int, int]], seeds: int, count: int) -> list[Pair]:
    rng = np.random.default_rng(int(key({"placebos": name})[:12], 16))
    made = []
    for i in range(count):
        attribute = list(where)[i % len(where)]
        start, m = where[attribute]
        starts = range(find(name).layers - m + 1)
        apart = scores.disjoint(starts, m, start)
        if not len(apart):
            raise UserError(f"No window of {m} layers of {name} is disjoint from {start}-{start + m - 1}; ask for no placebos.")
        item = rng.choice([item for item in items if item.attribute == attribute])
        made.append(_pair(name, item, seeds + i, (int(rng.choice(apart)), m), placebo=True))
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


def render(model: Model, pairs: Sequence[Pair], settings: Settings, *, store: Store) -> dict[str, Sides]:
    """The images [h, w, 3] of one model's pairs, clean and altered, by the pairs' names; kept in the store as a run."""
    mine = [pair for pair in pairs if pair.model == model.name]
    rows = [row for side in zip(*(pair.rows() for pair in mine)) for row in side]  # all clean ones first
    keys, started = [image_key(model, row, settings) for row in rows], monotonic()
    name = f"{model.name}-human_study-{key({'images': keys})[:12]}"
    images = generate(model, rows, settings, store=store, label=f"{model.name} human study")
    if store.run(name) is None:
        facts = {"model": model.name, "weights": model.fingerprint, "prompts": len({pair.number for pair in mine}),
                 "seeds": sorted({pair.seed for pair in mine}), "steps": settings.steps, "guidance": settings.guidance,
                 "device": str(model.device), "minutes": round((monotonic() - started) / 60, 2), **versions()}
        store.put_run(name, table(mine), facts, keys)
    return {pair.pair: (images[i], images[i + len(mine)]) for i, pair in enumerate(mine)}


def table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """A plan as a tidy table, a row for each pair: the key that tells which pair is what."""
    return pd.DataFrame([asdict(pair) for pair in pairs], columns=[field.name for field in fields(Pair)])


def write_page(pairs: Sequence[Pair], images: Mapping[str, Sides], path: Path, *, known: Path | None = None,
               note: str = STAND_INS) -> Path:
    """One HTML file with everything in it, and the plan of its pairs, which raters must not see.

    Args:
        images: clean and altered image [h, w, 3] of each pair, as `render` returns them.
        known: where the plan goes; default beside the page, as ``NAME.plan.csv``.
        note: what raters should know of the images.
    """
    shown = [dict(zip(("id", "question", "low", "high", "left", "right"),
                      (pair.pair, pair.question, *QUESTIONS[pair.attribute][1:], *map(data_uri, images[pair.pair]))))
             for pair in sorted(pairs, key=lambda pair: pair.pair)]
    name = key({"plan": [pair["id"] for pair in shown]})[:10]  # a browser keeps progress under it: two plans do not mix
    study = json.dumps({"study": name, "note": note, "pairs": shown}).replace("<", "\\u003c")  # nothing ends the script element
    write_atomic(path, TEMPLATE.read_text(encoding="utf-8").replace("{{study}}", study).encode())
    write_atomic(known or path.with_suffix(".plan.csv"), table(pairs).to_csv(index=False).encode())
    return path


def site(store: Store) -> tuple[Path, Path]:
    """Where the page goes so that the book finds it, and its plan, which stays out of the book."""
    book = Path(os.environ.get("LOCOLIB_BOOK", store.root.parent / "book"))
    return book / "_static" / "rating.html", book.parent / "rating.plan.csv"


def read_plan(path: Path | str) -> tuple[Pair, ...]:
    """The pairs of a ``.plan.csv`` that `write_page` left."""
    known = read_csv(Path(path), [field.name for field in fields(Pair)])
    try:
        known = known.astype(dict.fromkeys(("number", "seed", "start", "m"), int)).assign(placebo=known.placebo == "True")
    except ValueError as error:
        raise UserError(f"{path} is not a plan that `locolib rate page` wrote ({error}).") from None
    return tuple(Pair(**row) for row in known.to_dict("records"))


def problems(path: Path | str, pairs: Sequence[Pair], *, rater: str | None = None) -> list[str]:
    """All that is wrong with a file of ratings, a sentence each, with its row (the header is row 1); empty: nothing.

    Args:
        rater: who should have written it; default: whoever the first row names.
    """
    found = read_csv(Path(path), COLUMNS)
    known = {pair.pair: pair for pair in pairs}
    named = found.rater.iloc[0] if len(found) and rater is None else rater
    said, seen = [], {}
    for row, line in zip(found.index + 2, found.itertuples(index=False)):
        where = f"{path}, row {row}"
        if line.pair not in known:
            said.append(f"{where}: there is no pair {line.pair!r} in this plan; name the plan of the rating page.")
        elif line.pair in seen:
            said.append(f"{where}: pair {line.pair!r} was rated before, in row {seen[line.pair]}; keep one of the two.")
        if line.rating.strip() not in map(str, SCALE):
            said.append(f"{where}: the rating must be a whole number from 1 to 5, not {line.rating!r}.")
        if not line.rater.strip() or line.rater != named:
            said.append(f"{where}: the rater is {line.rater!r}, not {named!r}; a file is of one rater, with a name.")
        seen.setdefault(line.pair, row)
    end = f"{path} ends at row {found.index.max() + 2 if len(found) else 1} without pair"
    return said + [f"{end} {name!r}; open the page again and rate it." for name in known if name not in seen]


def listed(wrong: Sequence[str], most: int = 20) -> list[str]:
    """The first `most` problems of each kind (they differ in numbers and names only), then how many more there are."""
    kinds: dict[str, list[str]] = {}
    for problem in wrong:
        kinds.setdefault(re.sub(r"\d+|'[^']*'", "", problem), []).append(problem)
    return [line for kind in kinds.values() for line in (*kind[:most], *([f"... and {len(kind) - most:,} more like this"] if len(kind) > most else []))]


def check(path: Path | str, pairs: Sequence[Pair], *, rater: str | None = None) -> pd.DataFrame:
    """The ratings of a file: pair, rater, rating (1 to 5), question, seconds, simulated (False).

    Raises:
        UserError: the first of its `problems`.
    """
    if wrong := problems(path, pairs, rater=rater):
        raise UserError(wrong[0])
    found = read_csv(Path(path), COLUMNS)
    return found.assign(rating=found.rating.astype(int), seconds=pd.to_numeric(found.seconds.str.replace(",", "."), errors="coerce"), simulated=False)


def collect(folder: Path | str, pairs: Sequence[Pair]) -> pd.DataFrame | None:
    """The checked ratings of all CSV files of a folder; None where it has none.  One rater may have one file."""
    tables: dict[str, pd.DataFrame] = {}
    for path in sorted(Path(folder).glob("*.csv")):
        ratings = check(path, pairs)
        if (rater := ratings.rater.iloc[0]) in tables:
            raise UserError(f"{path} is a second file of the rater {rater!r}; keep one of the two.")
        tables[rater] = ratings
    return pd.concat(tables.values(), ignore_index=True) if tables else None
