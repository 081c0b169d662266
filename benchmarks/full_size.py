"""What pictures cost at full size: the released code's way, our sweep, diffusers' own batches, by type, batch and compiling.

Every architecture is the published one with random weights (no checkpoint is read): at full width on a GPU, narrowed to an eighth
on a CPU (`--narrow` narrows on a GPU too).  On a CPU the bundled planted model is timed as well, which is whole.  All figures of a
section come from one run on one device:

- released: float32, one picture at a time, hooks that give the altered layers another text at every step (`sweep.plain_loop`);
- ours: `locolib.drawing.sampling.generate`, in the types and batches named, the UNet compiled or not;
- diffusers: the pipeline's own call in batches, nothing altered, in the same type.

It writes the section of this device into ``benchmarks/RESULTS.md`` and leaves the others.  Run
``python benchmarks/full_size.py [--models sd-v1-5 sdxl deepfloyd-if] [--narrow] [--no-compile] [--rounds 2] [--note TEXT]``.
"""

import argparse
import gc
import os
import re
import sys
import warnings
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from random_models import random_model
from sweep import batched_pipeline, plain_loop, plan

from locolib import models, scores
from locolib.drawing import compiling
from locolib.drawing.provenance import processor, versions
from locolib.drawing.sampling import Settings, generate
from locolib.models import precision
from locolib.models.memory import GIB, predict

RESULTS = Path(__file__).with_name("RESULTS.md")
INTRO = """# What pictures cost

Each section is one run of `benchmarks/full_size.py` on one device: ratios compare figures of that run only. Architectures are the
published ones **with random weights**; no published checkpoint was run.
"""
NO_GPU = "## A GPU\n\nNot run: no GPU was at hand since this benchmark is as it is. `python benchmarks/full_size.py` on one writes its section here.\n"
PLANTED = "planted-sd-v1-5"
STEPS = {"sd-v1-5": 10, "sdxl": 5, "deepfloyd-if": 5, PLANTED: 10}
BATCHES = {
    "sd-v1-5": (4, 16, 64),
    "sdxl": (1, 8, 16),
    "deepfloyd-if": (4, 8),
    PLANTED: (32,),
}  # on a GPU


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a table.

    Attributes:
        way: what was run.
        speed: pictures a second; NaN where it could not be run.
        peak: bytes at the peak; NaN on a CPU, where nobody counts them.
        predicted: bytes that were predicted for it; NaN where nothing is.
        share: of the device's matmul peak in the same type, measured in this run.
    """

    way: str
    speed: float
    peak: float = float("nan")
    predicted: float = float("nan")
    share: float = float("nan")


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matmul_peak(device: torch.device, kind: torch.dtype) -> float:
    """FLOP per second of a large matrix product in a type: the best of some."""
    size = 8192 if device.type == "cuda" else 1024
    a = torch.randn(size, size, device=device).to(kind)
    a @ a
    best = float("inf")
    for _ in range(5):
        synchronize(device)
        started = perf_counter()
        a @ a
        synchronize(device)
        best = min(best, perf_counter() - started)
    return 2 * size**3 / best


def flop_of_image(model: models.Model, settings: Settings) -> float:
    """Counted by torch, of one picture: the steps of its two UNet rows, and the decoder."""
    from torch.utils.flop_counter import FlopCounterMode

    found = []
    for steps in (1, 2):
        with FlopCounterMode(display=False) as counter:
            generate(model, plan(1, model.spec.layers), Settings(steps=steps, guidance=3.0))
        found.append(counter.get_total_flops())
    return found[0] + (settings.steps - 1) * (found[1] - found[0])


def timed(run, model: models.Model, rows, settings: Settings, rounds: int) -> tuple[float, float]:
    """(pictures a second, bytes at the peak): the best of some rounds after a warm-up; NaN where memory runs out."""
    on_gpu = model.device.type == "cuda"
    try:
        run(model, rows[: settings.batch], settings)
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        best = float("inf")
        for _ in range(rounds):
            synchronize(model.device)
            started = perf_counter()
            run(model, rows, settings)
            synchronize(model.device)
            best = min(best, perf_counter() - started)
    except torch.OutOfMemoryError:
        return float("nan"), float("nan")
    return len(rows) / best, torch.cuda.max_memory_allocated() if on_gpu else float("nan")


def diffusers_batches(model: models.Model, rows, settings: Settings) -> None:
    """`sweep.batched_pipeline`; the decoder has the UNet's type meanwhile: where that overflows diffusers itself decodes in float32."""
    vae = model.pipeline.vae
    own = vae.dtype
    torch.nn.Module.to(vae, model.dtype)
    try:
        batched_pipeline(model, rows, settings)
    finally:
        torch.nn.Module.to(vae, own)


