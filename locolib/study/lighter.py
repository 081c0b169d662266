"""A site that is light to load: pictures as WebP, none of them twice, downloads without outputs, no maps of others' scripts.

A plot keeps every pixel.  A figure made of images, of which lossy WebP at quality `QUALITY` takes less than half, is
lossy: two of 255 levels in the mean, invisible at readers' sizes, a quarter of the bytes.  What the notebooks drew stays
as exact PNG in the executed copies in `build/book/`, images stay in the store, and numbers are in the CSV to which a
figure links; this is about the copy that readers load.
"""

import io
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

from ..store import write_atomic

THREADS = 2  # that write pictures
QUALITY = 95  # of pictures that are not kept exactly
TEXTS = (".html", ".css", ".js")  # in which a picture may be named
_NAME = re.compile(r"_images/([\w.-]+)\.png")


def lighten(site: Path, kept: Path) -> None:
    """Make a rendered site lighter, in place.

    Args:
        kept: folder of the pictures that were written before, by the names that the book gives them: hashes of what they show.
    """
    for path in site.rglob("*.map"):  # for those who debug the theme's scripts
        path.unlink()
    for path in (site / "_sources").rglob("*.ipynb"):
        path.write_text(emptied(path.read_text(encoding="utf-8")), encoding="utf-8")
    changed = _pictures(site / "_images", kept)
    for page in site.rglob("*.html"):
        page.write_text(renamed(page.read_text(encoding="utf-8"), changed), encoding="utf-8")
    _unnamed(site)


def emptied(notebook: str) -> str:
    """An executed notebook as it is downloaded: with the parameters that were used, and without outputs, which its page shows."""
    made = nbformat.reads(notebook, as_version=4)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return f"{nbformat.writes(made)}\n"


def renamed(page: str, changed: Iterable[str]) -> str:
    """A page that names the pictures `changed` (without their ending) as WebP."""
    names = set(changed)
    return _NAME.sub(
        lambda found: f"_images/{found[1]}.webp" if found[1] in names else found[0], page
    )


def smaller(png: bytes) -> bytes:
    """A picture as WebP: every pixel as it was, unless lossy WebP takes less than half of that."""
    picture = Image.open(io.BytesIO(png))

    def written(**how: Any) -> bytes:
        file = io.BytesIO()
        picture.save(file, "webp", method=4, **how)
        return file.getvalue()

    exact, lossy = written(lossless=True), written(quality=QUALITY)
    return lossy if len(lossy) < len(exact) / 2 else exact


def _pictures(folder: Path, kept: Path) -> list[str]:
    """Write the PNG files of a folder as WebP where that is smaller; returns the names of those that changed, without ending."""
    paths = sorted(folder.glob("*.png"))

    def made(path: Path) -> bool:
        file = kept / f"{path.stem}-{QUALITY}.webp"
        if not file.exists():
            write_atomic(file, smaller(path.read_bytes()))
        if file.stat().st_size >= path.stat().st_size:
            return False
        path.with_suffix(".webp").write_bytes(file.read_bytes())
        path.unlink()
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        found = [path.stem for path, smaller_ in zip(paths, pool.map(made, paths)) if smaller_]
    for old in kept.glob("*.webp"):
        if old.stem not in {f"{path.stem}-{QUALITY}" for path in paths}:
            old.unlink()
    return found


def _unnamed(site: Path) -> None:
    """Remove pictures that no page, style or script names: what pages show lies in `_images/`, and once is enough."""
    texts = "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in site.rglob("*")
        if path.suffix in TEXTS
    )
    for path in (site / "_static").rglob("*.png"):
        if path.name not in texts:
            path.unlink()
