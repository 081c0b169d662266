"""One training loop for every network of the project: resumable at any kill, logged, with the remaining time shown."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm.auto import tqdm


def learning_rate(step: int, *, peak: float, steps: int, warmup: int = 300, decay: float = 0.25) -> float:
    """Linear warm-up, a plateau, then a cosine to zero over the last `decay` part of the steps.

    The plateau does not depend on `steps`: a run may be lengthened, or ended early, by changing that one number.
    """
    start = steps * (1 - decay)
    tail = 1.0 if step < start else 0.5 * (1 + math.cos(math.pi * (step - start) / (steps - start)))
    return peak * min(1.0, (step + 1) / warmup) * tail


def fit(
    module: nn.Module,
    loss: Callable[[int, np.random.Generator], Tensor],
    *,
    name: str,
    work: Path,
    steps: int,
    peak: float,
    seed: int,
    ema: float = 0.999,
    weight_decay: float = 0.01,
    decay: float = 0.25,
    save_seconds: float = 120.0,
) -> nn.Module:
    """Train `module` until `steps` by AdamW on `loss(step, rng)`, then load its averaged (EMA) weights into it.

    `rng` depends on `seed`, the step and the process alone, so a resumed run draws what the killed one would have drawn.
    State goes to ``work/name.pt`` (written to a temporary name, then renamed), the log to ``work/name.jsonl``.  Started
    by torchrun, each process takes the loss of its own draws and gradients are averaged: on a CPU two processes of one
    thread are faster than one of two.
    """
    rank, processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    work.mkdir(parents=True, exist_ok=True)
    path, log = work / f"{name}.pt", work / f"{name}.jsonl"
    optimizer = torch.optim.AdamW(module.parameters(), lr=peak, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True)
    weights = list(module.parameters())
    average = [w.detach().clone() for w in weights]
    step, seconds = 0, 0.0
    if path.exists():
        state = torch.load(path, weights_only=True)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        for kept, saved in zip(average, state["average"]):
            kept.copy_(saved)
        step, seconds = state["step"], state["seconds"]

    def save() -> None:
        state = {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "average": average,
                 "step": step, "seconds": seconds}
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    module.train()
    recent, last_save, tick = [], time.monotonic(), time.monotonic()
    bar = tqdm(total=steps, initial=step, desc=name, mininterval=10, disable=rank > 0)
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, peak=peak, steps=steps, decay=decay)
        value = loss(step, np.random.default_rng([seed, step, rank]))
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        if processes > 1:
            _average([w.grad for w in weights])
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        torch._foreach_lerp_(average, weights, 1 - min(ema, (1 + step) / (10 + step)))
        step += 1
        recent.append(float(value.detach()))
        bar.update()
        if step % 200 == 0 or step == steps:
            now = time.monotonic()
            seconds, tick = seconds + now - tick, now
            line = {"step": step, "loss": round(float(np.mean(recent)), 5), "seconds": round(seconds)}
            if rank == 0:
                with log.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            bar.set_postfix(loss=line["loss"])
            recent.clear()
            if rank == 0 and (now - last_save > save_seconds or step == steps):
                save()
                last_save = now
    bar.close()
    with torch.no_grad():
        for weight, kept in zip(weights, average):
            weight.copy_(kept)
    return module.eval()


def _average(gradients: list[Tensor]) -> None:
    """Replace gradients by their mean over all processes, in one message."""
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(mean.view_as(gradient))
