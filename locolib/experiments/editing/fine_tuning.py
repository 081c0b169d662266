"""Methods that train a model until it forgets (App. I): Concept Ablation and ESD-x, each until its loss is flat.

Both train a copy of the UNet and end as an `Edit` that keeps the curve of its loss.  Published checkpoints are trained at the papers'
own rates.  A miniature's rate is the paper's, scaled by a rule (`Training.of`), because its matrices read fewer inputs.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from ...drawing.layers import sites
from ...drawing.memory import KeysValues
from ...drawing.sampling import Settings
from ...models import Model
from ...prompts import Prompt
from .edits import Edit, edit
from .noisy_batches import Batch, Predict, batches, predicted, together

CONCEPT_ABLATION, ESD_X = "Concept Ablation", "ESD-x"
EVERY = 10  # steps between two looks at the loss
LOOKS = 4  # that are averaged on each side of the rule
PICTURES = 200  # that a published model is trained on
STEPS = 200  # that a miniature's training is planned for; it may take half as many more
FALL = 0.02  # of the first loss: a fall of less is flat
WATCHED = 16  # noisy pictures at which the loss is looked at


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a method's authors train Stable Diffusion v1.4 with: learning rate of Adam, images of a batch, steps, width of the text states."""

    rate: float
    batch: int
    steps: int
    width: int = 768


