"""What a study will cost, said before any of it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from time import monotonic
from typing import Any

import torch

from ..drawing.memory import Row, TextMemory
from ..drawing.provenance import processor, processors
from ..drawing.sampling import Settings, denoise
from ..experiments import locogen
from ..experiments.locogen.page import count
from ..models import Model, load
from ..models.precision import device
from ..store import Store
from .pages import Run


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What a model's images cost: seconds and bytes of one."""

    seconds: float
    size: float


def speed(model: Model, settings: Settings) -> Speed:
    """Time one batch at one and two steps, and go on from there."""
    rows = [Row(prompt=f"an image, {i}", seed=i) for i in range(settings.batch)]
    took = []
    for steps in (1, 1, 2):  # the first warms up
        started = monotonic()
        images = model.decode(
            denoise(
                model, rows, Settings(steps=steps, guidance=settings.guidance), TextMemory(model)
            )
        )
        took.append(monotonic() - started)
    seconds = took[1] + (settings.steps - 1) * max(took[2] - took[1], 0)
    return Speed(seconds=seconds / len(rows), size=0.6 * images[0].nbytes)


def price(images: int, each: Speed, store: Store) -> str:
    """One line: what so many images cost at most."""
    return (
        f"at most {images} images (those in the store are not made again): about "
        f"{images * each.seconds / 60:.1f} minutes, {images * each.size / 1e6:.0f} MB; the store holds {store.size() / 1e6:.0f} MB"
    )


def cost(model: Model, asked: locogen.Request, *, sizes: Sequence[int], store: Store) -> str:
    """One line: images, minutes and disk that sweeps of these window sizes will need at most."""
    sets = 2 + sum(len(locogen.windows(model.spec.layers, m)) for m in sizes)
    return price(count(asked, sets), speed(model, asked.settings), store)


def announce(todo: Sequence[Run], asked: Mapping[str, Any], store: Store) -> dict[str, float]:
    """What the pages `todo` will cost at most, a line each, before any of it is done; returns the seconds of each."""
    kept: dict[tuple[str, int], Speed] = {}
    torch.set_num_threads(
        threads()
    )  # as the pages have: beside other work a second thread can make all slower
    seconds = dict.fromkeys((run.name for run in todo), 0.0)
    total = Speed(seconds=0.0, size=0.0)
    for run in todo:
        page = asked[run.name]
        if not (images := page.images()):
            continue
        each = []
        for name in page.about():
            settings = page.settings_of(name)
            each.append(
                kept.get((name, settings.steps))
                or kept.setdefault((name, settings.steps), speed(load(name), settings))
            )
        seconds[run.name] = images * mean(
            one.seconds for one in each
        )  # as if each model had as many of them
        print(
            f"{run.name}: at most {images} images, about {seconds[run.name] / 60:.1f} minutes",
            flush=True,
        )
        total = Speed(
            seconds=total.seconds + seconds[run.name],
            size=total.size + images * mean(one.size for one in each),
        )
    if total.seconds:
        print(
            f"in all at most {total.seconds / 60:.0f} minutes of images (those in the store are not made again), "
            f"{total.size / 1e6:.0f} MB; the store holds {store.size() / 1e6:.0f} MB; {processor()}",
            flush=True,
        )
    return seconds


def workers() -> int:
    """Pages that run side by side: one for each processor, four at most (each needs some memory); on a GPU one."""
    return 1 if device().type != "cpu" else max(1, min(4, processors()))


def threads() -> int:
    """Threads of each page, which together are as many as there are processors."""
    return max(1, processors() // workers())
