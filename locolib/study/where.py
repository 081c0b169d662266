"""Where is it in the code?  Every equation, algorithm, figure and table of the paper with its function, its page and its test.

The list is made from docstrings: a function says which number of the paper it computes or draws, and nothing else is typed here
but what the paper's numbers are of.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

import nbformat

from .. import visible
from .pages import HOME, PAGES

# The paper's numbers in its order, and what they are of.
ITEMS = {
    "Section 3, loss": "what a diffusion model is trained to do",
    "Eq. 1": "classifier-free guidance",
    "Section 5.1.1, altered prediction": "some layers receive the target prompt",
    "Algorithm 1": "LocoGen: the window with the lowest score, for facts the highest",
    "Section 6.1, objective": "LocoEdit: keys and values of one prompt act like another's",
    "Section 6.1, closed form": "its solution",
    "Fig. 1": "LocoGen and LocoEdit at one look",
    **{f"Fig. {n}": "causal tracing of the UNet" for n in (2, 11, 12, 13)},
    "Fig. 3": "causal tracing of the text encoder",
    "Fig. 4": "pictures with a window altered",
    "Fig. 5": "CLIP-Score by window, five models",
    "Fig. 6": "pictures of edited models",
    "Fig. 7": "DeepFloyd: windows by prompt",
    "Fig. 8": "CLIP-Score of edits, five models",
    "Fig. 9": "pictures with neurons dropped",
    "Fig. 10": "CLIP-Score with neurons dropped",
    **{f"Fig. {n}": "pictures window by window" for n in range(14, 40)},
    "Fig. 40": "DeepFloyd: windows by prompt",
    **{f"Fig. {n}": "a model's cross-attention layers" for n in range(41, 46)},
    **{f"Fig. {n}": "pictures of edited models" for n in range(46, 54)},
    "Fig. 54": "editing the located layers against editing all",
    "Fig. 55": "pictures by window size",
    "Fig. 56": "CLIP-Score by window size",
    "Fig. 57": "other methods of editing",
    "Fig. 58": "a pair of pictures as raters see it",
    **{f"Fig. {n}": "pictures with neurons dropped" for n in (59, 60)},
    "Fig. 61": "edits of DeepFloyd",
    "Fig. 62": "attention in DeepFloyd's text encoder",
    "Table 1": "CLIP-Score of generic prompts before and after edits",
}
NUMBERED = re.compile(r"\b(Eq|Algorithm|Fig|Table)s?\.? (\d+(?:(?:, | and | to |, and )\d+)*)")
NAMED = re.compile(
    r"\((?:[^()]*; )?(Section [\d.]+, (?:loss|altered prediction|objective|closed form))\b"
)
OTHERS = re.compile(
    r"\([^()]*et al\.[^()]*\)|“[^”]*”"
)  # equations of other papers, and the paper's own words


@dataclass(frozen=True, kw_only=True)
class Place:
    """A function or class that says it computes or draws a number of the paper.

    Attributes:
        module, name: dotted module below locolib, and the name in it.
    """

    module: str
    name: str

    @property
    def path(self) -> str:
        return f"locolib.{self.module}.{self.name}"

    def pages(self) -> list[str]:
        """The pages whose code calls it; else those of its room."""
        room = ".".join(self.path.split(".")[:3])
        return [page for page in PAGES if self.path in _called_on(page)] or [
            page for page, kind in PAGES.items() if kind.__module__.startswith(f"{room}.")
        ]

    def test(self) -> str:
        """The first test that calls it, as ``file::test``; "" where there is none."""
        return next(
            (
                f"{path.relative_to(HOME / 'tests').as_posix()}::{name}"
                for path in visible((HOME / "tests").rglob("test_*.py"), HOME)
                for name, called in _tests(path)
                if self.path in called
            ),
            "",
        )


@cache
def _doors() -> dict[str, str]:
    """What packages pass on: ``locolib.experiments.locogen.sweep`` -> where it is defined."""
    found: dict[str, str] = {}
    for path in (HOME / "locolib").rglob("__init__.py"):
        package = ".".join(path.parent.relative_to(HOME).parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                found |= {
                    f"{package}.{alias.name}": f"{package}.{node.module}.{alias.name}"
                    for alias in node.names
                }
    return found


def called(nodes: Sequence[ast.stmt], imports: Mapping[str, str]) -> set[str]:
    """The dotted names of locolib that some code uses, by what its file imports."""
    found = set()
    for node in (node for statement in nodes for node in ast.walk(statement)):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in imports
        ):
            found.add(f"{imports[node.value.id]}.{node.attr}")
        elif isinstance(node, ast.Name) and node.id in imports:
            found.add(imports[node.id])
    return {_doors().get(name, name) for name in found}


def _imports(nodes: Sequence[ast.stmt]) -> dict[str, str]:
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "locolib"
        for alias in node.names
    }


def called_in(notebook: nbformat.NotebookNode) -> set[str]:
    """The dotted names of locolib that a notebook's code uses."""
    cells = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    code = ast.parse("\n".join(cells)).body
    return called(code, _imports(code))


