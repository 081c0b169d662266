"""The page of what was measured elsewhere: each archive with its origin, its runs as tables, and pictures."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ..models import find
from ..store import read_bytes
from .sharing import Imported

HEAD = """# Results that were imported

Measured on other machines, and taken in by `locolib import`. Hashes say that each archive is whole, not who made it. Their
claims stand in the {doc}`ledger`, with their origin.
"""
COLUMNS = ("attribute", "prompts", "steps", "guidance", "device", "processor", "minutes", "weights")
MOST = 8  # pictures of a prompt


def page(taken: Sequence[Imported]) -> str:
    """The page of the book, in Markdown."""
    return "\n".join([HEAD, *(_archive(one) for one in taken)])


def pictures(taken: Sequence[Imported]) -> Iterator[tuple[str, bytes]]:
    """The pictures that the page shows, by their place in the book."""
    for one in taken:
        for key in sorted(
            {key for table, _ in one.runs().values() for key, _ in _shown(one, table)}
        ):
            yield f"_static/imported/{key}.png", read_bytes(one.folder / "images" / f"{key}.png")


def _archive(one: Imported) -> str:
    """An archive: where it comes from, and each of its runs."""
    versions = ", ".join(f"{name} {number}" for name, number in one.facts["versions"].items())
    parts = [f"## {_plain(one.origin).capitalize()}\n", f"Made with {_plain(versions)}.\n"]
    for name, (table, facts) in one.runs().items():
        told = {word: facts[word] for word in COLUMNS if word in facts}
        parts += [f"### {find(facts['model']).title}: {_plain(name)}\n", _rows([told])]
        if {"layers", "score"} <= set(table.columns):
            parts.append(_scores(table))
        parts.append(_strip(one, table))
    return "\n".join(parts)


def _scores(table: pd.DataFrame) -> str:
    """Mean CLIP-Score of each layer set, as the table of a sweep has it."""
    rows = [
        {
            "layers altered": str(layers) or "none",
            "mean score": f"{part.mean():.2f}",
            "images": len(part),
        }
        for layers, part in table.groupby("layers", sort=False).score
    ]
    body = _rows(rows)
    return f"````{{dropdown}} Mean CLIP-Score of each layer set\n{body}````\n"


def _rows(rows: Sequence[dict[str, Any]]) -> str:
    """A table in Markdown."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([row[name] for name in names] for row in rows)]
    return "".join(f"| {' | '.join(_plain(str(cell)) for cell in line)} |\n" for line in lines)


def _shown(one: Imported, table: pd.DataFrame) -> list[tuple[str, str]]:
    """(key, what it is) of the pictures of a table's first prompt that came along."""
    if not {"prompt", "image", "layers"} <= set(table.columns) or table.empty:
        return []
    first = table[table.prompt == table.prompt.iloc[0]].drop_duplicates("layers")
    there = first[[(one.folder / "images" / f"{key}.png").exists() for key in first.image]]
    return [
        (row.image, f"{row.prompt}; layers altered: {row.layers or 'none'}")
        for row in there.itertuples()
    ][:MOST]


def _strip(one: Imported, table: pd.DataFrame) -> str:
    """Those pictures side by side."""
    return "".join(
        f"![{_plain(what)}](_static/imported/{key}.png)\n" for key, what in _shown(one, table)
    )


def _plain(text: str) -> str:
    """A text in which nothing is Markdown or HTML: it was written elsewhere."""
    return "".join(
        f"\\{letter}" if letter in "\\`*_{}[]()<>#+-!|$~&" else letter
        for letter in " ".join(text.split())
    )
