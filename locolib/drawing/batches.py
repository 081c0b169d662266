"""Rows cut for the device: as many together as fit, fewer when memory runs out, none lost; and images stored beside the work."""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from .. import Notice, UserError
from ..models import Model
from ..models.memory import bring, fitting, is_short, of_model, release
from ..models.shapes import Image
from ..store import Store
from .compiling import Plan
from .memory import Row, TextMemory

THREADS = 3  # that encode, hash and write images
Made = TypeVar("Made")
WAITING = 256  # images at most that wait for them


def drawn(
    model: Model,
    rows: Sequence[Row],
    todo: Sequence[range],
    settings: Any,
    make: Callable[[list[Row], TextMemory, bool], Made],
) -> Iterator[tuple[range, Made]]:
    """(which rows, what `make` gives of them) of every batch of `todo`, in order; a batch is cut into equal parts where it does not fit.

    How many rows fit is predicted from the memory that is free.  Where that was too much, the rows are halved and computed
    again, and all that follow are cut so as well.  Rows that take a restored state have their clean row in whatever part they
    are in: `sampling.denoise` adds it.

    Args:
        make: of rows, their text memory, and whether the UNet may be compiled.

    Raises:
        UserError: memory runs out with a single row.
    """
    if not todo:
        return
    memory, guided = TextMemory(model), settings.guided
    memory.encode(prompt for batch in todo for i in batch for prompt in _told(rows[i]))
    most = max(map(len, todo))
    # twice the room, so that text encoders, which are not needed any more, leave in good time
    bring(model, "unet", room=2 * _room(model, min(most, 8), guided))
    size = min(most, fitting(model, most, guided=guided))
    plan = Plan(model, len(todo))
    for batch in todo:
        parts = deque(_cut(batch, size))
        while parts:
            part = parts.popleft()
            memory.trim()
            compiled = plan.on and len(part) == size
            made = tried(lambda: make([rows[i] for i in part], memory, compiled))
            if made is None:
                release(model.device)
                size = _smaller(model, len(part))
                memory.forget()
                parts = deque(_cut(range(part.start, batch.stop), size))
                continue
            yield part, made
        plan.finished()


def _told(row: Row) -> set[Any]:
    """What a row's text memory needs, its clean row's too."""
    return row.prompts() | {getattr(row.prompt, "prompt", row.prompt)}


def _room(model: Model, batch: int, guided: bool) -> int:
    need = of_model(model)
    return need.denoising(batch) // (1 if guided else 2)


def _cut(batch: range, size: int) -> list[range]:
    """A batch in parts of `size` rows at most, as equal as can be."""
    count = -(-len(batch) // size)
    edges = [batch.start + len(batch) * i // count for i in range(count + 1)]
    return [range(a, b) for a, b in zip(edges, edges[1:])]


def tried(make: Callable[[], Made]) -> Made | None:
    """What `make` gives; None where memory ran out (what it held is let go of by then)."""
    try:
        return make()
    except (RuntimeError, MemoryError) as error:
        if not is_short(error):
            raise
        return None


def _smaller(model: Model, size: int) -> int:
    if size == 1:
        raise UserError(
            f"{model.name}: {model.device} has too little memory for one image, in {str(model.dtype).removeprefix('torch.')}; "
            "close other programs on it, or choose --dtype float16 or --device cpu (finished images are kept)."
        )
    warnings.warn(
        f"{model.name}: {size} rows did not fit into memory; {size // 2} are tried together.",
        Notice,
        stacklevel=3,
    )
    return size // 2


class Keeper:
    """``with Keeper(store) as keeper: keeper.put(key, image)`` encodes, hashes and writes images on threads.

    On leaving, all are written, also when the block fails; an error of the store is raised by `check`, or on leaving.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(THREADS)
        self._waiting: deque[Future[None]] = deque()
        self._errors: list[BaseException] = []

    def __enter__(self) -> "Keeper":
        return self

    def put(self, name: str, image: Image) -> None:
        """Store an image soon."""
        if self._store is not None:
            self._collect(WAITING)
            self._waiting.append(self._pool.submit(self._store.put_image, name, image))

    def check(self) -> None:
        """Raise the first error so far, before more is computed that could not be kept."""
        self._collect(WAITING)
        if self._errors:
            raise self._errors[0]

    def _collect(self, most: int) -> None:
        """Take note of what is done; wait until no more than so many images are not."""
        while self._waiting and (self._waiting[0].done() or len(self._waiting) > most):
            if error := self._waiting.popleft().exception():
                self._errors.append(error)

    def __exit__(self, kind: Any, *error: object) -> None:
        self._pool.shutdown(wait=True)
        self._collect(0)
        if kind is None:
            self.check()
