"""What a study will cost, said before any of it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import torch

from ..drawing.memory import Row
from ..drawing.provenance import processor, processors
from ..drawing.sampling import Settings, generate
from ..experiments import locogen
from ..experiments.locogen.page import count
from ..models import Model, load
from ..models.chosen import source_of
from ..models.memory import GIB, predict
from ..models.precision import device
from ..store import Store
from .pages import Run

SAMPLE = 8  # pictures of a batch that is timed on a CPU: there a larger one is hardly quicker


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What a model's images cost: seconds and bytes of one, and GiB of memory while a batch is made."""

    seconds: float
    size: float
    gib: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What a batch was measured to take: seconds of an image with one step, of each further step, and a picture's bytes."""

    first: float
    step: float
    size: float
    gib: float

    def at(self, steps: int) -> Speed:
        """The cost of an image of so many steps."""
        return Speed(seconds=self.first + (steps - 1) * self.step, size=self.size, gib=self.gib)


def speed(model: Model, settings: Settings) -> Speed:
    """Time one batch at one and two steps, and go on from there."""
    return timed(model, settings).at(settings.steps)


def timed(model: Model, settings: Settings, full: int = 0) -> Timed:
    """Time one batch at one and two steps; memory is predicted for batches of `full` (0: the same)."""
    rows = [Row(prompt=f"an image, {i}", seed=i) for i in range(settings.batch)]
    took = []
    for steps in (1, 1, 2):  # the first warms up
        started = monotonic()
        images = generate(
            model, rows, Settings(steps=steps, guidance=settings.guidance), quiet=True
        )
        took.append(monotonic() - started)
    return Timed(
        first=took[1] / len(rows),
        step=max(took[2] - took[1], 0) / len(rows),
        size=0.6 * images[0].nbytes,
        gib=predict(model, full or settings.batch) / GIB,
    )


def price(images: int, each: Speed, store: Store) -> str:
    """One line: what so many images cost at most."""
    return (
        f"at most {images} images (those in the store are not made again): about "
        f"{images * each.seconds / 60:.1f} minutes, {each.gib:.1f} GiB of memory (predicted), "
        f"{images * each.size / 1e6:.0f} MB of disk; the store holds {store.size() / 1e6:.0f} MB"
    )


def cost(model: Model, asked: locogen.Request, *, sizes: Sequence[int], store: Store) -> str:
    """One line: images, minutes and disk that sweeps of these window sizes will need at most."""
    sets = 2 + sum(len(locogen.windows(model.spec.layers, m)) for m in sizes)
    return price(count(asked, sets), speed(model, asked.settings), store)


def announce(todo: Sequence[Run], asked: Mapping[str, Any], store: Store) -> dict[str, float]:
    """What the pages `todo` will cost at most, a line each, before any of it is done; returns the seconds of each."""
    torch.set_num_threads(
        threads()
    )  # as the pages have: beside other work a second thread can make all slower
    measured = _Measured()
    seconds = dict.fromkeys((run.name for run in todo), 0.0)
    size = gib = 0.0
    for run in todo:
        made = {name: asked[run.name].images_of(name) for name in asked[run.name].about()}
        made = {name: images for name, images in made.items() if images}
        if not made:
            continue
        each = {name: measured.of(name, asked[run.name].settings_of(name)) for name in made}
        seconds[run.name] = sum(made[name] * each[name].seconds for name in made)
        size += sum(made[name] * each[name].size for name in made)
        most = max(one.gib for one in each.values())
        gib = max(gib, most)
        several = f" ({', '.join(f'{made[name]} of {name}' for name in made)})"
        print(
            f"{run.name}: at most {sum(made.values())} images{several if len(made) > 1 else ''}, "
            f"about {seconds[run.name] / 60:.1f} minutes, {most:.1f} GiB",
            flush=True,
        )
    if total := sum(seconds.values()):
        print(
            f"in all at most {total / 60:.0f} minutes of images (those in the store are not made again), "
            f"{gib:.1f} GiB of memory for a page's largest model (predicted), {size / 1e6:.0f} MB of disk; "
            f"the store holds {store.size() / 1e6:.0f} MB; {processor()}",
            flush=True,
        )
    return seconds


class _Measured:
    """Speeds that were measured, each architecture once.  One model is held at a time."""

    def __init__(self) -> None:
        self.kept: dict[str, Timed] = {}
        self.built: dict[str, str] = {}  # name -> architecture

    def of(self, name: str, settings: Settings) -> Speed:
        if name not in self.built:
            model = load(name, source=source_of(name))
            built = self.built[name] = architecture(model)
            batch = min(SAMPLE, settings.batch) if device().type == "cpu" else settings.batch
            if built not in self.kept:
                self.kept[built] = timed(model, replace(settings, batch=batch), full=settings.batch)
        return self.kept[self.built[name]].at(settings.steps)


def architecture(model: Model) -> str:
    """What an image's seconds and bytes depend on: the sizes of all that draws it, and their types of numbers."""
    shapes = [
        [tuple(weight.shape) for weight in getattr(model.pipeline, part).parameters()]
        for part in model.parts
    ]
    return f"{model.precision} {shapes}"


def workers() -> int:
    """Pages that run side by side: one for each processor, four at most (each needs some memory); on a GPU one."""
    return 1 if device().type != "cpu" else max(1, min(4, processors()))


def threads() -> int:
    """Threads of each page, which together are as many as there are processors."""
    return max(1, processors() // workers())