class Table:
    """Lines about one model, made one after another."""

    def __init__(self, name: str, asked: argparse.Namespace, device: torch.device) -> None:
        self.name, self.asked, self.device = name, asked, device
        self.narrow = asked.narrow or device.type == "cpu"
        self.lines: list[Line] = []
        self.flop = float("nan")
        self.settings = Settings(steps=STEPS[name], guidance=3.0, batch=1)

    def load(self, dtype: str) -> models.Model:
        if self.name == PLANTED:
            return models.load(PLANTED, device=self.device.type, dtype=dtype)
        return random_model(self.name, dtype=dtype, device=self.device.type, narrow=self.narrow)

    def add(self, way: str, run, model: models.Model, count: int, batch: int, *, flop: float = 0.0):
        """Time `count` pictures in batches, and keep the line."""
        settings = Settings(steps=self.settings.steps, guidance=3.0, batch=batch)
        before = dict(os.environ)
        os.environ[compiling.COMPILE] = "on" if "compiled" in way else "off"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            speed, peak = timed(
                run, model, plan(count, model.spec.layers), settings, self.asked.rounds
            )
        os.environ.clear()
        os.environ.update(before)
        ours = run is generate
        line = Line(
            way=way,
            speed=speed,
            peak=peak,
            predicted=predict(model, batch) if ours else float("nan"),
            share=speed * self.flop / self.asked.peaks[model.dtype] if ours else float("nan"),
        )
        self.lines.append(line)
        print(f"  {way:52} {speed:8.2f} images/s", flush=True)

    def fill(self) -> None:
        """All lines of the table."""
        cpu, half = self.device.type == "cpu", self.asked.half
        batches = BATCHES[self.name] if not cpu else (32,) if self.name == PLANTED else (8,)
        middle = batches[len(batches) // 2]
        for kind in ("float32", half):
            model = self.load(kind)
            latent = model.sampler == "ddim"  # diffusers' IFPipeline takes no latents
            if kind == "float32":
                self.flop = flop_of_image(model, self.settings)
                if latent:
                    self.add(
                        "released: float32, one at a time", plain_loop, model, 4 if cpu else 8, 1
                    )
            for batch in batches if kind == half else (middle,):
                self.add(f"ours, {kind}, batch {batch}", generate, model, self.count(batch), batch)
            if latent:
                way = f"diffusers, {kind}, batch {middle}"
                self.add(way, diffusers_batches, model, self.count(middle), middle)
            if self.asked.compile and (self.name == PLANTED if cpu else kind == half):
                way = f"ours, {kind}, compiled, batch {middle}"
                self.add(way, generate, model, 2 * middle, middle)
            del model
            gc.collect()
            if not cpu:
                torch.cuda.empty_cache()

    def count(self, batch: int) -> int:
        """Pictures of a timing: one batch on a CPU, two on a GPU and at least eight."""
        return batch if self.device.type == "cpu" else max(8, 2 * batch)

    def markdown(self) -> str:
        """The table, with what stands beside each line: as a multiple of the released way, and of diffusers in the same type."""
        about = (
            "bundled, trained weights"
            if self.name == PLANTED
            else "random weights"
            + (", widths an eighth, 16 x 16 latents" if self.narrow else ", full width")
        )
        first = next((line.speed for line in self.lines if line.way.startswith("released")), np.nan)
        rows = [
            f"### {self.name} ({about}), {self.settings.steps} steps\n",
            "| | images/s | times the released way | times diffusers in the same type | GiB | GiB predicted | of matmul peak |",
            "|---|---|---|---|---|---|---|",
        ]
        for line in self.lines:
            kind = re.search(r"b?float\d+", line.way)[0]
            theirs = next(
                (o.speed for o in self.lines if o.way.startswith(f"diffusers, {kind}")), np.nan
            )
            rows.append(
                f"| {line.way} | {_number(line.speed)} | {_number(line.speed / first)} | {_number(line.speed / theirs)} | "
                f"{_number(line.peak / GIB)} | {_number(line.predicted / GIB)} | {_percent(line.share)} |"
            )
        return "\n".join(rows) + "\n"


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""


def _percent(value: float) -> str:
    return f"{value:.0%}" if np.isfinite(value) else ""


def effect_of_batches(device: torch.device, half: str) -> str:
    """How far scores of the planted model's pictures move when 16 rows are drawn alone or together: one line a type."""
    found = []
    scorer = models.load_scorer(models.find(PLANTED).scorer)
    for kind in ("float32", half):
        model = models.load(PLANTED, device=device.type, dtype=kind)
        rows = plan(16, model.spec.layers)
        texts = scorer.texts([str(row.prompt) for row in rows])
        each = []
        for batch in (1, 16):
            images = generate(model, rows, Settings(steps=10, guidance=3.0, batch=batch))
            each.append((images, scores.clip_score(scorer.images(images), texts)))
        moved = np.abs(each[0][1] - each[1][1])
        levels = np.abs(each[0][0].astype(int) - each[1][0])
        found.append(
            f"{kind}: scores move by {moved.max():.3f} points at most ({moved.mean():.4f} on average), pixels by {levels.max()} "
            f"levels at most ({levels.mean():.4f})"
        )
    return "; ".join(found)


def command() -> str:
    """The options of this run, but for where it is written and what is noted of it."""
    told = sys.argv[1:]
    for name in ("--out", "--note"):
        if name in told:
            del told[told.index(name) : told.index(name) + 2]
    return "".join(f" {word}" for word in told)


def section(
    asked: argparse.Namespace, tables: list[Table], device: torch.device, minutes: float
) -> str:
    """This device's section of RESULTS.md."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    peaks = ", ".join(
        f"{precision.title(kind)} {peak / 1e12:.3g} TFLOP/s" for kind, peak in asked.peaks.items()
    )
    libraries = ", ".join(f"{name} {value}" for name, value in versions().items())
    facts = [
        f"## {where}\n",
        f"`python benchmarks/full_size.py{command()}`, {date.today()}, {minutes:.1f} minutes, "
        f"{torch.get_num_threads()} threads; {libraries}. Matmul peak: {peaks}. {asked.note}".rstrip()
        + "\n",
        f"Batch of 1 beside batch of 16, {PLANTED}, 16 pictures: {asked.effect}.\n",
    ]
    return "\n".join([*facts, *(table.markdown() for table in tables)])


def written(before: str, new: str) -> str:
    """RESULTS.md with a section replaced or added; the one that says that no GPU was at hand stays until one is."""
    parts = re.split(r"^(?=## )", before, flags=re.M)[1:]
    title = new.splitlines()[0]
    kept = [part for part in parts if part.splitlines()[0] not in (title, "## A GPU")]
    if not any("core" not in part.splitlines()[0] for part in [*kept, new]):
        kept.append(NO_GPU)
    return "\n".join([INTRO, new.strip() + "\n", *(part.strip() + "\n" for part in kept)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["sd-v1-5", "sdxl", "deepfloyd-if"])
    parser.add_argument(
        "--narrow", action="store_true", help="an eighth of every width, on a GPU too"
    )
    parser.add_argument(
        "--no-compile", dest="compile", action="store_false", help="leave out the compiled UNet"
    )
    parser.add_argument(
        "--half",
        choices=["bfloat16", "float16"],
        help="default: float16 on a GPU, bfloat16 on a CPU",
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--note", default="", help="a sentence for the section, such as what else ran"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    started, device = perf_counter(), precision.device()
    asked.half = asked.half or ("bfloat16" if device.type == "cpu" else "float16")
    asked.peaks = {
        kind: matmul_peak(device, kind) for kind in (torch.float32, precision.DTYPES[asked.half])
    }
    tables = [Table(name, asked, device) for name in [PLANTED, *asked.models]]
    for table in tables:
        print(table.name, flush=True)
        table.fill()
    asked.effect = effect_of_batches(device, asked.half)
    text = section(asked, tables, device, (perf_counter() - started) / 60)
    before = asked.out.read_text() if asked.out.exists() else ""
    asked.out.write_text(written(before, text))
    print(text)


if __name__ == "__main__":
    main()
