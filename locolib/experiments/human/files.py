"""What raters send back (Section 5.2, App. J): files of ratings and plans, read and checked.

What the pairs are is in `pairs`, what ratings say in `report`.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import pandas as pd

from ... import Notice, UserError
from ...models import MODELS
from ...prompts import FOLDER, read_csv
from .pairs import QUESTIONS, Pair

RATING = re.compile(r"[1-5]([.,]0*)?")  # 4.0 is 4, as tables write it that once had a gap
OTHERS = (".xlsx", ".xls", ".ods", ".numbers", ".tsv", ".txt")
COLUMNS = ("pair", "rater", "rating", "question", "seconds")  # of the file that the page saves
SENT = (
    FOLDER.parents[1] / "data" / "ratings"
)  # where raters' files are put; there is no such folder before anybody has rated


def read_plan(path: Path | str) -> tuple[Pair, ...]:
    """The pairs of a ``.plan.csv`` that `write_page` left; a spreadsheet may have saved it again, and then writes TRUE and FALSE.

    Raises:
        UserError: the file, row and column of the first thing that is wrong.
    """
    found, names = read_csv(Path(path), [field.name for field in fields(Pair)]), set()
    for row, line in zip(found.index + 2, found.to_dict("records")):
        good = {
            "pair": line["pair"] and line["pair"] not in names,
            "model": line["model"] in MODELS,
            "attribute": line["attribute"] in QUESTIONS,
            "placebo": line["placebo"].lower() in ("true", "false"),
        } | {name: line[name].isdecimal() for name in ("number", "seed", "start", "m")}
        if wrong := [name for name, so in good.items() if not so]:
            raise UserError(
                f"{path}, row {row}, column {wrong[0]!r}: {line[wrong[0]]!r} cannot stand there in a plan; "
                "take the one that `locolib rate page` wrote."
            )
        names.add(line["pair"])
    known = found.astype(dict.fromkeys(("number", "seed", "start", "m"), int)).assign(
        placebo=found.placebo.str.lower() == "true"
    )
    return tuple(Pair(**row) for row in known.to_dict("records"))


def check_new(path: Path, pairs: Sequence[Pair]) -> None:
    """Refuse to write a plan over that of another page, whose ratings nobody could read any more.

    Raises:
        UserError: there is one, of other pairs.
    """
    if not path.exists():
        return
    try:
        same = read_plan(path) == tuple(pairs)
    except UserError:
        same = False
    if not same:
        raise UserError(
            f"{path} is the plan of another page, which its ratings need; name another file by --out, or move it away."
        )


def problems(path: Path | str, pairs: Sequence[Pair], *, rater: str | None = None) -> list[str]:
    """All that is wrong with a file of ratings, a sentence each, with its row (the header is row 1); empty: nothing.

    Args:
        rater: who should have written it; default: whoever the first row names.
    """
    found = read_csv(Path(path), COLUMNS)
    known = {pair.pair: pair for pair in pairs}
    named = found.rater.iloc[0] if len(found) and rater is None else rater
    said, seen = list[str](), dict[str, int]()
    for row, line in zip(found.index + 2, found.itertuples(index=False)):
        where = f"{path}, row {row}"
        if line.pair not in known:
            said.append(
                f"{where}: there is no pair {line.pair!r} in this plan; name the plan of the rating page."
            )
        elif line.pair in seen:
            said.append(
                f"{where}: pair {line.pair!r} was rated before, in row {seen[line.pair]}; keep one of the two."
            )
        if not RATING.fullmatch(line.rating):
            said.append(
                f"{where}: the rating must be a whole number from 1 to 5, not {line.rating!r}."
            )
        if not line.rater or line.rater != named:
            said.append(
                f"{where}: the rater is {line.rater!r}, not {named!r}; a file is of one rater, with a name."
            )
        seen.setdefault(line.pair, row)
    end = f"{path} ends at row {found.index.max() + 2 if len(found) else 1} without pair"
    return said + [
        f"{end} {name!r}; open the page again and rate it." for name in known if name not in seen
    ]


def all_problems(paths: Sequence[Path | str], pairs: Sequence[Pair]) -> list[str]:
    """The `problems` of several files, and those that only show in all of them: one rater has one file."""
    said, first = [], {}
    for path in paths:
        if wrong := problems(path, pairs):
            said += wrong
        elif (name := _person(rater := read_csv(Path(path), COLUMNS).rater.iloc[0])) in first:
            said.append(_second(path, rater))
        else:
            first[name] = path
    return said


def _person(rater: str) -> str:
    """Who a rater is, however the name is written: the page gives "Ann" and "ann" the same order."""
    return " ".join(rater.split()).lower()


def _second(path: Path | str, rater: str) -> str:
    return f"{path} is a second file of the rater {rater!r}; keep one of the two."


def listed(wrong: Sequence[str], most: int = 20) -> list[str]:
    """The first `most` problems of each kind (they differ in files, numbers and names only), then how many more there are."""
    kinds: dict[str, list[str]] = {}
    for problem in wrong:
        kind = re.sub(r"^.*?(?=, row \d| ends at row \d| is a second file)", "", problem)
        kinds.setdefault(re.sub(r"\d+|'[^']*'|\"[^\"]*\"", "", kind), []).append(problem)
    return [
        line
        for kind in kinds.values()
        for line in (
            *kind[:most],
            *([f"... and {len(kind) - most:,} more like this"] if len(kind) > most else []),
        )
    ]


def check(path: Path | str, pairs: Sequence[Pair], *, rater: str | None = None) -> pd.DataFrame:
    """The ratings of a file: pair, rater, rating (1 to 5), question, seconds, simulated (False).

    Raises:
        UserError: the first of its `problems`.
    """
    if wrong := problems(path, pairs, rater=rater):
        raise UserError(wrong[0])
    found = read_csv(Path(path), COLUMNS)
    return found.assign(
        rating=found.rating.str[0].astype(int),
        seconds=pd.to_numeric(found.seconds.str.replace(",", "."), errors="coerce"),
        simulated=False,
    )


def files(folder: Path | str) -> list[Path]:
    """The CSV files of a folder, .CSV as well, without what systems hide beside them; a `Notice` names tables of other kinds, which do not count.

    Raises:
        UserError: there is no such folder, or it has tables and none is CSV, or none at all; the usual one alone may be missing or
            empty, until somebody has rated.
    """
    folder = Path(folder)
    usual = folder.resolve() == SENT.resolve()
    if not folder.is_dir():
        if usual and not folder.exists():
            return []
        raise UserError(
            f"There is no folder {folder} of ratings; name the one with the CSV files that raters sent back."
        )
    seen = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "~")))
    found = [path for path in seen if path.suffix.lower() == ".csv"]
    others = [path for path in seen if path.suffix.lower() in OTHERS]
    if not found and (others or not usual):
        odd = f" ({others[0].name} is none)" if others else ""
        raise UserError(
            f"{folder} has no CSV file of ratings{odd}; put those there that raters sent back, saved as CSV."
        )
    for path in others:
        warnings.warn(
            f"{path} is no CSV file, so its ratings do not count; save it as one.",
            Notice,
            stacklevel=2,
        )
    return found


def collect(folder: Path | str, pairs: Sequence[Pair]) -> pd.DataFrame | None:
    """The checked ratings of all CSV `files` of a folder; None where the usual one has none yet.  One rater may have one file."""
    tables: dict[str, pd.DataFrame] = {}
    for path in files(folder):
        ratings = check(path, pairs)
        if (name := _person(rater := ratings.rater.iloc[0])) in tables:
            raise UserError(_second(path, rater))
        tables[name] = ratings
    return pd.concat(tables.values(), ignore_index=True) if tables else None
