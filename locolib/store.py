"""What was asked, what is done: a store of images and results under keys of all that determines them.

Nothing is believed because it is there.  Every file says by a hash of its own bytes, and of the name under which it was
written, that it is whole and in its place; what does not fit is as good as missing, and is made again.
"""

import hashlib
import io
import json
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from . import UserError

DEFAULT = Path("build/store")
READERS = 4  # threads that read images
SEAL = b"loCk"  # the chunk that seals a PNG: private, and ancillary, so that every other reader skips it
END = b"\0\0\0\0IEND\xaeB`\x82"  # a PNG's last chunk
ENDING = 44 + len(END)  # bytes of `ending`


def key(content: dict[str, Any]) -> str:
    """32 hex digits that name `content`: the hash of its canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[
        :32
    ]


def digest(*parts: Any) -> str:
    """A hash of several parts, of bytes as they are and of all else its canonical JSON; with their lengths, so that none runs into the next."""
    whole = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def sealed(what: str, value: Any, *beside: bytes) -> bytes:
    """A JSON file {"content": hash, `what`: value} whose hash is of the value and of what belongs to it: its name, other files."""
    value = json.loads(json.dumps(value))  # as it will be read: tuples become lists, all keys words
    return json.dumps({"content": digest(value, *beside), what: value}, indent=1).encode()


def unsealed(data: bytes, what: str, *beside: bytes) -> Any:
    """The value in the bytes of a `sealed` file; None where anything of it, or of what belongs to it, is not as it was written."""
    try:
        read = json.loads(data)
        return read[what] if read["content"] == digest(read[what], *beside) else None
    except (ValueError, LookupError, TypeError, RecursionError):  # no JSON, or JSON of another kind
        return None


def ending(name: str, rest: bytes) -> bytes:
    """The last bytes of a key's PNG: the chunk that seals it, a hash of the key and of all other bytes, then the end."""
    body = SEAL + hashlib.sha256(name.encode() + rest + END).digest()
    return (
        (len(body) - len(SEAL)).to_bytes(4, "big")
        + body
        + zlib.crc32(body).to_bytes(4, "big")
        + END
    )


def write_atomic(path: Path, data: bytes) -> None:
    """Write to a temporary name beside `path`, then rename: a reader never sees half a file, nor do two writers clash.

    Raises:
        UserError: it cannot be written, the disk being full, say; nothing is left behind.
    """
    temporary = path.with_name(f"{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(
            temporary, "xb"
        ) as file:  # unlike tempfile's, such a file may be read by all whom the umask allows to
            file.write(data)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(
            f"{path} could not be written ({error.strerror}); what was finished before is kept: "
            "make room there, or let it be written, and run the same again."
        ) from error
    finally:
        with suppress(OSError):  # it is there only where something went wrong
            temporary.unlink()


def check_out(path: Path, *suffixes: str) -> None:
    """Refuse, before any work, a place that cannot be written; with `suffixes` it is a file's, without them a folder's.

    Raises:
        UserError: it is of the other kind, ends otherwise, lies below a file, or must not be written.
    """
    here = next(
        place for place in (path, *path.parents) if os.path.lexists(place)
    )  # what is there already
    if suffixes and path.is_dir():
        raise UserError(
            f"{path} is a folder; name a file in it, such as {path / f'NAME{suffixes[0]}'}."
        )
    if suffixes and path.suffix.lower() not in suffixes:
        raise UserError(
            f"The name of {path} must end in {' or '.join(suffixes)}; write {path.with_suffix(suffixes[0])}, say."
        )
    if not here.is_dir() and (here != path or not suffixes):
        raise UserError(f"{here} is a file, where a folder is needed; name another place.")
    if not os.access(here, os.W_OK):
        raise UserError(
            f"{here} must not be written; name another place, or change its permissions."
        )


