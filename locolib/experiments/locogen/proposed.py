"""The search for the smallest m where windows are many: backward passes name the windows that are drawn.

Algorithm 1 draws every window.  In a model of 70 layers that is 70 pictures a prompt and size, of which nearly all show that a window
does nothing.  Here each size draws only those windows that backward passes name: the best one on the prompts that choose, the best
one without a layer in common, the best ones of single values, and the known one.  Which of them is the answer, and whether it is
confirmed, is decided by pictures as ever (`scores.judge`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ...drawing.provenance import provenance
from ...models import Model
from ...prompts import Prompt
from ...store import Store, key
from .backward import attribute
from .backward.proposing import BEGIN, UNSEEN
from .measuring import Request

WORTH = (
    0.05  # that a larger size's best window must be predicted to have more, or it is passed over
)
DRAWN = 5  # windows of a size at most, without the known one
SIZES = 6  # that are drawn at most
LOOKS = 4  # of the trajectory's steps at which backward passes look, at most


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """What backward passes predict for a request, and which windows follow from it.

    Attributes:
        shares: [prompts, layers], of the change of the noise prediction; a row adds up to 1 but for its gap.
        gap: the largest gap of a prompt.
        prompts: of the request, in its order.
        choosing: which of them choose (`searching.split`).
    """

    shares: np.ndarray = field(repr=False)
    gap: float
    prompts: tuple[Prompt, ...] = field(repr=False)
    choosing: tuple[int, ...] = field(repr=False)

    @property
    def layers(self) -> int:
        return int(self.shares.shape[1])

    @cached_property
    def mean(self) -> np.ndarray:
        """[layers], shares over the prompts that choose."""
        return np.asarray(self.shares[list(self.choosing)].mean(0))

    def of_windows(self, m: int) -> np.ndarray:
        """[prompts, windows], the predicted share of every window of m layers."""
        sums = np.cumsum(np.pad(self.shares, ((0, 0), (1, 0))), axis=1)
        return np.asarray(sums[:, m:] - sums[:, :-m])

    def best(self, m: int) -> float:
        """Predicted share of the best window of m layers, on the prompts that choose."""
        return float(self.of_windows(m)[list(self.choosing)].mean(0).max())

    def starts(self, m: int, known: tuple[int, int] | None = None) -> tuple[int, ...]:
        """First layers of the windows of m layers that are drawn; `known` is a (start, m) that is always among them."""
        each = self.of_windows(m)
        mean = each[list(self.choosing)].mean(0)
        first = int(mean.argmax())
        apart = np.flatnonzero(np.abs(np.arange(len(mean)) - first) >= m)
        named = [first, *([int(apart[mean[apart].argmax()])] if len(apart) else [])]
        values = np.array([prompt.value for prompt in self.prompts])
        own = Counter(
            int(each[values == value].mean(0).argmax()) for value in dict.fromkeys(values)
        )
        named += [start for start, _ in own.most_common()]
        chosen = list(dict.fromkeys(named))[:DRAWN]
        if known and known[1] == m and known[0] < len(mean):
            chosen.append(known[0])
        return tuple(sorted(set(chosen)))

    def sizes(self, asked: Sequence[int] = ()) -> list[int]:
        """The sizes that are drawn, of those asked for (none: 1, 2, ... to a quarter of the layers); the last one always is."""
        every = list(asked) or list(range(1, max(1, self.layers // 4) + 1))
        chosen: list[int] = []
        for m in every:
            seen = self.best(chosen[-1]) if chosen else BEGIN - WORTH
            if self.best(m) >= seen + WORTH:
                chosen.append(m)
        return [*[m for m in chosen if m != every[-1]][: SIZES - 1], every[-1]]

    def unseen(self, m: int) -> bool:
        """Whether a window of m layers that is not drawn may control, for all that backward passes say."""
        return self.best(m) >= UNSEEN


def propose(
    model: Model, request: Request, choosing: Sequence[Prompt], *, store: Store
) -> Proposed:
    """Backward passes for every prompt of a request (its first seed), or what the store has of them."""
    asked = replace(request, seeds=request.seeds[:1])
    every = -(-request.settings.steps // LOOKS)
    facts = {"model": model.fingerprint, "request": asked, "every": every, "backward": 1}
    name = f"{model.name}-backward-{request.attribute}-{key(facts)[:12]}"
    if (kept := store.run(name)) is None:
        found = attribute(model, asked, every=every)
        table = pd.DataFrame(found.layers, columns=[str(i) for i in range(model.spec.layers)])
        said = provenance(
            model,
            request.settings,
            prompts=len(asked.prompts),
            seeds=asked.seeds,
            minutes=found.seconds / 60,
            attribute=request.attribute,
            gap=float(np.abs(found.gap).max()),
            rows=found.rows,
        )
        store.put_run(name, table, said, [])
        kept = table, said
    named = set(choosing)
    return Proposed(
        shares=kept[0].to_numpy(),
        gap=float(kept[1]["gap"]),
        prompts=request.prompts,
        choosing=tuple(i for i, prompt in enumerate(request.prompts) if prompt in named),
    )
