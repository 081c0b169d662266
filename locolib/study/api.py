"""The API reference: a page of the book for each room of the library, made by Sphinx from the docstrings."""

from collections.abc import Collection
from functools import cache

from .. import visible
from .pages import HOME
from .where import documented

PACKAGE = HOME / "locolib"
ROOMS = {
    "prompts": "What is asked",
    "scores": "What is a number",
    "store": "What is kept",
    "models": "Model families, and which models there are",
    "drawing": "From a row to its image",
    "figures": "What all figures share",
    "claims": "Claims and their outcomes",
    "experiments": "What all experiments share",
    "experiments.locogen": "LocoGen (Section 5)",
    "experiments.locogen.backward": "Shares of layers by backward passes (ours)",
    "experiments.attribution": "Backward passes, confirmed by pictures, and a benchmark (ours)",
    "experiments.tracing": "Causal tracing (Section 4)",
    "experiments.editing": "Editing (Section 6)",
    "experiments.neurons": "Neurons (Section 7)",
    "experiments.deepfloyd": "DeepFloyd's limits (Section 6.2, App. M)",
    "experiments.human": "The human study (Section 5.2, App. J)",
    "study": "The study as a whole",
    "study.lesson": "The lesson's parts and checks",
    "study.live": "The live page",
    "organisms": "How the bundled models were made",
}
# What runs when it is imported; parameters, which a notebook shows itself.
LEFT_OUT = ("__init__", "execute", "page", "parameters")
INTRO = """# API

The library's public functions, room by room, with their documentation. {doc}`../where` lists them by the paper's numbers;
`CONTRIBUTING.md` has the map, and worked examples. Arrays are annotated with the names of their axes:

```{literalinclude} ../locolib/models/shapes.py
:language: text
:start-after: '\"\"\"Axis names'
:end-before: '\"\"\"'
```
"""


def modules(room: str) -> list[str]:
    """Dotted modules of a room, the package itself first."""
    path = PACKAGE.joinpath(*room.split("."))
    if not path.is_dir():
        return [f"locolib.{room}"]
    names = [file.stem for file in visible(path.glob("*.py"), path) if file.stem not in LEFT_OUT]
    return [f"locolib.{room}.{name}" for name in names]


def documents() -> dict[str, str]:
    """The pages of the reference as Markdown, by their file below ``api/``."""
    made = {"index.md": INTRO}
    for room, title in ROOMS.items():
        blocks = [
            f"## {name.rpartition('.')[2]}\n\n`{name}`\n\n"
            f"```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n   :member-order: bysource\n```\n"
            for name in modules(room)
        ]
        head = f"# {title}\n\n`locolib.{room}`\n"
        made[f"{room.rpartition('.')[2]}.md"] = "\n".join([head, *blocks])
    return made


def linked(names: Collection[str]) -> str:
    """Links to some dotted names of the library, in Markdown; those that the reference does not have are left out."""
    known = [name for name in sorted(names) if name in _documented()]
    return ", ".join(f"{{py:obj}}`{name.rpartition('.')[2]} <{name}>`" for name in known)


@cache
def _documented() -> set[str]:
    """Public functions and classes of the rooms, by dotted name."""
    shown = {name for room in ROOMS for name in modules(room)}
    return {place.path for place, _ in documented() if f"locolib.{place.module}" in shown}
