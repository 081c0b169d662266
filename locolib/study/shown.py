"""What is rendered: the pages that were run, and around them texts that speak of these alone.

`make study` may be asked about one model: then most pages have not been run.  Such a page is in the book as a stub while anything
of the miniatures' study is; a book of published models alone leaves it out, and what speaks of miniatures with it.
"""

import os
import re
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import yaml

from .. import Notice, visible
from ..claims import table
from ..experiments.page import absent
from ..models import MODELS, find
from ..store import Store, write_atomic
from . import api, figure_links, imported_page, in_short
from . import where as where_page
from .ledger import headings
from .pages import HOME, PAGES, Run
from .sharing import Imported, imported

NOT_RUN = "This page has not been run."
TEXTS = (".md", ".yml", ".bib", ".css", ".py", ".png", ".html")
ONLY = re.compile(r"^<!-- only: (\w+) -->\n(.*?)^<!-- end -->\n", flags=re.M | re.S)
FOUND = re.compile(r"<!-- found: ([\w-]+) -->")
LISTED = "<!-- pages of published models -->\n"
# Rendered as they are: their cells are for readers to fill.
LESSON = [HOME / "notebooks" / f"{name}.ipynb" for name in ("lesson", "lesson_solutions")]
GENERAL = ("ledger", "reproduction")  # pages of whatever was run


def executed(run: Run, root: Path) -> Path:
    """Where a page's executed copy lies."""
    source = Path(PAGES[run.page].source.removeprefix("book/"))
    return root / "book" / source.with_stem(run.name)


def copies(page: str, root: Path) -> list[str]:
    """The models of whose copy of a page there is an executed one, in the order of the registry; others come last."""
    file = executed(Run(page=page, values={}), root)
    found = {path.stem.removeprefix(f"{page}-") for path in file.parent.glob(f"{page}-*.ipynb")}
    return [name for name in MODELS if name in found] + sorted(found - set(MODELS))


