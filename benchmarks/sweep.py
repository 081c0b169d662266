"""How fast a sweep is: ours, a plain loop as the released code's, and diffusers' own batched pipeline, in one run.

All three draw images of the same prompts and seeds, with the same weights, steps and guidance.

- ours: rows of many windows in full batches; K and V computed once for each prompt and layer, and gathered.
- plain loop: one image at a time; a hook on every ``attn2`` replaces the conditional text of the altered layers at every
  step, so that K and V are recomputed from text (what the paper's released code does).
- diffusers: the pipeline's own call in batches of the same size, without any intervention.

Run ``python benchmarks/sweep.py [--model planted-sd-v1-5] [--images 64] [--steps 10] [--rounds 3]``; prints images per
second (the best of the rounds), ratios, and the share of the machine's matmul peak that ours reaches.
"""

import argparse
from time import perf_counter

import torch

from locolib import UserError, models
from locolib.drawing.layers import sites
from locolib.drawing.memory import Altered, Row
from locolib.drawing.sampling import Settings, generate
from locolib.experiments import locogen
from locolib.prompts import read


def plan(count: int, layers: int) -> list[Row]:
    """`count` rows of a style sweep at m = 2 of a model of so many layers, prompts and windows in turn."""
    pairs, windows = read("style"), locogen.windows(layers, 2)
    return [
        Row(
            prompt=pairs[i % len(pairs)].original,
            seed=i,
            changes=(
                Altered(layers=windows[i % len(windows)], prompt=pairs[i % len(pairs)].target),
            ),
        )
        for i in range(count)
    ]


def plain_loop(model: models.Model, rows: list[Row], settings: Settings) -> None:
    """One image at a time, text replaced by hooks on every step."""
    modules = [model.unet.get_submodule(site.path) for site in sites(model.unet)]
    for row in rows:
        (change,) = row.changes
        target = model.encode([change.prompt]).states

        def replace(module, args, kwargs):
            states = kwargs["encoder_hidden_states"].clone()
            states[1:] = target
            return args, kwargs | {"encoder_hidden_states": states}

        handles = [
            modules[layer].register_forward_pre_hook(replace, with_kwargs=True)
            for layer in change.layers
        ]
        model.pipeline(
            row.prompt,
            latents=model.noise(model.generator(row.seed))[None].to(model.device, model.dtype),
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
        )
        for handle in handles:
            handle.remove()


def batched_pipeline(model: models.Model, rows: list[Row], settings: Settings) -> None:
    """diffusers' own pipeline in batches, nothing altered."""
    for i in range(0, len(rows), settings.batch):
        part = rows[i : i + settings.batch]
        noise = torch.stack([model.noise(model.generator(row.seed)) for row in part])
        model.pipeline(
            [row.prompt for row in part],
            latents=noise.to(model.device, model.dtype),
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
        )


def matmul_peak() -> float:
    """FLOP per second of a large float32 matrix product on this machine."""
    a = torch.randn(2048, 2048)
    a @ a
    started = perf_counter()
    for _ in range(5):
        a @ a
    return 5 * 2 * 2048**3 / (perf_counter() - started)


def flop_per_image(model: models.Model, settings: Settings) -> float:
    """Counted by torch: two UNet rows for each step, and the decoder."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        generate(model, plan(1, model.spec.layers), Settings(steps=1, guidance=settings.guidance))
    with FlopCounterMode(display=False) as more:
        generate(model, plan(1, model.spec.layers), Settings(steps=2, guidance=settings.guidance))
    step = more.get_total_flops() - counter.get_total_flops()
    return counter.get_total_flops() + (settings.steps - 1) * step


def timed(run, model: models.Model, rows: list[Row], settings: Settings, rounds: int) -> float:
    """Images per second: the best of some rounds, after a warm-up."""
    run(model, rows[: settings.batch], settings)
    best = float("inf")
    for _ in range(rounds):
        started = perf_counter()
        run(model, rows, settings)
        best = min(best, perf_counter() - started)
    return len(rows) / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="planted-sd-v1-5")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    try:
        if models.find(asked.model).pipeline == "IFPipeline":
            raise UserError(
                f"{asked.model} cannot be compared: diffusers' IFPipeline takes no latents; name a model that has a VAE."
            )
        model = models.load(asked.model)
    except UserError as error:
        parser.error(str(error))
    settings = Settings(steps=asked.steps, guidance=model.spec.guidance)
    rows = plan(asked.images, model.spec.layers)
    ours = timed(generate, model, rows, settings, asked.rounds)
    loop = timed(plain_loop, model, rows[: max(4, asked.images // 8)], settings, asked.rounds)
    diffusers = timed(batched_pipeline, model, rows, settings, asked.rounds)
    print(
        f"{asked.model}, {asked.images} images, {asked.steps} steps, batch {settings.batch}, {torch.get_num_threads()} threads"
    )
    print(f"ours                      {ours:7.2f} images/s")
    print(
        f"plain loop                {loop:7.2f} images/s   ours is {ours / loop:.1f} times as fast"
    )
    print(
        f"diffusers, no alteration  {diffusers:7.2f} images/s   ours is {ours / diffusers:.2f} times as fast"
    )
    print(f"share of the matmul peak  {ours * flop_per_image(model, settings) / matmul_peak():.0%}")


if __name__ == "__main__":
    main()
