"""Links below every figure of the book: to the code that drew it, and to its data."""

import html
import re
from pathlib import Path

import nbformat
import pandas as pd

from ..figures.drawn import MIME

FOLDER = "_static/data"  # of the site: tables by page and figure
_INPUT = '<div class="cell_input docutils container">'
_FIGURE = re.compile(
    r'<figure class="[^"]*" id="([\w-]+)">\s*(?:<a[^>]*>)?<img[^>]*? src="([^"]+)".*?</figcaption>',
    re.S,
)


def taken(page: str, notebook: str) -> tuple[str, dict[str, bytes]]:
    """An executed notebook without the numbers of its figures, which no renderer knows, and these as files of the book.

    Args:
        page: its name, by which the site knows it.
        notebook: its text.

    Returns:
        Its text, and by their places tables as CSV.
    """
    files: dict[str, bytes] = {}
    if MIME not in notebook:
        return notebook, files
    made = nbformat.reads(notebook, as_version=4)
    for cell in made.cells:
        name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
        datas = [output["data"] for output in cell.get("outputs", ()) if "data" in output]
        found = [data.pop(MIME) for data in datas if MIME in data]
        if name and found:
            parts = [pd.DataFrame(one["data"], columns=one["columns"]) for one in found]
            files[f"{FOLDER}/{page}/{name}.csv"] = pd.concat(parts).to_csv(index=False).encode()
    return f"{nbformat.writes(made)}\n", files


def with_links(text: str, page: Path, site: Path) -> str:
    """A rendered page with two links below each of its figures: the code of its cell, and its data.

    The data of a plot are its numbers as they were drawn (`figures.drawn`); those of a picture are the picture.  A figure that
    another page drew has its links there.
    """
    made, done = [], 0
    for figure in _FIGURE.finditer(text):
        before = text[done : figure.start()]
        start = before.rfind(_INPUT)
        links = []
        if start >= 0 and "<figure" not in before[start:]:
            name = f"code-{figure[1]}"
            before = f'{before[:start]}<div id="{name}" class{_INPUT[len("<div class") :]}{before[start + len(_INPUT) :]}'
            links.append(f'<a href="#{name}">code</a>')
        links.append(_data(figure[1], figure[2], page, site))
        said = f'<p class="loco-links">Of this figure: {", ".join(links)}</p>'
        made += [before, figure[0].removesuffix("</figcaption>"), said, "</figcaption>"]
        done = figure.end()
    return "".join([*made, text[done:]])


def _data(name: str, picture: str, page: Path, site: Path) -> str:
    """The link to a figure's numbers, or to the picture where it has none."""
    up = "../" * len(page.relative_to(site).parent.parts)
    place = f"{FOLDER}/{page.stem}/{name}.csv"
    if (site / place).exists():
        return f'<a href="{up}{place}" download="{page.stem}-{name}.csv">data (CSV)</a>'
    return f'<a href="{html.escape(picture)}">data (the picture itself)</a>'