class Store:
    """A folder of images (PNG, lossless) and runs (a tidy parquet table, its provenance, the keys of its images).

    Attributes:
        root: the folder.
        used: provenance of the runs that were read or written through this object, by name.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get("LOCOLIB_STORE") or DEFAULT)
        if self.root.exists() and not self.root.is_dir():
            raise UserError(f"The store {self.root} is a file; name a folder.")
        self.used: dict[str, dict[str, Any]] = {}
        self._whole: set[str] = set()  # images of runs that were found whole: many runs share them

    def write(self, path: Path, data: bytes) -> None:
        """Write a file of the store in the place of whatever is there: a file where a folder belongs, or a folder, was left by no run."""
        for folder in (self.root / place for place in path.relative_to(self.root).parents):
            if folder.is_file():
                remove(folder)
        if path.is_dir():
            remove(path)
        write_atomic(path, data)

    def _image_path(self, name: str) -> Path:
        return self.root / "images" / name[:2] / f"{name}.png"

    def sealed_image(self, name: str) -> bytes | None:
        """The bytes of a stored PNG, whole and of this key."""
        data = read_bytes(self._image_path(name))
        at = max(0, len(data) - ENDING)
        return data if data[at:] == ending(name, data[:at]) else None

    def image(self, name: str) -> np.ndarray | None:
        """The image [h, w, 3] stored under a key; None where there is none, or where the file is not as it was written."""
        if (data := self.sealed_image(name)) is None:
            return None
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))

    def images(self, names: Iterable[str]) -> list[np.ndarray | None]:
        """The images stored under some keys, read side by side."""
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(self.image, names))

    def shown(self, name: str) -> np.ndarray:
        """The image [h, w, 3] of a finished run, for a figure, where nothing is made again.

        Raises:
            UserError: the store has lost it since the run was read.
        """
        if (image := self.image(name)) is None:
            self._whole.discard(name)  # so that its run, when it is asked for again, is made again
            raise UserError(
                f"{self._image_path(name)} was lost or damaged while it was needed; run the same again, and it is made again."
            )
        return image

    def put_image(self, name: str, image: np.ndarray) -> None:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        rest = buffer.getvalue().removesuffix(END)
        self.put_sealed(name, rest + ending(name, rest))

    def put_sealed(self, name: str, data: bytes) -> None:
        """Keep the bytes of a PNG that is sealed already (`sealed_image`)."""
        self.write(self._image_path(name), data)

    def _read(self, name: str) -> tuple[bytes, list[str], dict[str, Any]] | None:
        """Table, keys of the images and provenance of a run; None where one is missing, damaged, or of another run."""
        table, images, said = (
            read_bytes(self.root / "runs" / name / file)
            for file in ("table.parquet", "images.txt", "run.json")
        )
        facts = unsealed(said, "provenance", os.fsencode(name), table, images)
        return None if facts is None else (table, images.decode().split(), facts)

    def run(self, name: str) -> tuple[pd.DataFrame, dict[str, Any]] | None:
        """(table, provenance) of a finished run; None where anything of it, its images included, is missing or damaged."""
        if (found := self._read(name)) is None:
            return None
        table, images, facts = found
        for image in images:
            if image not in self._whole and self.sealed_image(image) is None:
                return None
            self._whole.add(image)
        self.used[name] = facts
        return pd.read_parquet(io.BytesIO(table)), facts

    def put_run(
        self, name: str, table: pd.DataFrame, provenance: dict[str, Any], images: Iterable[str]
    ) -> None:
        """Keep a run; ``run.json`` is written last and says, by a hash of all, that the rest is whole."""
        folder, buffer, keys = self.root / "runs" / name, io.BytesIO(), "\n".join(images).encode()
        table.to_parquet(buffer)
        self.write(folder / "images.txt", keys)
        self.write(folder / "table.parquet", buffer.getvalue())
        self.write(
            folder / "run.json",
            sealed("provenance", provenance, os.fsencode(name), buffer.getvalue(), keys),
        )
        self.used[name] = provenance

    def _folders(self) -> dict[str, Path]:
        """The folders of runs, finished or not."""
        return {path.name: path for path in sorted((self.root / "runs").glob("*")) if path.is_dir()}

    def runs(self) -> dict[str, dict[str, Any]]:
        """Provenance of every finished run, by name."""
        return {name: found[2] for name in self._folders() if (found := self._read(name))}

    def size(self) -> int:
        """Bytes in the store."""
        total = 0
        for folder, _, files in os.walk(self.root):
            for file in files:
                with suppress(OSError):  # another process took it away
                    total += os.stat(os.path.join(folder, file)).st_size
        return total

    def clean(self, name: str | None = None) -> int:
        """Remove one run, finished or not, and the images that no other run uses, or everything; returns the bytes freed."""
        before, folders = self.size(), self._folders()
        if name is None:
            remove(self.root / "images")
            remove(self.root / "runs")
            remove(self.root / "imported")
            return before - self.size()
        if name not in folders:
            raise UserError(
                f"No run {name!r} in {self.root}; there are: {', '.join(folders) or 'none'}."
            )
        own, used = _keys(folders.pop(name)), set().union(*map(_keys, folders.values()))
        for image in own - used:
            remove(self._image_path(image))
        remove(self.root / "runs" / name)
        return before - self.size()


def read_bytes(path: Path) -> bytes:
    """A file's bytes, read once, to be hashed and parsed; none where there is no such file, or where it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError):  # ValueError: no system can have a file of such a name
        return b""


def _keys(folder: Path) -> set[str]:
    """The images that a run's folder names; a damaged list may say anything, but nothing that is no key."""
    words = read_bytes(folder / "images.txt").decode(errors="replace").split()
    return {word for word in words if word.isascii() and word.isalnum()}


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there.

    Raises:
        UserError: it must not be removed.
    """
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(
            path, ignore_errors=True
        )  # another process may be at it too: what counts is whether it is gone
    else:
        with suppress(OSError):
            path.unlink()
    if os.path.lexists(path):
        raise UserError(
            f"{path} could not be removed; change its permissions, or remove it yourself."
        )
