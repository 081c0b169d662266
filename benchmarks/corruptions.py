"""Whether the store believes what it reads: a small real store, corrupted a thousand times, and read back as users read it.

Two models answer two requests each, and claims are kept.  Then one thing at a time goes wrong with one file, or with the
folder of a run: kinds and files take turns, which file and which bit is drawn from a seed.  After each, what a user can do
is done: pictures, runs, `locolib clean`, and the ledger are read; a run is cleaned, in every fifth round; and everything is
asked for again, in half of the rounds by a process that had read it before.  Counted is each round with

- a wrong number: in a table, a run's provenance, a line of `locolib clean`, or a row of the ledger;
- a wrong picture;
- a traceback: any error that is not one sentence for the user;
- no mending: asking again does not bring back what there was.

"noticed" are the rounds in which something was taken for missing (what is not noticed must be harmless: a blank in JSON).

Run ``python benchmarks/corruptions.py [--count 1000] [--seed 0] [--images 2000]``; the exit code is 1 if anything is wrong.
The last line says what verifying costs: the seconds that one run of so many images takes to be read.
"""

import argparse
import io
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from typer.testing import CliRunner

from locolib import UserError, claims, models
from locolib.__main__ import app
from locolib.claims import Claim
from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.prompts import read
from locolib.store import Store

NAMES = ("planted-sd-v1-5", "planted-none")
FILES = {
    "picture": "images/*/*.png",
    "table.parquet": "runs/*/table.parquet",
    "run.json": "runs/*/run.json",
    "images.txt": "runs/*/images.txt",
    "claims": "claims/*.json",
    "run's folder": "runs/*",
}
COUNTED = ("wrong numbers", "wrong pictures", "tracebacks", "not mended")
Draw = np.random.Generator


def flip(path: Path, others: Sequence[Path], rng: Draw) -> None:
    data = bytearray(path.read_bytes())
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def cut(path: Path, others: Sequence[Path], rng: Draw) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(rng.integers(1, len(data)))])


def empty(path: Path, others: Sequence[Path], rng: Draw) -> None:
    path.write_bytes(b"")


def scramble(path: Path, others: Sequence[Path], rng: Draw) -> None:
    path.write_bytes(rng.bytes(len(path.read_bytes())))


def swap(path: Path, others: Sequence[Path], rng: Draw) -> None:
    other = others[int(rng.integers(len(others)))]
    aside = path.with_name("aside")
    path.rename(aside), other.rename(path), aside.rename(other)


def copy_over(path: Path, others: Sequence[Path], rng: Draw) -> None:
    path.write_bytes(others[int(rng.integers(len(others)))].read_bytes())


def delete(path: Path, others: Sequence[Path], rng: Draw) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def folder(path: Path, others: Sequence[Path], rng: Draw) -> None:
    path.unlink()
    path.mkdir()


def file(path: Path, others: Sequence[Path], rng: Draw) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"")


OF_FILES = {
    "one bit flipped": flip,
    "cut short": cut,
    "emptied": empty,
    "other bytes": scramble,
    "swapped": swap,
    "another's copy": copy_over,
    "deleted": delete,
    "a folder instead": folder,
}
OF_FOLDERS = {"swapped": swap, "deleted": delete, "a file instead": file}
CASES = [
    (kind, what) for what in FILES for kind in (OF_FOLDERS if what == "run's folder" else OF_FILES)
]


@dataclass
class Truth:
    """What a store held before anything went wrong.

    Attributes:
        asked: model and request of each run.
        root: the store.
        claims: page and model -> what was kept.
        tables, pictures, facts, listed, ledger: what is read from it.
        files: every file's bytes, by its path below the root.
    """

    asked: list[tuple[models.Model, locogen.Request]]
    root: Path
    claims: dict[tuple[str, str], list[Claim]]
    tables: dict[str, pd.DataFrame]
    pictures: dict[str, np.ndarray]
    facts: dict[str, dict]
    listed: list[str]
    ledger: pd.DataFrame
    files: dict[Path, bytes]

    def restore(self) -> None:
        """Put every file back as it was."""
        shutil.rmtree(self.root)
        for path, data in self.files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_bytes(data)


