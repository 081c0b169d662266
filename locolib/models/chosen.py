"""Which source a run was told to load a model from, beside those that the registry knows."""

import os
from pathlib import Path

VARIABLE = "LOCOLIB_SOURCE"  # NAME=SOURCE: for notebooks, whose parameters are as many as a page may have already


def choose_source(name: str, source: str | Path) -> None:
    """Let this process and its children, the kernels of notebooks among them, load the model `name` from `source`."""
    place = Path(source)
    os.environ[VARIABLE] = f"{name}={place.resolve() if place.exists() else source}"


def source_of(name: str) -> str | None:
    """The source that was chosen for a model; None: those of the registry."""
    chosen, _, source = os.environ.get(VARIABLE, "").partition("=")
    return source if source and chosen == name else None


def said_of(name: str) -> str:
    """The same in words that are right on every machine: the hub's id, or a folder's or file's own name; "" where none was chosen."""
    source = source_of(name) or ""
    return Path(source).name if Path(source).exists() else source
