"""One training loop for every network of the project: resumable at any kill, logged, with the remaining time shown."""

import io
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..models.memory import hold
from ..store import write_atomic


def learning_rate(
    step: int, *, peak: float, steps: int, warmup: int = 300, decay: float = 0.25
) -> float:
    """Linear warm-up, a plateau, then a cosine to zero over the last `decay` part of the steps.

    The plateau does not depend on `steps`: a run may be lengthened, or ended early, by changing that one number.
    """
    start = steps * (1 - decay)
    tail = 1.0 if step < start else 0.5 * (1 + math.cos(math.pi * (step - start) / (steps - start)))
    return peak * min(1.0, (step + 1) / warmup) * tail


def device() -> torch.device:
    """Where networks are trained: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def processes() -> int:
    """How many processes train together (started by torchrun), 1 without."""
    return dist.get_world_size() if dist.is_initialized() else 1


def first() -> bool:
    """Whether this is the process that saves: the only one, or torchrun's first."""
    return not dist.is_initialized() or dist.get_rank() == 0


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
    by torchrun, each process takes the loss of its own draws and gradients are averaged.
    """
    rank = dist.get_rank() if dist.is_initialized() else 0
    work.mkdir(parents=True, exist_ok=True)
    hold()
    run = _Run(
        module,
        torch.optim.AdamW(
            _trained(module), lr=peak, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True
        ),
    )
    run.resume(work / f"{name}.pt")
    module.train()
    recent, last_save, tick = [], time.monotonic(), time.monotonic()
    bar = tqdm(total=steps, initial=run.step, desc=name, mininterval=10, disable=rank > 0)
    while run.step < steps:
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(run.step, peak=peak, steps=steps, decay=decay)
        value = loss(run.step, np.random.default_rng([seed, run.step, rank]))
        run.update(value, ema, shared=processes() > 1)
        recent.append(float(value.detach()))
        bar.update()
        if run.step % 200 and run.step != steps:
            continue
        now = time.monotonic()
        run.seconds, tick = run.seconds + now - tick, now
        line = {
            "step": run.step,
            "loss": round(float(np.mean(recent)), 5),
            "seconds": round(run.seconds),
        }
        bar.set_postfix(loss=line["loss"])
        recent.clear()
        if rank == 0:
            with (work / f"{name}.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            if now - last_save > save_seconds or run.step == steps:
                run.save(work / f"{name}.pt")
                last_save = now
    bar.close()
    run.load_average()
    return module.eval()


def saved(state: Any) -> bytes:
    """What ``torch.save`` writes of it: in one piece, so that a file of it is whole or not there."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def load_average(module: nn.Module, path: Path) -> None:
    """Load what `fit` had made of `module` when it saved `path`: averaged weights, and buffers as they were."""
    run = _Run(module, torch.optim.AdamW(_trained(module)))
    run.resume(path)
    run.load_average()


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in module.parameters() if weight.requires_grad]


class _Run:
    """A training under way: weights, their average, the optimizer's state, steps and seconds so far."""

    def __init__(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.module, self.optimizer = module, optimizer
        self.weights = _trained(module)
        self.average = [weight.detach().clone() for weight in self.weights]
        self.step, self.seconds = 0, 0.0

    def update(self, value: Tensor, ema: float, *, shared: bool) -> None:
        """One step down the gradient of `value`, which is averaged over processes where it is `shared`."""
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        if shared:
            _average([weight.grad for weight in self.weights])
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        torch._foreach_lerp_(
            self.average, self.weights, 1 - min(ema, (1 + self.step) / (10 + self.step))
        )
        self.step += 1

    def save(self, path: Path) -> None:
        state = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
            "seconds": self.seconds,
        }
        write_atomic(path, saved(state))

    def resume(self, path: Path) -> None:
        """Go on from what was saved at `path`, if anything was."""
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=device())
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        for kept, saved in zip(self.average, state["average"]):
            kept.copy_(saved)
        self.step, self.seconds = state["step"], state["seconds"]

    @torch.no_grad()
    def load_average(self) -> None:
        for weight, kept in zip(self.weights, self.average):
            weight.copy_(kept)


def _average(gradients: list[Tensor]) -> None:
    """Replace gradients by their mean over all processes, in one message."""
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(mean.view_as(gradient))
