"""What was asked, what is done: a store of images and results under keys of all that determines them."""

import hashlib
import io
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from . import UserError

DEFAULT = Path("build/store")


def key(content: dict) -> str:
    """32 hex digits that name `content`: the hash of its canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]


def write_atomic(path: Path, data: bytes) -> None:
    """Write to a temporary name beside `path`, then rename: a reader never sees half a file, nor do two writers clash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def check_out(path: Path, *suffixes: str) -> None:
    """Refuse, before any work, a place that cannot be written; with `suffixes` it is a file's, without them a folder's.

    Raises:
        UserError: it is of the other kind, ends otherwise, lies below a file, or must not be written.
    """
    here = next(place for place in (path, *path.parents) if os.path.lexists(place))  # what is there already
    if suffixes and path.is_dir():
        raise UserError(f"{path} is a folder; name a file in it, such as {path / f'NAME{suffixes[0]}'}.")
    if suffixes and path.suffix.lower() not in suffixes:
        raise UserError(f"The name of {path} must end in {' or '.join(suffixes)}; write {path.with_suffix(suffixes[0])}, say.")
    if not here.is_dir() and (here != path or not suffixes):
        raise UserError(f"{here} is a file, where a folder is needed; name another place.")
    if not os.access(here, os.W_OK):
        raise UserError(f"{here} must not be written; name another place, or change its permissions.")


class Store:
    """A folder of images (PNG, lossless) and runs (a tidy parquet table, its provenance, the keys of its images).

    Attributes:
        root: the folder.
        used: provenance of the runs that were read or written through this object, by name.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get("LOCOLIB_STORE", DEFAULT))
        if self.root.exists() and not self.root.is_dir():
            raise UserError(f"The store {self.root} is a file; name a folder.")
        self.used: dict[str, dict] = {}

    def _image_path(self, name: str) -> Path:
        return self.root / "images" / name[:2] / f"{name}.png"

    def image(self, name: str) -> np.ndarray | None:
        """The image [h, w, 3] stored under a key; None where there is none, or where the file is damaged."""
        try:
            with Image.open(self._image_path(name)) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, SyntaxError):  # Pillow raises both for broken files: such an image is made again
            return None

    def shown(self, name: str) -> np.ndarray:
        """The image [h, w, 3] of a finished run, for a figure, where nothing is made again.

        Raises:
            UserError: the store has lost it.
        """
        if (image := self.image(name)) is None:
            raise UserError("The store has lost an image of a finished run; remove that run by `locolib clean RUN` and start again.")
        return image

    def put_image(self, name: str, image: np.ndarray) -> None:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        write_atomic(self._image_path(name), buffer.getvalue())

    def run(self, name: str) -> tuple[pd.DataFrame, dict] | None:
        """(table, provenance) of a finished run; None where it is missing or damaged."""
        folder = self.root / "runs" / name
        try:
            found = pd.read_parquet(folder / "table.parquet"), json.loads((folder / "run.json").read_text())
        except (OSError, ValueError):
            return None
        self.used[name] = found[1]
        return found

    def put_run(self, name: str, table: pd.DataFrame, provenance: dict, images: Iterable[str]) -> None:
        """Keep a run; ``run.json`` is written last and says that the rest is whole."""
        folder = self.root / "runs" / name
        buffer = io.BytesIO()
        table.to_parquet(buffer)
        write_atomic(folder / "images.txt", "\n".join(images).encode())
        write_atomic(folder / "table.parquet", buffer.getvalue())
        write_atomic(folder / "run.json", json.dumps(provenance, indent=2).encode())
        self.used[name] = provenance

    def runs(self) -> dict[str, dict]:
        """Provenance of every finished run, by name."""
        found = sorted((self.root / "runs").glob("*/run.json"))
        return {path.parent.name: json.loads(path.read_text()) for path in found}

    def size(self) -> int:
        """Bytes in the store."""
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())

    def clean(self, name: str | None = None) -> int:
        """Remove one run and the images that no other run uses, or everything; returns the bytes freed."""
        before = self.size()
        if name is None:
            shutil.rmtree(self.root / "images", ignore_errors=True)
            shutil.rmtree(self.root / "runs", ignore_errors=True)
            return before - self.size()
        folders = {path.parent.name: path for path in (self.root / "runs").glob("*/images.txt")}
        if name not in folders:
            raise UserError(f"No run {name!r} in {self.root}; there are: {', '.join(folders) or 'none'}.")
        used = set().union(*(path.read_text().split() for run, path in folders.items() if run != name))
        for image in set(folders[name].read_text().split()) - used:
            self._image_path(image).unlink(missing_ok=True)
        shutil.rmtree(folders[name].parent)
        return before - self.size()


def versions() -> dict[str, str]:
    """Versions of what computes: for the provenance of every page."""
    names = ("locolib", "torch", "diffusers", "transformers", "open_clip_torch")
    return {"python": platform.python_version()} | {name: version(name) for name in names}
