"""``locolib doctor``: what a model is, what it takes here, and whether it does what this study needs of it."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from .. import UserError
from .options import Compile, Device, Dtype, Lora, Source, computing

ROWS, STEPS = 8, 5  # pictures of a self-test, and the most steps that they are sampled with
BATCHES = (1, 4, 16, 64)
GIB = 2**30
# What still counts as the same: the mean difference of pictures, in levels of 255, beside diffusers' own and otherwise, and the
# largest difference of scores, in points.  Half precision rounds otherwise in every batch, and diffusers keeps latents in it, which
# we do not.  About twice the largest that was measured in bfloat16 on a CPU, of four bundled models, and of the architectures of
# SD-v1-5, SDXL and DeepFloyd, narrowed, with random weights: beside diffusers 0.4 to 1.0 levels, DeepFloyd 3.9; between batches
# 0.22 levels and 0.22 points.  In float32: 0.00 levels, 0.003 points.  float16, of GPUs, rounds finer and was not measured.
SAME = {True: (0.5, 0.5, 0.1), False: (8.0, 0.5, 0.5)}


@dataclass(frozen=True, kw_only=True)
class Check:
    """A self-test: what should hold, whether it does, and by how much."""

    name: str
    good: bool
    detail: str

    def __str__(self) -> str:
        return f"{'pass' if self.good else 'FAIL'}  {self.name}: {self.detail}"


def doctor(
    model: str,
    source: Source = None,
    lora: Lora = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compiled: Compile = "off",
) -> None:
    """Say what MODEL is and takes, and try on its weights what every experiment relies on; exit code 1 if a self-test fails."""
    from ..models import load

    computing(device, dtype, compiled)
    loaded = load(model, source=source, lora=lora)
    for line in _said(loaded):
        typer.echo(line)
    failed = 0
    for check in checks(loaded):
        typer.echo(str(check))
        failed += not check.good
    if failed:
        typer.echo(
            f"{failed} self-tests failed: no result of this model can be relied on.", err=True
        )
        raise typer.Exit(1)
    typer.echo(f"next: {_next(loaded, source, lora)}")


def _next(model: Any, source: str | None, lora: Path | None) -> str:
    """The command that finds where the model keeps styles."""
    more = [
        f"--{name} {shlex.quote(str(value))}"
        for name, value in (("source", source), ("lora", lora))
        if value
    ]
    return " ".join(["locolib localize", model.name, "--attribute style", *more])


def _said(model: Any) -> Iterator[str]:
    """What a model is, a line each."""
    from ..drawing.layers import sites
    from ..drawing.sampling import Settings
    from ..models import encoders
    from ..models.memory import predict
    from .costs import speed

    spec, layers = model.spec, sites(model.unet)
    counts = {
        name: sum(w.numel() for w in getattr(model.pipeline, name).parameters())
        for name in model.parts
    }
    texts = [
        f"{type(one).__name__} of {one.config.num_hidden_layers} layers, {one.config.hidden_size} wide"
        for one in encoders(model.pipeline).values()
    ]
    yield f"model         {spec.name} ({spec.title}), a {spec.pipeline}, from {model.source}"
    yield f"fingerprint   {model.fingerprint}"
    yield f"architecture  {len(layers)} cross-attention layers that read text {layers[0].shape[1]} wide; {'; '.join(texts)}"
    yield "weights       " + ", ".join(
        f"{name} {count / 1e6:.1f} M" for name, count in counts.items()
    )
    yield f"precision     {model.precision} on {model.device}"
    predicts = model.pipeline.scheduler.config.prediction_type
    yield f"sampling      {model.sampler.upper()}, which predicts {predicts}; pictures of {model.side} x {model.side}"
    needs = ", ".join(f"{batch}: {predict(model, batch) / GIB:.2f}" for batch in BATCHES)
    yield f"memory        GiB predicted by batch, {needs}"
    try:
        cost = speed(model, Settings(steps=spec.steps, guidance=spec.guidance, batch=ROWS))
    except UserError as error:
        yield f"time          not measured: {error}"
        return
    yield f"time          {cost.seconds:.2f} seconds an image at {spec.steps} steps, in batches of {ROWS}"
    yield f"disk          {cost.size * 1000 / 1e6:.0f} MB for 1000 images at most"


def checks(model: Any) -> Iterator[Check]:
    """The self-tests, one after another; one that cannot be computed has failed and says why."""
    drawn = _Drawn(model)
    for name, check in (
        ("finite values", drawn.finite),
        ("no alteration is diffusers' own pipeline", drawn.plain),
        ("all layers altered are the target prompt", drawn.altered),
        (f"a batch of 1 is a batch of {ROWS}", drawn.batches),
    ):
        yield _tried(name, check)


def _tried(name: str, check: Callable[[], tuple[bool, str]]) -> Check:
    try:
        good, detail = check()
    except (UserError, RuntimeError, ValueError) as error:
        good, detail = False, (str(error).strip().splitlines() or [type(error).__name__])[0]
    return Check(name=name, good=good, detail=detail)


class _Drawn:
    """Pictures of a model for its self-tests: of the study's first styles, each with its own seed."""

    def __init__(self, model: Any) -> None:
        from ..prompts import listed

        self.model, spec = model, model.spec
        self.prompts = listed("style", printed=not spec.bundled)[:ROWS]
        self.steps, self.guidance = min(spec.steps, STEPS), spec.guidance
        self.beside, self.levels, self.points = SAME[model.dtype == torch.float32]
        self.kept: dict[int, np.ndarray] = {}

    def eight(self, batch: int) -> np.ndarray:
        """The pictures of all rows, so many together; drawn once."""
        if batch not in self.kept:
            self.kept[batch] = self.draw(self.rows(), batch)
        return self.kept[batch]

    def draw(self, rows: list[Any], batch: int = ROWS) -> np.ndarray:
        from ..drawing.sampling import Settings, generate

        return generate(
            self.model, rows, Settings(steps=self.steps, guidance=self.guidance, batch=batch)
        )

    def rows(self) -> list[Any]:
        from ..drawing.memory import Row

        return [Row(prompt=p.original, seed=i) for i, p in enumerate(self.prompts)]

    def finite(self) -> tuple[bool, str]:
        """Weights, latents and pixels; `generate` refuses what is not."""
        odd = [
            f"{part}.{name}"
            for part in self.model.parts
            for name, weight in getattr(self.model.pipeline, part).named_parameters()
            if not torch.isfinite(weight).all()
        ]
        if odd:
            return False, f"{len(odd)} weights are NaN or infinite, {odd[0]} the first"
        spread = self.eight(ROWS).std(axis=(1, 2)).max()
        return bool(
            spread > 0
        ), f"weights, latents and pixels; pixels spread by {spread:.0f} of 255 levels"

    def same(self, ours: np.ndarray, theirs: np.ndarray, most: float) -> tuple[bool, str]:
        """Whether two pictures are the same up to rounding: `most` levels apart, on average."""
        apart = np.abs(ours.astype(int) - theirs.astype(int))
        mean = float(apart.mean())
        return mean <= most, (
            f"mean difference {mean:.3f} of 255 levels (at most {most}), largest {apart.max()}"
        )

    def plain(self) -> tuple[bool, str]:
        from ..models import memory

        row = self.rows()[0]
        model, generator = self.model, self.model.generator(row.seed)
        memory.bring(model, *model.parts)
        if model.sampler == "ddpm":
            own = {"generator": [generator], "clean_caption": False, "output_type": "pt"}
        else:
            noise = model.noise(generator)[None].to(model.device, model.dtype)
            own = {"latents": noise, "output_type": "latent"}
        theirs = model.pipeline(
            [row.prompt], num_inference_steps=self.steps, guidance_scale=self.guidance, **own
        ).images
        return self.same(self.eight(1)[:1], model.decode(theirs.float()), self.beside)

    def altered(self) -> tuple[bool, str]:
        from ..drawing.memory import Altered, Row

        prompt = self.prompts[0]
        change = Altered(layers=tuple(range(self.model.spec.layers)), prompt=prompt.target)
        told = Row(prompt=prompt.original, seed=0, changes=(change,), pooled=prompt.target)
        ours, theirs, untouched = self.draw(
            [told, Row(prompt=prompt.target, seed=0), Row(prompt=prompt.original, seed=0)]
        )
        good, said = self.same(ours, theirs, self.levels)
        moved = np.abs(theirs.astype(int) - untouched.astype(int)).mean()
        return good and moved > 0, f"{said}; the prompt itself moves them by {moved:.1f}"

    def batches(self) -> tuple[bool, str]:
        from .. import scores
        from ..models import load_scorer

        rows, scorer = self.rows(), load_scorer(self.model.spec.scorer)
        texts = scorer.texts([row.prompt for row in rows])
        one, eight = self.eight(1), self.eight(ROWS)
        good, said = self.same(one, eight, self.levels)
        alone, together = (scores.clip_score(scorer.images(drawn), texts) for drawn in (one, eight))
        apart = float(np.abs(alone - together).max())
        return good and apart <= self.points, (
            f"scores differ by {apart:.4f} points at most (at most {self.points}); {said}"
        )
