"""The runtime that draws in the browser: onnxruntime-web, kept in ``runtime/`` with its licence and its origin.

Here its files are what was fetched; a site has the wasm as gzip, a quarter of it, which the page unpacks.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from ... import UserError
from ...store import read_bytes
from .packing import zipped

FOLDER = Path(__file__).parent / "runtime"
PINNED = FOLDER / "pinned.json"  # version, files and their SHA-256


def pinned() -> dict[str, Any]:
    """Version, module, wasm and the SHA-256 of each file."""
    found: dict[str, Any] = json.loads(PINNED.read_text(encoding="utf-8"))
    return found


def told() -> dict[str, Any]:
    """What the page's script must know of it: its files in a site, and the bytes to load."""
    facts = pinned()
    size = len(read_bytes(FOLDER / facts["module"])) + len(
        zipped(read_bytes(FOLDER / facts["wasm"]))
    )
    return {
        "version": facts["version"],
        "module": facts["module"],
        "wasm": f"{facts['wasm']}.gz",
        "bytes": size,
    }


def place(folder: Path) -> None:
    """Copy it to a folder of a site.

    Raises:
        UserError: a file is missing or is not what was fetched.
    """
    check()
    wasm = pinned()["wasm"]
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(wasm))
    (folder / f"{wasm}.gz").write_bytes(zipped(read_bytes(FOLDER / wasm)))


def check() -> None:
    """Refuse a runtime that is not the pinned one.

    Raises:
        UserError: a file is missing or is not what was fetched.
    """
    for name, expected in pinned()["sha256"].items():
        if hashlib.sha256(read_bytes(FOLDER / name)).hexdigest() != expected:
            raise UserError(
                f"{FOLDER / name} is not the pinned file: get it back by `git checkout -- {name}` there."
            )
