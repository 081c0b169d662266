"""The runtime that draws in the browser: onnxruntime-web, kept in ``runtime/`` with its licence and its origin."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ... import UserError
from ...store import read_bytes

FOLDER = Path(__file__).parent / "runtime"
PINNED = FOLDER / "pinned.json"  # version, files and their SHA-256


def pinned() -> dict[str, Any]:
    """Version, module, wasm and the SHA-256 of each file."""
    found: dict[str, Any] = json.loads(PINNED.read_text(encoding="utf-8"))
    return found


def told() -> dict[str, Any]:
    """What the page's script must know of it."""
    facts = pinned()
    size = sum((FOLDER / name).stat().st_size for name in facts["sha256"])
    return {name: facts[name] for name in ("version", "module", "wasm")} | {"bytes": size}


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