def measure(
    asked: Sequence[tuple[models.Model, locogen.Request]], store: Store
) -> dict[str, pd.DataFrame]:
    """What every request finds: its clean images and those with two layers altered, by the run's name."""
    found = {}
    for model, request in asked:
        table = locogen.measure(model, request, [(), (8, 9)], store=store)
        found[next(reversed(store.used))] = table
        store.used.clear()
    return found


def listing(root: Path) -> list[str]:
    """What ``locolib clean`` prints of the runs."""
    done = CliRunner().invoke(app, ["clean"], env={"LOCOLIB_STORE": str(root)})
    if done.exception:
        raise done.exception
    return done.output.splitlines()[:-1]  # the last line is the size


def claimed(store: Store) -> pd.DataFrame:
    """The ledger, but for the commit: the code may be committed while this runs."""
    return claims.table(store).drop(columns="commit", errors="ignore")


def build(loaded: Sequence[models.Model], root: Path) -> Truth:
    """A store of real runs and claims, and all that can be read from it."""
    settings = Settings(steps=1, guidance=1.0, batch=2)
    asked = [
        (
            model,
            locogen.Request(prompts=read(attribute)[:2], seeds=locogen.seeds(1), settings=settings),
        )
        for model in loaded
        for attribute in ("style", "object")
    ]
    store = Store(root)
    tables = measure(asked, store)
    means = {
        model.name: [
            str(table.score.mean()) for name, table in tables.items() if name.startswith(model.name)
        ]
        for model in loaded
    }
    kept = {
        (page, name): [
            Claim(text=f"claim {i}", section=page, number=number, outcome=claims.OUTCOMES[i % 3])
            for i, number in enumerate(found)
        ]
        for page in ("02b_five_models", "07_planted_truth")
        for name, found in means.items()
    }
    for (page, name), told in kept.items():
        claims.keep(store, page, name, told)
    pictures = {name: store.shown(name) for table in tables.values() for name in table.image}
    files = {
        path.relative_to(root): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    return Truth(
        asked, root, kept, tables, pictures, store.runs(), listing(root), claimed(store), files
    )


class Wrong:
    """Counts of what went wrong in one round; calling it does something and catches what it raises."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(COUNTED, 0)
        self.noticed = False

    def __call__(self, do: Callable, *arguments, refused: str = "not mended"):
        """The value of `do`, or None after an error; `refused` is what a sentence for the user counts as ("": nothing)."""
        try:
            return do(*arguments)
        except UserError:
            self.noticed = True
            if refused:
                self.counts[refused] = 1
        except Exception as error:
            self.counts["tracebacks"] = 1
            print(f"{type(error).__name__}: {error}", file=sys.__stderr__)

    def check(self, what: str, right: bool) -> None:
        self.counts[what] |= not right


def same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    """Whether two tables are one, to the last bit."""
    return a.reset_index(drop=True).equals(b.reset_index(drop=True))


def look(truth: Truth, before: Store, wrong: Wrong) -> None:
    """Read all that is there without making anything: what is not whole may be missing, and nothing may be wrong."""
    store = Store(truth.root)
    for name, picture in truth.pictures.items():
        for found in (wrong(store.image, name), wrong(before.shown, name, refused="")):
            wrong.noticed |= found is None
            wrong.check("wrong pictures", found is None or np.array_equal(found, picture))
    for name, table in truth.tables.items():
        found = wrong(store.run, name)
        wrong.noticed |= found is None
        wrong.check(
            "wrong numbers",
            found is None or same(found[0], table) and found[1] == truth.facts[name],
        )
    facts, lines, told = (
        wrong(store.runs) or {},
        wrong(listing, truth.root) or [],
        wrong(claimed, store),
    )
    wrong.check("wrong numbers", all(truth.facts.get(name) == fact for name, fact in facts.items()))
    wrong.check("wrong numbers", set(lines) <= set(truth.listed))
    if told is not None:
        wrong.noticed |= len(told) < len(truth.ledger)
        wrong.check(
            "wrong numbers",
            Counter(told.itertuples(index=False, name=None))
            <= Counter(truth.ledger.itertuples(index=False, name=None)),
        )


def again(truth: Truth, store: Store, wrong: Wrong) -> None:
    """Ask for everything again: then all must be there, and right."""
    tables = wrong(measure, truth.asked, store) or {}
    wrong.check("not mended", tables.keys() == truth.tables.keys())
    wrong.check(
        "wrong numbers",
        all(
            same(table, truth.tables[name])
            for name, table in tables.items()
            if name in truth.tables
        ),
    )
    for name, picture in truth.pictures.items():
        found = wrong(store.shown, name)
        wrong.check("wrong pictures", found is None or np.array_equal(found, picture))
    fresh = Store(truth.root)
    for name, table in truth.tables.items():
        kept = wrong(fresh.run, name)
        wrong.check("not mended", kept is not None)
        wrong.check("wrong numbers", kept is None or same(kept[0], table))
    for (
        (page, name),
        told,
    ) in (
        truth.claims.items()
    ):  # in the study a page whose claims are not as it left them is run again
        path = Path("claims") / f"{page}-{name}.json"
        if (
            not (truth.root / path).is_file()
            or (truth.root / path).read_bytes() != truth.files[path]
        ):
            wrong(claims.keep, store, page, name, told)
    found = wrong(claimed, fresh)
    wrong.check("not mended", found is not None and len(found) == len(truth.ledger))
    wrong.check(
        "wrong numbers",
        found is None or len(found) != len(truth.ledger) or same(found, truth.ledger),
    )


def corrupt(truth: Truth, count: int, seed: int = 0) -> pd.DataFrame:
    """`count` rounds, the `CASES` in turn; a row for each case: kind, file, rounds, noticed, and what went wrong."""
    rng, rows = np.random.default_rng(seed), []
    for number in range(count):
        kind, what = CASES[number % len(CASES)]
        before, wrong = Store(truth.root), Wrong()
        measure(truth.asked, before)
        paths = sorted(truth.root.glob(FILES[what]))
        path = paths.pop(int(rng.integers(len(paths))))
        (OF_FOLDERS if what == "run's folder" else OF_FILES)[kind](path, paths, rng)
        with redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the ledger says which claims it leaves out
            look(truth, before, wrong)
            if number % 5 == 0:
                wrong(
                    Store(truth.root).clean, rng.choice(list(truth.tables)), refused=""
                )  # a run that is gone is refused
            again(truth, before if number % 2 else Store(truth.root), wrong)
        rows.append(
            {"kind": kind, "file": what, "rounds": 1, "noticed": int(wrong.noticed)} | wrong.counts
        )
        truth.restore()
    return pd.DataFrame(rows).groupby(["file", "kind"], sort=False).sum().reset_index()


def seconds(root: Path, images: int) -> tuple[float, float]:
    """Seconds in which a run of so many images is written, and in which it is read and verified."""
    store, rng = Store(root), np.random.default_rng(0)
    started, names = perf_counter(), [f"{number:032x}"[::-1] for number in range(images)]
    for name in names:
        store.put_image(
            name, rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
        )  # noise: no picture takes more bytes
    store.put_run("run", pd.DataFrame({"image": names}), {}, names)
    wrote, store = perf_counter(), Store(root)
    assert store.run("run") is not None
    return wrote - started, perf_counter() - wrote


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=2000)
    asked, started = parser.parse_args(), perf_counter()
    torch.set_num_threads(1)  # so that what is made again is the same to the last bit
    with tempfile.TemporaryDirectory() as place:
        found = corrupt(
            build([models.load(name) for name in NAMES], Path(place) / "store"),
            asked.count,
            asked.seed,
        )
        wrote, took = seconds(Path(place) / "many", asked.images)
    print(found.to_string(index=False))
    total = found[["rounds", "noticed", *COUNTED]].sum()
    print(
        f"\n{total.rounds} corruptions, {total.noticed} noticed: {', '.join(f'{total[what]} {what}' for what in COUNTED)}; "
        f"{(perf_counter() - started) / 60:.1f} minutes"
    )
    print(
        f"a run of {asked.images} images of 64 x 64: written in {wrote:.1f} s, read and verified in {took:.2f} s"
    )
    sys.exit(bool(total[list(COUNTED)].sum()))


if __name__ == "__main__":
    main()
