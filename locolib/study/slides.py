"""Slides of the figures that the pages drew (``python -m locolib.study.slides``): one file, which needs no network."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from .. import UserError
from ..store import write_atomic

TEMPLATES = Path(__file__).with_name("templates")
LINK = re.compile(r'<link\b[^>]*rel="stylesheet"[^>]*>')  # of what the file holds itself


@dataclass(frozen=True, kw_only=True)
class Slide:
    """One slide: a question, and the figure that answers it, which shows at the next key.

    Attributes:
        title: the question.
        page: where the figure is: an executed page's name; "" for a slide of words.
        figure: its name on that page.
        words: what stands below the title at once, in Markdown.
    """

    title: str
    page: str = ""
    figure: str = ""
    words: str = ""


SLIDES: Sequence[Slide] = (
    Slide(
        title="Where is van Gogh?",
        words='A model can paint "a house in the style of van gogh". Which of its layers make it van Gogh?\n\n'
        "**Write down** what you would do to find out, and what would convince you.",
    ),
    Slide(
        title="One prompt, each window of layers altered: which picture is another one?",
        page="07_planted_truth",
        figure="fig-images",
    ),
    Slide(
        title="The same as a curve. Where does it dip, and how deep, if style is in two layers?",
        page="07_planted_truth",
        figure="fig-curves",
    ),
    Slide(
        title="One layer more, and one more: where must the curve bend?",
        page="07_planted_truth",
        figure="fig-size",
    ),
    Slide(
        title="Somebody planted it there. Do the window, all but the window, and single layers do what they should?",
        page="07_planted_truth",
        figure="fig-check",
    ),
    Slide(
        title="LocoGen's answers, on prompts that did not choose them",
        page="07_planted_truth",
        figure="fig-hits",
    ),
    Slide(
        title="A model without a window. What should an honest method say?",
        page="07b_no_window",
        figure="fig-nowhere-curves",
    ),
    Slide(
        title="Can it be changed there? What do random layers do?",
        page="03_locoedit-planted-sd-v1-5",
        figure="fig-edits",
    ),
    Slide(
        title="Van Gogh is edited away. What happens to Monet?",
        page="03_locoedit-planted-sd-v1-5",
        figure="fig-others",
    ),
    Slide(
        title="Are a few neurons of these layers enough? As many random ones are the null",
        page="04_neuron_editing",
        figure="fig-neuron-bars",
    ),
    Slide(
        title="What would you have to see to believe it of Stable Diffusion?",
        words="A share, with its interval. Windows elsewhere. Prompts that had no part in the choice. Pictures, not scores alone.",
    ),
)


def notebook(root: Path, slides: Sequence[Slide] = SLIDES) -> NotebookNode:
    """The slides as a notebook: figures of pages that were run; those of others are left out.

    Raises:
        UserError: none of the pages has been run.
    """
    cells, shown = [], 0
    for slide in slides:
        picture = _figure(root, slide)
        if slide.page and picture is None:
            continue
        shown += bool(slide.page)
        cells.append(_cell("slide", f"## {slide.title}\n\n{slide.words}"))
        if picture is not None:
            cells.append(_cell("fragment", picture))
    if not shown:
        raise UserError(
            "None of the pages whose figures the slides show has been run; run `make study` first."
        )
    return new_notebook(
        cells=cells, metadata={"title": "Where is van Gogh?", "language_info": {"name": "python"}}
    )


def write(root: Path = Path("build"), slides: Sequence[Slide] = SLIDES) -> Path:
    """Write ``root/slides.html``; returns its path.

    Raises:
        UserError: none of the pages has been run.
    """
    own = TEMPLATES / "slides"
    styles = "\n".join(
        (own / name).read_text(encoding="utf-8") for name in ("reveal.css", "slides.css")
    )
    exporter = SlidesExporter(extra_template_basedirs=[str(TEMPLATES)], template_name="slides")
    resources = {
        "own": {"styles": styles, "script": (own / "reveal.js").read_text(encoding="utf-8")}
    }
    text, _ = exporter.from_notebook_node(notebook(root, slides), resources)
    out = root / "slides.html"
    write_atomic(out, LINK.sub("", text).encode())
    return out


def _cell(kind: str, text: str) -> NotebookNode:
    return new_markdown_cell(text, metadata={"slideshow": {"slide_type": kind}})


def _figure(root: Path, slide: Slide) -> str | None:
    """A figure of an executed page as HTML, with its caption and words for those who do not see it; None where there is none."""
    path = next((root / "book").rglob(f"{slide.page}.ipynb"), None) if slide.page else None
    for cell in nbformat.read(path, as_version=4).cells if path else ():
        told = cell.metadata.get("mystnb", {})
        if (
            told.get("figure", {}).get("name", "").removesuffix(f"-{slide.page.partition('-')[2]}")
            != slide.figure
        ):
            continue
        for output in cell.outputs:
            if data := output.get("data", {}).get("image/png"):
                alt, caption = (
                    html.escape(text) for text in (told["image"]["alt"], told["figure"]["caption"])
                )
                source = "".join(data.split())
                return (
                    f'<figure><img src="data:image/png;base64,{source}" alt="{alt}">'
                    f"<figcaption>{caption}</figcaption></figure>"
                )
    return None


if __name__ == "__main__":
    try:
        print(write())
    except UserError as error:
        raise SystemExit(str(error)) from None
