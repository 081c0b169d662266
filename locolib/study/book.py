"""From executed notebooks to the site: copies for readers, the table of contents, jupyter-book."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat

from .. import UserError
from ..models import find
from ..store import write_atomic
from . import api
from . import where as where_page
from .figure_links import with_links
from .lighter import lighten
from .live import placing
from .mending import mended
from .pages import HOME, Run
from .shown import executed, write_pages


def tidy(
    notebook: nbformat.NotebookNode,
    known: Mapping[str, Mapping[str, str]],
    values: Mapping[str, Any],
    model: str = "",
) -> nbformat.NotebookNode:
    """An executed copy for readers: one parameters cell with the values used, no bars that moved, no machine's paths.

    Args:
        known: what `papermill.inspect_notebook` says of the source's parameters: their defaults and comments.
        values: those that papermill was given.
        model: of a notebook that has a copy for each model: the title names it, and labels become its own.
    """
    notebook.cells = [
        cell
        for cell in notebook.cells
        if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = "\n".join(_line(name, values, info) for name, info in known.items())
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "outputs" in cell:
            cell.outputs = _settled(cell.outputs)
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    if used := api.linked(where_page.called_in(notebook)):
        notebook.cells.append(
            nbformat.v4.new_markdown_cell(f"### Functions of this page\n\n{used}")
        )
    if model:
        _name_after(notebook, model)
    return notebook


def _name_after(notebook: nbformat.NotebookNode, model: str) -> None:
    """Title and labels of a model's own copy: two pages may not share a label."""
    first = notebook.cells[0]
    first.source = re.sub(
        r"^# (.)", lambda found: f"# {find(model).title}: {found[1].lower()}", first.source
    )
    labels = re.findall(
        r"^:label: (\S+)", "\n".join(cell.source for cell in notebook.cells), flags=re.M
    )
    for cell in notebook.cells:
        if "figure" in cell.metadata.get("mystnb", {}):
            cell.metadata["mystnb"]["figure"]["name"] += f"-{model}"
        elif cell.cell_type == "markdown":
            for label in labels:
                cell.source = re.sub(
                    rf"((?::label:|\{{solution\}}) {label})$",
                    rf"\1-{model}",
                    cell.source,
                    flags=re.M,
                )


def _settled(outputs: Sequence[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Outputs with neighbouring streams joined, and of each progress bar only its last state."""
    kept: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            lines = (
                line.rstrip("\r").rsplit("\r", 1)[-1].replace("\x1b[A", "")
                for line in output.text.split("\n")
            )
            output.text = "".join(f"{line}\n" for line in lines if line.strip()).replace(
                f"{HOME}/", ""
            )
    return kept


def _line(name: str, values: Mapping[str, Any], info: Mapping[str, str]) -> str:
    shown = repr(values[name]) if name in values else info["default"]
    return f"{name} = {shown}" + (f"  # {info['help']}" if info["help"] else "")


def build_book(root: Path = Path("build")) -> Path:
    """Render book/ and the executed notebooks to ``build/site``; any warning fails it.  Returns the first page."""
    if not any((root / "book").rglob("*.ipynb")):
        raise UserError("No page has been run yet; run `make study` first.")
    source = write_pages(root)
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(source),
        "--path-output",
        str(root / "sphinx"),
        "-W",
        "-n",
        "--keep-going",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"}
    )
    if done.returncode:
        shutil.rmtree(
            root / "sphinx", ignore_errors=True
        )  # or the next build would not repeat these warnings
        lines = [
            line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line
        ] or done.stderr.splitlines()[-5:]
        raise UserError("The book has warnings:\n" + "\n".join(lines))
    shutil.rmtree(root / "site", ignore_errors=True)
    shutil.copytree(root / "sphinx" / "_build" / "html", root / "site")
    for page in (root / "site").rglob("*.html"):
        text = with_links(mended(page.read_text(encoding="utf-8")), page, root / "site")
        page.write_text(unlinked(text, page), encoding="utf-8")
    lighten(root / "site", root / "webp")
    placing.place(root / "live", root / "site")
    _claims_of(root)
    return root / "site" / "index.html"


def unlinked(text: str, page: Path) -> str:
    """A rendered page without links of tables to pages that are not in the site: claims may be of pages that another store has run."""

    def said(found: re.Match[str]) -> str:
        return found[0] if (page.parent / found[1]).exists() else found[2]

    return re.sub(r'<a href="([\w./-]+\.html)(?:#[^"]*)?">(.*?)</a>', said, text)


def _claims_of(root: Path) -> None:
    """The claims that the ledger's page shows, as data beside it: claims.json."""
    file = executed(Run(page="ledger", values={}), root)
    cells = nbformat.read(file, as_version=4).cells if file.exists() else []
    for output in (
        output
        for cell in cells
        for output in cell.get("outputs", ())
        if "application/json" in output.get("data", {})
    ):
        write_atomic(
            root / "site" / "claims.json",
            f"{json.dumps(output.data['application/json'], indent=1, ensure_ascii=False)}\n".encode(),
        )
