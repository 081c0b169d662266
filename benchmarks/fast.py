"""How often the search by backward passes and pictures is right, on models of which the answer is known, and what it costs.

For each planted model and attribute, backward passes and pictures of all windows are made once, on all prompts.  Then the search
(`experiments.attribution.localise`) is run again and again on prompts drawn anew from these, half of which propose and half
confirm.  The draws share their pictures and the one training, so the rates say how the answer depends on prompts, and their
intervals are over models and attributes.  BEGIN and UNSEEN are varied beside their values, so that both can be seen to matter or not.

Run ``python benchmarks/fast.py [--models ...] [--attributes style object fact] [--draws 200] [--prompts 18]``; minutes for a model.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd

from locolib.drawing.sampling import Settings
from locolib.experiments import attribution, locogen
from locolib.experiments.attribution import benchmark, confirming
from locolib.experiments.attribution.localisers import Scores
from locolib.experiments.locogen.backward import attribute, proposing
from locolib.models import load
from locolib.models.planted import Answer
from locolib.models.planted import benchmark as planted
from locolib.prompts import listed
from locolib.scores import mean
from locolib.store import Store

FACT_AS = "object"  # a fact is told by the object that stands for it


class Made:
    """Backward passes and pictures of one model and attribute, made once on all prompts."""

    def __init__(self, name: str, attribute_: str, store: Store) -> None:
        self.model = load(name)
        spec = self.model.spec
        settings = Settings(steps=spec.steps, guidance=spec.guidance)
        prompts = listed(attribute_, printed=False)
        self.request = locogen.Request(prompts=prompts, seeds=locogen.seeds(1), settings=settings)
        layers = spec.layers
        sets = [w for m in range(1, layers // 4 + 1) for w in locogen.windows(layers, m)]
        every = tuple(range(layers))
        self.table = locogen.measure(self.model, self.request, [(), every, *sets], store=store)
        self.whole = attribute(self.model, self.request, every=2)
        self.sweep_rows = len(sets) + 2  # pictures a prompt

    def predict(self, model, request, *, every):
        """What `attribute` gives of some of the prompts."""
        at = [self.request.prompts.index(prompt) for prompt in request.prompts]
        whole = self.whole
        rows = round(whole.rows * len(at) / len(whole.layers))
        return replace(whole, layers=whole.layers[at], gap=whole.gap[at], rows=rows)

    def draw(self, model, request, sets, *, store):
        """What `measure` gives of some of the prompts and windows."""
        told = {prompt.original for prompt in request.prompts}
        wanted = {locogen.label(one) for one in sets}
        return self.table[self.table.prompt.isin(told) & self.table.layers.isin(wanted)]


@contextmanager
def thresholds(begin: float, unseen: float) -> Iterator[None]:
    """The search with other thresholds."""
    before = proposing.BEGIN, confirming.UNSEEN
    proposing.sizes.__kwdefaults__["begin"] = begin
    confirming.UNSEEN = unseen
    try:
        yield
    finally:
        proposing.sizes.__kwdefaults__["begin"], confirming.UNSEEN = before


def drawn(made: Made, answer: Answer, prompts: int, draws: int) -> pd.DataFrame:
    """A row for each draw of prompts: whether the search was right, and its part of the sweep's UNet rows."""
    rng, rows = np.random.default_rng(0), []
    pool = [p for p in made.request.prompts if not answer.values or p.value in answer.values]
    for _ in range(draws):
        some = [pool[i] for i in rng.permutation(len(pool))[:prompts]]
        asked = replace(made.request, prompts=tuple(some))
        found = attribution.localise(
            made.model, asked, store=Store(), predict=made.predict, draw=made.draw, beside=False
        )
        said = Scores(
            layers=found.attribution.mean,
            rows=found.rows,
            seconds=0.0,
            verdict=found.verdict,
            found=found.found,
        )
        sweep = made.sweep_rows * len(some) * asked.settings.steps * 2
        rows.append({"judged": benchmark.judged(said, answer), "part": found.rows / sweep})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(planted()))
    parser.add_argument("--attributes", nargs="+", default=["style", "object", "fact"])
    parser.add_argument("--prompts", type=int, default=18)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--others", nargs="*", type=float, default=[0.3, 0.7], help="other BEGINs")
    asked = parser.parse_args()
    store, told = Store(), []
    grid = [(proposing.BEGIN, confirming.UNSEEN)]
    grid += [(begin, confirming.UNSEEN) for begin in asked.others]
    grid += [(proposing.BEGIN, unseen) for unseen in (0.4, 0.8)]
    for name in asked.models:
        for which in asked.attributes:
            answers = planted()[name].of(FACT_AS if which == "fact" else which)
            made = Made(name, which, store)
            for answer in answers:
                for begin, unseen in grid:
                    with thresholds(begin, unseen):
                        found = drawn(made, answer, asked.prompts, asked.draws)
                    rate = found.judged.value_counts(normalize=True)
                    row = {"model": name, "attribute": which, "begin": begin, "unseen": unseen}
                    row |= {says: float(rate.get(says, 0.0)) for says in ("right", "wrong", "open")}
                    told.append(row | {"part of the sweep's rows": found.part.mean()})
                    print(row, f"{found.part.mean():.3f} of the sweep's rows", flush=True)
    table = pd.DataFrame(told)
    for (begin, unseen), part in table.groupby(["begin", "unseen"], sort=False):
        print(
            f"begin {begin}, unseen {unseen}, n = {len(part)} models and attributes, {asked.draws} draws of {asked.prompts} prompts: "
            + ", ".join(
                f"{says} {mean(part[says].to_numpy())}" for says in ("right", "wrong", "open")
            )
            + f"; {mean(part[part.columns[-1]].to_numpy())} of the sweep's UNet rows"
        )


if __name__ == "__main__":
    main()
