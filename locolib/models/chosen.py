"""Which source a run was told to load a model from, beside those that the registry knows."""

import os
from pathlib import Path

# NAME=SOURCE, several parted as the paths of PATH are: for notebooks, whose parameters are as many as a page may have already
VARIABLE = "LOCOLIB_SOURCE"


def _known() -> dict[str, str]:
    told = (one.partition("=") for one in os.environ.get(VARIABLE, "").split(os.pathsep))
    return {name: source for name, _, source in told if source}


def choose_source(name: str, source: str | Path) -> None:
    """Let this process and its children, the kernels of notebooks among them, load the model `name` from `source`."""
    place = Path(source)
    known = _known() | {name: str(place.resolve() if place.exists() else source)}
    os.environ[VARIABLE] = os.pathsep.join(f"{name}={source}" for name, source in known.items())


def source_of(name: str) -> str | None:
    """The source that was chosen for a model; None: those of the registry."""
    return _known().get(name)


def said_of(name: str) -> str:
    """The same in words that are right on every machine: the hub's id, or a folder's or file's own name; "" where none was chosen."""
    source = source_of(name) or ""
    return Path(source).name if Path(source).exists() else source