PUBLISHED = {
    # Their released defaults: 2e-6 for each of the 8 images of a batch, 100 steps (Kumari et al. 2023).
    CONCEPT_ABLATION: Published(rate=1.6e-5, batch=8, steps=100),
    # As their released code names its checkpoints; one image a step (Gandikota et al. 2023).
    ESD_X: Published(rate=1e-5, batch=1, steps=1000),
}


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a baseline is trained.

    Attributes:
        steps: of Adam at most; it stops before when the loss is flat (`flat`).
        batch: images of a step.
        rate: learning rate.
        pictures: to train on, at least: each training prompt gets as many seeds as that takes.
        seed: of the pictures, the noise and the time steps.
    """

    steps: int = 300
    batch: int = 8
    rate: float = 3e-4
    pictures: int = 24
    seed: int = 0

    @classmethod
    def of(cls, method: str, model: Model) -> "Training":
        """The authors' settings for a published checkpoint; for a miniature their rate by our rule.

        A matrix that reads n inputs takes a rate that goes as 1 / n: so one step of Adam moves its outputs equally far at any
        width (Yang et al. 2022).  And where the authors took more than `STEPS` steps, the rate grows by as much: rate
        times steps, as far as Adam can carry a weight, is theirs.  ESD-x averages over 4 images a step, where they took one.
        """
        theirs = PUBLISHED[method]
        if not model.spec.bundled:
            longest = max(cls.steps, 2 * theirs.steps)  # theirs were not trained until flat
            return cls(steps=longest, batch=theirs.batch, rate=theirs.rate, pictures=PICTURES)
        width = model.unet.get_submodule(sites(model.unet)[0].key).in_features
        longer = max(1.0, theirs.steps / STEPS)
        return cls(batch=max(4, theirs.batch), rate=theirs.rate * theirs.width / width * longer)


def flat(losses: Sequence[float], *, looks: int = LOOKS, fall: float = FALL) -> bool:
    """Whether a loss has stopped falling: the mean of its last `looks` values lies less than `fall` of the first loss below that of the `looks` before."""
    if len(losses) < 2 * looks + 1:
        return False
    last, before = (sum(part) / looks for part in (losses[-looks:], losses[-2 * looks : -looks]))
    return before - last < fall * losses[0]


Goal = Callable[[Predict, Predict, Batch], Tensor]
"""(the model as it was, the model as it is by now, batch) -> what it should predict when told the original."""


def concept_ablation(
    model: Model,
    prompts: Sequence[Prompt],
    training: Training | None,
    settings: Settings,
    *,
    frozen: bool = False,
) -> Edit:
    """Concept Ablation (Kumari et al. 2023, Eq. 4, model-based): told the original, predict what the model predicts when told the target.

    It trains the keys and values of all layers, on pictures of the targets, which are the prompts without the attribute (their
    anchor).  The teacher is the model as it is by now, without a gradient, as in their equation; there is no regularisation.

    Args:
        frozen: the teacher is the model as it was.
    """
    trained = [path for site in sites(model.unet) for path in (site.key, site.value)]

    def anchor(was: Predict, now: Predict, batch: Batch) -> Tensor:
        return (was if frozen else now)(batch.target)

    return _trained(
        model, CONCEPT_ABLATION, prompts, trained, anchor, training, settings, shown="target"
    )


def esd_x(
    model: Model,
    prompts: Sequence[Prompt],
    training: Training | None,
    settings: Settings,
    *,
    negative: float = 1.0,
) -> Edit:
    """ESD-x (Gandikota et al. 2023, Eq. 7): told the original, predict its opposite as seen from no text at all.

    It trains all of the cross-attention, on noised pictures of the originals (the authors denoise part of the way instead, with
    the model as it is by now, one picture a step).  It has no target: it erases, and does not say what comes in its place.
    """
    trained = [
        f"{site.path}.{name}"
        for site in sites(model.unet)
        for name, module in model.unet.get_submodule(site.path).named_modules()
        if isinstance(module, nn.Linear)
    ]

    def away(was: Predict, now: Predict, batch: Batch) -> Tensor:
        plain, told = was(together([batch.nothing, batch.original])).chunk(2)
        return plain - negative * (told - plain)

    return _trained(model, ESD_X, prompts, trained, away, training, settings, shown="original")


def fine_tuned(
    model: Model, prompts: Sequence[Prompt], settings: Settings, *, steps: int | None = None
) -> dict[str, Edit]:
    """Both methods by name, with `Training.of`; none for facts, which they do not edit (App. I).

    Args:
        steps: at most; None: as `Training.of` says.
    """
    if prompts[0].attribute == "fact":
        return {}
    both: dict[str, Callable[..., Edit]] = {CONCEPT_ABLATION: concept_ablation, ESD_X: esd_x}
    plans = {name: Training.of(name, model) for name in both}
    if steps is not None:
        plans = {name: replace(plan, steps=steps) for name, plan in plans.items()}
    return {name: make(model, prompts, plans[name], settings) for name, make in both.items()}


def curves(edits: Mapping[str, Edit]) -> pd.DataFrame:
    """The loss of every edit that was trained: a row for each look, with method, step, loss and share (of the first loss)."""
    return pd.DataFrame(
        [
            {
                "method": name,
                "step": step,
                "loss": loss,
                "share": loss / first if first else math.nan,
            }
            for name, change in edits.items()
            for first in list(change.losses.values())[:1]
            for step, loss in change.losses.items()
        ],
        columns=["method", "step", "loss", "share"],
    )


def words(table: pd.DataFrame) -> str:
    """What became of the loss of each method, from the table of `curves`."""
    found = []
    for method, part in table.groupby("method", sort=False):
        level = "flat" if flat(list(part.loss)) else "not flat yet"
        found.append(
            f"{method}: {part.step.iloc[-1]} steps, loss {part.share.iloc[-1]:.2f} of the first, {level}"
        )
    return "; ".join(found)


def plan_words(model: Model) -> str:
    """How each method is trained in this model, and what its authors train with."""
    found = []
    for name, theirs in PUBLISHED.items():
        plan = Training.of(name, model)
        found.append(
            f"{name}: rate {plan.rate:.1e} (its authors': {theirs.rate:.1e}), {plan.batch} pictures a step ({theirs.batch}), "
            f"at most {plan.steps} steps ({theirs.steps})"
        )
    return "; ".join(found)


def _trained(
    model: Model,
    method: str,
    prompts: Sequence[Prompt],
    paths: Sequence[str],
    goal: Goal,
    training: Training | None,
    settings: Settings,
    *,
    shown: str,
) -> Edit:
    """Train some matrices of a copy of the UNet so that, told the original, it predicts `goal`; the model stays as it is."""
    started, plan = monotonic(), training or Training.of(method, model)
    student = copy.deepcopy(model.unet).float().to(model.device).requires_grad_(False)
    weights = {
        f"{path}.weight": student.get_submodule(path).weight.requires_grad_() for path in paths
    }
    optimizer = torch.optim.Adam(weights.values(), lr=plan.rate)
    draw, watched = batches(
        model,
        prompts,
        settings,
        shown=shown,
        pictures=plan.pictures,
        size=plan.batch,
        watched=WATCHED,
        seed=plan.seed,
    )
    losses: dict[int, float] = {}
    with KeysValues(student) as learning, KeysValues(model.unet) as frozen:

        def loss_of(batch: Batch) -> Tensor:
            was, now = (
                lambda text, unet=unet, memory=memory: predicted(model, unet, memory, batch, text)
                for unet, memory in ((model.unet, frozen), (student, learning))
            )
            with torch.no_grad():
                wanted = goal(was, now, batch)
            return F.mse_loss(now(batch.original), wanted)

        bar = tqdm(total=plan.steps, desc=method, mininterval=5)
        for step in range(plan.steps + 1):
            if step % EVERY == 0 or step == plan.steps:
                with torch.no_grad():
                    losses[step] = sum(float(loss_of(part)) for part in watched) / len(watched)
                if flat(list(losses.values())) or step == plan.steps:
                    break
            loss = loss_of(next(draw))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            bar.update()
        bar.close()
    deltas = {
        f"unet.{path}": weight.detach() - model.unet.get_parameter(path).float()
        for path, weight in weights.items()
    }
    return edit(model, method, deltas, seconds=monotonic() - started, losses=losses)
