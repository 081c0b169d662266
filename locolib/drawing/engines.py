"""Who draws: this process, or an engine (`machines`): workers of a dask cluster, or processes that each draw a share of the rows.

`sampling.generate` hands an engine the batches of which images are missing, with the store in which they must land; what is not
there afterwards it draws itself, so an engine can lose time but no picture.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from ..models import Model
from ..store import Store
from .memory import Row

Batches = Sequence[Sequence[Row]]


class Elsewhere(Exception):  # noqa: N818 - it is no error
    """The rest of these rows is drawn by other processes, so there is nothing to go on with here."""


class Engine(Protocol):
    """Draws the missing ones of some batches into a store."""

    def draw(
        self,
        model: Model,
        batches: Batches,
        missing: Sequence[int],
        settings: Any,
        store: Store,
        label: str,
    ) -> None:
        """Draw what it can of `batches` at the places `missing`.

        Raises:
            Elsewhere: other processes draw what is left.
        """


_in_use: list[Engine | None] = [None]


def use(chosen: Engine | None) -> None:
    """From now on this process draws by an engine; None: by itself."""
    _in_use[0] = chosen


def in_use() -> Engine | None:
    """The engine of this process."""
    return _in_use[0]


@contextmanager
def alone() -> Iterator[None]:
    """``with alone():`` this process draws by itself, whatever engine is in use."""
    before = in_use()
    use(None)
    try:
        yield
    finally:
        use(before)


def drawn(
    model: Model,
    batches: Batches,
    missing: Sequence[int],
    settings: Any,
    store: Store | None,
    label: str,
) -> bool:
    """Let the engine in use draw what is missing; False where there is none, or nothing to keep images in, or nothing to draw."""
    chosen = in_use()
    if chosen is None or store is None or not missing:
        return False
    chosen.draw(model, batches, missing, settings, store, label)
    return True
