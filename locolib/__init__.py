"""A study of where text-to-image models keep what they know (Basu et al., ICML 2024)."""

from collections.abc import Iterable
from pathlib import Path

__version__ = "0.2.0"


class UserError(ValueError):
    """A mistake that a user can mend: its message is one sentence which says what to do."""


class Notice(UserWarning):
    """What a user should know and need not mend; the command line prints it as one sentence."""


def visible(paths: Iterable[Path], folder: Path) -> list[Path]:
    """Those of some paths below a folder that nothing hides, sorted: neither ``._x`` of macOS nor ``.ipynb_checkpoints``."""
    return sorted(
        path
        for path in paths
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