@cache
def _called_on(page: str) -> set[str]:
    return called_in(nbformat.read(HOME / PAGES[page].source, as_version=4))


@cache
def _tests(path: Path) -> tuple[tuple[str, set[str]], ...]:
    """The tests of a file, and what each calls; a fixture or helper of the same file that it names counts as well."""
    code = ast.parse(path.read_text(encoding="utf-8")).body
    functions = {node.name: node for node in code if isinstance(node, ast.FunctionDef)}
    imports = _imports(code)

    def helpers(node: ast.FunctionDef) -> list[ast.FunctionDef]:
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} | {
            part.arg for part in node.args.args
        }
        return [
            node,
            *(
                functions[name]
                for name in sorted(names & set(functions))
                if not name.startswith("test_") and functions[name] is not node
            ),
        ]

    return tuple(
        (name, called(helpers(node), imports | _imports(node.body)))
        for name, node in functions.items()
        if name.startswith("test_")
    )


def mentioned(text: str) -> set[str]:
    """The numbers of the paper that a docstring names, as `ITEMS` writes them; not those of other papers."""
    text, found = OTHERS.sub("", " ".join(text.split())), set()
    for kind, numbers in NUMBERED.findall(text):
        mark = kind if kind in ("Algorithm", "Table") else f"{kind}."
        for part in re.split(r", and |, | and ", numbers):
            first, _, last = part.partition(" to ")
            found |= {f"{mark} {n}" for n in range(int(first), int(last or first) + 1)}
    return found | set(NAMED.findall(text))


@cache
def documented() -> tuple[tuple[Place, str], ...]:
    """Every public function and class of the library, with its docstring."""
    return tuple(_documented())


def _documented() -> Iterator[tuple[Place, str]]:
    for path in visible((HOME / "locolib").rglob("*.py"), HOME):
        module = ".".join(path.relative_to(HOME / "locolib").with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                yield Place(module=module, name=node.name), ast.get_docstring(node) or ""


def places() -> dict[str, list[Place]]:
    """Number of the paper -> the functions that compute or draw it; empty where there is none."""
    found: dict[str, list[Place]] = {item: [] for item in ITEMS}
    for place, text in documented():
        for item in mentioned(text) & set(ITEMS):
            found[item].append(place)
    return found


def page(copies: Callable[[str], Sequence[str]]) -> str:
    """The page of the book, in Markdown.

    Args:
        copies: the models of whose copy of a page there is an executed one (`book.copies`).
    """
    lines = [
        "# Where is it in the code?\n",
        "Every equation, algorithm, figure and table of the paper {cite}`basu2024`: the functions whose documentation "
        "says that they compute or draw it, the pages that show it, and a test of each.\n",
    ]
    for (what, found), group in groupby(
        places().items(), key=lambda pair: (ITEMS[pair[0]], pair[1])
    ):
        items = [item for item, _ in group]
        functions = ", ".join(f"{{py:obj}}`{place.name} <{place.path}>`" for place in found)
        shown = dict.fromkeys(
            page
            for place in found
            if place.module.startswith(("experiments.", "study."))
            for page in place.pages()
        )
        below = "none: it trains the models" if "organisms" in found[0].module else "all"
        pages = ", ".join(_linked(page, copies(page)) for page in shown) or below
        tests = ", ".join(f"`{test}`" for test in dict.fromkeys(p.test() for p in found) if test)
        lines += [
            f"**{_named(items)}**: {what}",
            f": {functions}\n\n  Pages: {pages}\n\n  Tested by {tests}\n",
        ]
    return "\n".join(lines)


def _named(items: Sequence[str]) -> str:
    """Neighbours as one: "Figs. 14 to 39", "Figs. 59 and 60"."""
    if len(items) == 1:
        return items[0]
    numbers = [item.split()[-1] for item in items]
    row = int(numbers[-1]) - int(numbers[0]) == len(items) - 1
    told = (
        f"{numbers[0]} to {numbers[-1]}"
        if row and len(items) > 2
        else f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    )
    return f"Figs. {told}"


def _linked(page: str, models: Sequence[str]) -> str:
    """A link to a page, or to the first of its copies."""
    source = Path(PAGES[page].source).with_suffix("").as_posix().removeprefix("book/")
    return f"{{doc}}`{page} <{source}{f'-{models[0]}' if models else ''}>`"
