"""Results as one file: what was measured on one machine, shown on another with its origin.

An archive is a zip of data alone: tables (parquet), pictures (PNG), provenance and claims (JSON), with a list of all hashes.  Reading
one runs nothing, writes nothing outside the store, and replaces nothing that was measured here.  Hashes say that it is whole, not who made it.
"""

import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from .. import UserError
from ..drawing.provenance import versions
from ..store import Store, digest, read_bytes, sealed, unsealed, write_atomic
from .archive import FILES, FORMAT, LIST, checked, claims_in, hashed

PICTURES = ("figures", "all", "none")
SHOWN = 2  # prompts of a table whose pictures figures show


@dataclass(frozen=True, kw_only=True)
class Imported:
    """An archive in a store.

    Attributes:
        folder: where it lies.
        facts: by, device, date, models, versions.
    """

    folder: Path
    facts: Mapping[str, Any]

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        return said(self.facts)

    def runs(self) -> dict[str, tuple[pd.DataFrame, dict[str, Any]]]:
        """(table, provenance) of its runs, by name."""
        found = {}
        for place in sorted((self.folder / "runs").glob("*")):
            table, images, told = (read_bytes(place / name) for name in FILES)
            facts = unsealed(told, "provenance", os.fsencode(place.name), table, images)
            if facts is not None:
                found[place.name] = (pd.read_parquet(io.BytesIO(table)), facts)
        return found


def said(facts: Mapping[str, Any]) -> str:
    """Who measured it, on what and when, in words."""
    who = f" from {facts['by']}" if facts.get("by") else ""
    return f"imported{who}, {facts['device']}, {facts['date']}"


def imported(store: Store) -> list[Imported]:
    """The archives that a store has taken in; a damaged one is left out."""
    found = []
    for folder in sorted((store.root / "imported").glob("*")):
        facts = unsealed(read_bytes(folder / LIST), "archive", LIST.encode())
        if facts is not None:
            found.append(Imported(folder=folder, facts=facts))
    return found


def export(
    store: Store, what: str, out: Path, *, by: str = "", pictures: str = "figures"
) -> tuple[Path, int]:
    """Write a run, or all runs of a model, and the claims about their models to one archive; returns it and how many files it has.

    Args:
        what: a run's name, or a model's.
        by: who measured it, in words.
        pictures: those of the first prompts, which figures show; all; or none.

    Raises:
        UserError: there is no such run, or it cannot be written.
    """
    if pictures not in PICTURES:
        raise UserError(f"--pictures must be one of {', '.join(PICTURES)}, not {pictures!r}.")
    runs = {
        name: facts for name, facts in store.runs().items() if what in (name, facts.get("model"))
    }
    if not runs:
        names = ", ".join(store.runs()) or "none"
        raise UserError(f"No run or model {what!r} in {store.root}; there are: {names}.")
    models = sorted({str(facts["model"]) for facts in runs.values()})
    files = dict(_files(store, runs, models, pictures))
    content = {
        "format": FORMAT,
        "by": by,
        "device": _device(runs),
        "date": _date(store, runs),
        "models": models,
        "versions": versions(),
        "files": {place: hashed(data) for place, data in files.items()},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(LIST, sealed("archive", content, LIST.encode()))
        for place, data in files.items():  # PNG and parquet are compressed already
            kind = zipfile.ZIP_STORED if place.endswith((".png", "quet")) else zipfile.ZIP_DEFLATED
            archive.writestr(place, data, compress_type=kind)
    write_atomic(out, buffer.getvalue())
    return out, len(files)


def _files(
    store: Store, runs: Mapping[str, Any], models: Sequence[str], pictures: str
) -> Iterator[tuple[str, bytes]]:
    """What goes into an archive, by its place there."""
    wanted = dict[str, None]()
    for name in runs:
        parts = {file: read_bytes(store.root / "runs" / name / file) for file in FILES}
        yield from ((f"runs/{name}/{file}", data) for file, data in parts.items())
        table = pd.read_parquet(io.BytesIO(parts["table.parquet"]))
        wanted |= dict.fromkeys(_wanted(table, parts["images.txt"].decode().split(), pictures))
    for key in wanted:
        if (image := store.sealed_image(key)) is not None:
            yield f"images/{key}.png", image
    for path in sorted((store.root / "claims").glob("*.json")):
        if any(path.stem.endswith(f"-{model}") for model in models) and claims_in(
            path.name, path.read_bytes()
        ):
            yield f"claims/{path.name}", path.read_bytes()


def _wanted(table: pd.DataFrame, keys: Sequence[str], pictures: str) -> list[str]:
    """The keys of a run's images that are taken along."""
    if pictures == "none":
        return []
    if pictures == "all" or not {"prompt", "image"} <= set(table.columns):
        return list(keys)
    shown = table[table.prompt.isin(table.prompt.drop_duplicates()[:SHOWN])]
    return list(shown.image)


def _device(runs: Mapping[str, Any]) -> str:
    """What drew and what scored, as runs say."""
    kinds = dict.fromkeys(str(facts.get("device", "")) for facts in runs.values())
    cards = any(kind.startswith("cuda") for kind in kinds) and torch.cuda.is_available()
    named = [torch.cuda.get_device_name()] if cards else [kind for kind in kinds if kind != "cpu"]
    processors = dict.fromkeys(str(facts.get("processor", "")) for facts in runs.values())
    return "; ".join(filter(None, [*named, *processors]))


def _date(store: Store, runs: Mapping[str, Any]) -> str:
    """The day on which the last of the runs was kept."""
    times = [(store.root / "runs" / name / "run.json").stat().st_mtime for name in runs]
    return date.fromtimestamp(max(times)).isoformat()


def take_in(store: Store, path: Path) -> tuple[Imported, int]:
    """Put an archive into a store, whole or not at all; returns it, and how many of its runs the study can go on from.

    Raises:
        UserError: it is no archive, damaged, of another version, or holds what no archive of ours does.
    """
    files, facts = checked(path)
    name = digest(facts)[:16]
    folder = store.root / "imported" / name
    origin = said(facts)
    for place, data in files.items():
        if place.startswith("claims/"):
            kept = claims_in(Path(place).name, data)
            data = sealed("kept", {**(kept or {}), "origin": origin}, Path(place).name.encode())
        store.write(folder / place, data)
    store.write(folder / LIST, sealed("archive", facts, LIST.encode()))  # last: the rest is whole
    return Imported(folder=folder, facts=facts), _usable(store, files, origin)


def _usable(store: Store, files: Mapping[str, bytes], origin: str) -> int:
    """Runs of which every picture came along are the store's as well, where it has none of that name; returns how many."""
    count = 0
    for place in [place for place in files if place.endswith("/table.parquet")]:
        name = place.split("/")[1]
        keys = files[f"runs/{name}/images.txt"].decode().split()
        if store.run(name) is not None or not all(f"images/{key}.png" in files for key in keys):
            continue
        for key in keys:
            store.put_sealed(key, files[f"images/{key}.png"])
        told = json.loads(files[f"runs/{name}/run.json"])["provenance"] | {"origin": origin}
        store.put_run(name, pd.read_parquet(io.BytesIO(files[place])), told, keys)
        count += 1
    return count
