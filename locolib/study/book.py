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
import yaml

from .. import UserError
from ..experiments.page import absent
from ..models import find
from ..store import write_atomic
from . import api
from . import where as where_page
from .mending import mended
from .pages import HOME, PAGES, Run
from .parameters import CardPage

NOT_RUN = "This page has not been run."


def executed(run: Run, root: Path) -> Path:
    """Where a page's executed copy lies."""
    source = Path(PAGES[run.page].source.removeprefix("book/"))
    return root / "book" / source.with_stem(run.name)


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


def copies(page: str, root: Path) -> list[str]:
    """The models of whose copy of a page there is an executed one, in the order of the registry; others come last."""
    file = executed(Run(page=page, values={}), root)
    found = {path.stem.removeprefix(f"{page}-") for path in file.parent.glob(f"{page}-*.ipynb")}
    return [name for name in CardPage.each if name in found] + sorted(found - set(CardPage.each))


def contents(text: str, root: Path) -> str:
    """The table of contents with, for an entry of a page that each model has, its copies."""

    def chapters(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        made = []
        for entry in entries:
            page = Path(entry["file"]).name
            if page in PAGES and PAGES[page].each:
                made += [
                    {"file": f"{entry['file']}-{model}", "title": find(model).title}
                    for model in copies(page, root)
                ]
            else:
                below = chapters(entry.get("sections", ()))
                made.append({"file": entry["file"]} | ({"sections": below} if below else {}))
        return made

    toc = yaml.safe_load(text)
    parts = (part | {"chapters": chapters(part["chapters"])} for part in toc["parts"])
    toc["parts"] = [
        part for part in parts if part["chapters"]
    ]  # none where no model's copy has been run
    return yaml.safe_dump(toc, sort_keys=False)


def linked(text: str, root: Path) -> str:
    """A page's text in which a model's copy of a page is not linked to, but named, where it has not been run."""
    run = {path.stem for path in (root / "book").rglob("*.ipynb")}

    def said(found: re.Match[str]) -> str:
        name = Path(found[2]).name
        of_a_model = any(kind.each and name.startswith(f"{page}-") for page, kind in PAGES.items())
        return f"{found[1] or name} (not run here)" if of_a_model and name not in run else found[0]

    return re.sub(r"\{doc\}`(?:([^`<]+) <)?([^`<>]+)>?`", said, text)


def stub(page: str) -> nbformat.NotebookNode:
    """What stands in the place of a page that has not been run; what other pages quote of it says so too."""
    source = nbformat.read(HOME / PAGES[page].source, as_version=4)
    missing = [name for name in PAGES[page].needs if name in absent()]
    why = (
        f"The bundled {', '.join(missing)} is not in data/organisms."
        if missing
        else "`make study` runs it."
    )
    cells = [
        nbformat.v4.new_markdown_cell(
            f"{source.cells[0].source.splitlines()[0]}\n\n{NOT_RUN} {why}"
        )
    ]
    for name in sorted(
        set(re.findall(r'glue\("(\w+)"', "\n".join(cell.source for cell in source.cells)))
    ):
        data = {"text/plain": "(not run yet)", "text/html": "<p><em>(Not run yet.)</em></p>"}
        said = nbformat.v4.new_output(
            "display_data", data, metadata={"scrapbook": {"name": name, "mime_prefix": ""}}
        )
        cells.append(
            nbformat.v4.new_code_cell("", outputs=[said], metadata={"tags": ["remove-cell"]})
        )
    return nbformat.v4.new_notebook(cells=cells, metadata=source.metadata)


def _pages_of_the_book(root: Path) -> None:
    """Copy what surrounds the notebooks; write the contents, and stubs for the pages that have not been run."""
    for folder, where in (
        (HOME / "book", root / "book"),
        (HOME / "locolib", root / "book" / "locolib"),
    ):
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix in (
                ".md",
                ".yml",
                ".bib",
                ".css",
                ".py",
                ".png",
                ".html",
            ):
                changed = {"_toc.yml": contents}.get(
                    path.name, linked if path.suffix == ".md" else None
                )
                _write(
                    where / path.relative_to(folder),
                    changed(path.read_text(), root).encode() if changed else path.read_bytes(),
                )
    for page, kind in PAGES.items():
        file = executed(Run(page=page, values={}), root)
        if not kind.each and (
            not file.exists() or NOT_RUN.encode() in file.read_bytes()
        ):  # what other pages quote may be new
            _write(file, nbformat.writes(stub(page)).encode())
    for name, text in api.documents().items():
        _write(root / "book" / "api" / name, text.encode())
    _write(root / "book" / "where.md", where_page.page(lambda page: copies(page, root)).encode())
    os.utime(
        root / "book" / "intro.md"
    )  # it pastes numbers of other pages, whose changes Sphinx does not see


def build_book(root: Path = Path("build")) -> Path:
    """Render book/ and the executed notebooks to ``build/site``; any warning fails it.  Returns the first page."""
    if not any((root / "book").rglob("*.ipynb")):
        raise UserError("No page has been run yet; run `make study` first.")
    _pages_of_the_book(root)
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(root / "book"),
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
        page.write_text(mended(page.read_text(encoding="utf-8")), encoding="utf-8")
    _claims_of(root)
    return root / "site" / "index.html"


def _claims_of(root: Path) -> None:
    """The claims that the ledger's page shows, as data beside it: claims.json."""
    cells = nbformat.read(executed(Run(page="ledger", values={}), root), as_version=4).cells
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


def _write(target: Path, data: bytes) -> None:
    """Write what changed only, so that what did not is not rendered again."""
    if not target.exists() or target.read_bytes() != data:
        write_atomic(target, data)