def stub(page: str) -> nbformat.NotebookNode:
    """What stands in the place of a page that has not been run; what other pages quote of it says so too."""
    source = nbformat.read(HOME / PAGES[page].source, as_version=4)
    missing = [name for name in PAGES[page].needs if name in absent()]
    why = (
        f"The bundled {', '.join(missing)} is not in data/organisms."
        if missing
        else "`make study` runs it."
    )
    first = source.cells[0].source.splitlines()[0]
    cells = [nbformat.v4.new_markdown_cell(f"{first}\n\n{NOT_RUN} {why}")]
    code = "\n".join(cell.source for cell in source.cells)
    for name in sorted(set(re.findall(r'glue\("(\w+)"', code))):
        data = {"text/plain": "(not run yet)", "text/html": "<p><em>(Not run yet.)</em></p>"}
        said = nbformat.v4.new_output(
            "display_data", data, metadata={"scrapbook": {"name": name, "mime_prefix": ""}}
        )
        cells.append(
            nbformat.v4.new_code_cell("", outputs=[said], metadata={"tags": ["remove-cell"]})
        )
    return nbformat.v4.new_notebook(cells=cells, metadata=source.metadata)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What of the study there is below a folder of executed pages."""

    root: Path

    @cached_property
    def ran(self) -> frozenset[str]:
        """Names of the pages that were run (`Run.name`)."""
        made = self.root / "book"
        return frozenset(
            path.stem
            for path in visible(made.rglob("*.ipynb"), made)
            if NOT_RUN.encode() not in path.read_bytes()  # an older version left stubs there
        )

    @cached_property
    def published(self) -> list[str]:
        """The published models of which there is a page."""
        return [
            name
            for name, spec in MODELS.items()
            if not spec.bundled and any(f"{page}-{name}" in self.ran for page in PAGES)
        ]

    @cached_property
    def imports(self) -> list[Imported]:
        """Archives of other machines that the store has taken in."""
        return imported(Store())

    @cached_property
    def miniatures(self) -> bool:
        """Whether the book is about miniatures: it is unless all that was run is about published models."""
        of_published = {f"{page}-{name}" for page in PAGES for name in self.published}
        return not self.published or bool(self.ran - of_published - set(GENERAL))

    @cached_property
    def claims(self) -> pd.DataFrame:
        """What the pages claimed (`claims.table`); damaged ones are said elsewhere."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)
            return table(Store())

    def copies(self, page: str) -> list[str]:
        """The models that have a copy of their own of a page."""
        return [name for name in copies(page, self.root) if f"{page}-{name}" in self.ran]

    def stubs(self) -> list[str]:
        """The pages that have not been run and are shown as a stub."""
        return [
            page
            for page, kind in PAGES.items()
            if not kind.each and page not in self.ran and (self.miniatures or page in GENERAL)
        ]

    def has(self, name: str) -> bool:
        """Whether the book has a page or document of this name."""
        return name not in PAGES or (
            not PAGES[name].each and (name in self.ran or name in self.stubs())
        )

    def contents(self, text: str) -> str:
        """The table of contents: the pages that there are, and after each those of single models; what is marked ``of: miniatures`` or ``of: imported`` only with them."""
        toc = yaml.safe_load(text)
        parts = (part | {"chapters": self._chapters(part["chapters"])} for part in toc["parts"])
        toc["parts"] = [part for part in parts if part["chapters"]]
        return yaml.safe_dump(toc, sort_keys=False)

    def _chapters(self, entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for entry in entries:
            below = self._chapters(entry.get("sections", ()))
            page = next((page for page in PAGES if _source(page) == entry["file"]), "")
            of = {"miniatures": self.miniatures, "imported": bool(self.imports)}
            if not of.get(entry.get("of", ""), True):
                continue
            if self.has(page):
                made.append({"file": entry["file"]} | ({"sections": below} if below else {}))
            else:
                made += below
            if page in PAGES:  # beside others of its kind a model's page goes by the model alone
                each = PAGES[page].each
                made += [
                    {"file": f"{entry['file']}-{name}"}
                    | ({"title": find(name).title} if each and name in MODELS else {})
                    for name in self.copies(page)
                ]
        return made

    def linked(self, text: str) -> str:
        """A page's text in which a page that there is not is not linked to: but another model's copy, if no title says whose, or else it is named."""

        def said(found: re.Match[str]) -> str:
            title, target = found[1], found[2]
            name = Path(target).name
            page = next((page for page in PAGES if name.startswith(f"{page}-")), name)
            if "api/" in target or name in self.ran or (page == name and self.has(name)):
                return found[0]
            others = self.copies(page)
            if others and (page == name or not title):
                place = f"{target.removesuffix(name)}{page}-{others[0]}"
                return f"{{doc}}`{title or headings(page)[0]} <{place}>`"
            return f"{title or headings(page)[0]} (not run here)"

        return re.sub(r"\{doc\}`(?:([^`<]+) <)?([^`<>]+)>?`", said, text)

    def settled(self, text: str) -> str:
        """A document of the book that speaks of what there is: its blocks ``only: miniatures`` and ``only: published``, what pages found, its list of pages, its links."""
        holds = {"miniatures": self.miniatures, "published": bool(self.published)}
        text = ONLY.sub(lambda found: found[2] if holds[found[1]] else "", text)
        text = FOUND.sub(lambda found: self._found(found[1]), text)
        return self.linked(text.replace(LISTED, self._listed()))

    def _found(self, name: str) -> str:
        """What a page that keeps claims found, as a sentence; a copy that was not run is said by another model's."""
        page, _ = _named(name)
        others = [f"{page}-{model}" for model in self.copies(page)] if PAGES[page].each else []
        ran = next((one for one in (name, *others) if one in self.ran), None)
        return f"{in_short.found(*_named(ran), self.claims, {})}." if ran else NOT_RUN

    def _listed(self) -> str:
        """The pages of published models as a list, a line for each model."""
        lines = []
        for name in self.published:
            pages = [page for page in PAGES if f"{page}-{name}" in self.ran]
            links = (f"{{doc}}`{headings(page)[0]} <{_source(page)}-{name}>`" for page in pages)
            lines.append(f"- **{find(name).title}**: {'; '.join(links)}\n")
        return "".join(lines)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Every file that is rendered, by its place, with what is in it."""
        for folder, where in ((HOME / "book", ""), (HOME / "locolib", "locolib/")):
            for path in visible(folder.rglob("*"), folder):
                if path.is_file() and path.suffix in TEXTS:
                    place = f"{where}{path.relative_to(folder).as_posix()}"
                    yield place, self._settled_file(path, place)
        for name, text in api.documents().items():
            yield f"api/{name}", text.encode()
        yield (
            "where.md",
            self.linked(
                where_page.page(lambda page: self.copies(page) if PAGES[page].each else [])
            ).encode(),
        )
        if self.imports:
            yield "imported.md", imported_page.page(self.imports).encode()
            yield from imported_page.pictures(self.imports)
        if self.miniatures:
            for path in LESSON:
                yield f"notebooks/{path.name}", path.read_bytes()
        for page in self.stubs():
            yield f"{_source(page)}.ipynb", self.linked(nbformat.writes(stub(page))).encode()
        made = self.root / "book"
        for path in visible(made.rglob("*.ipynb"), made):
            if path.stem in self.ran:
                text, data = figure_links.taken(path.stem, path.read_text(encoding="utf-8"))
                text = in_short.with_short(text, *_named(path.stem), self.claims)
                yield path.relative_to(made).as_posix(), self.linked(text).encode()
                yield from data.items()
        for path in visible((made / "_static").glob("*"), made):
            if path.suffix == ".html":  # rating pages, which page 06 writes
                yield path.relative_to(made).as_posix(), path.read_bytes()

    def _settled_file(self, path: Path, place: str) -> bytes:
        if place == "_toc.yml":
            return self.contents(path.read_text(encoding="utf-8")).encode()
        if path.suffix == ".md":
            return self.settled(path.read_text(encoding="utf-8")).encode()
        return path.read_bytes()


def _named(stem: str) -> tuple[str, str]:
    """Page and model of an executed copy's name (see `Run.name`)."""
    page = max((page for page in PAGES if stem == page or stem.startswith(f"{page}-")), key=len)
    return page, stem.removeprefix(page).removeprefix("-")


def _source(page: str) -> str:
    return Path(PAGES[page].source).with_suffix("").as_posix().removeprefix("book/")


def write_pages(root: Path) -> Path:
    """Write what is rendered to ``root/shown``, and take away what is no more; returns that folder."""
    folder, places = root / "shown", set[Path]()
    for place, data in Shown(root=root).files():
        target = folder / place
        places.add(target)
        if not target.exists() or target.read_bytes() != data:  # the rest is not rendered again
            write_atomic(target, data)
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in places]:
        path.unlink()
    os.utime(folder / "intro.md")  # it pastes other pages' numbers, whose changes Sphinx misses
    shutil.rmtree(folder / "_build", ignore_errors=True)
    return folder
