"""How often the search by backward passes and pictures is right, on models of which the answer is known, and what it costs.

For each planted model and attribute, backward passes are made once on all prompts, and pictures of every set of layers that is
ever proposed, on all prompts too.  Then the search (`experiments.attribution.localise`) is run again and again on prompts drawn anew
from these, a few of which propose and the others confirm.  The draws share their pictures and the one training, so the rates say how the
answer depends on prompts, and their intervals are over models.  BEGIN and UNSEEN are varied beside their values, so
that both can be seen to matter or not.  "Part of the sweep's rows" is beside all windows of up to a quarter of the layers, which are
counted and not drawn.

Run ``python benchmarks/fast.py [--models ...] [--attributes style object fact] [--draws 200] [--prompts 18] [--sets]``; minutes for a model.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from locolib.experiments import attribution, locogen
from locolib.experiments.attribution import benchmark, confirming
from locolib.experiments.attribution.localisers import Scores
from locolib.experiments.locogen.backward import attribute, proposing
from locolib.models import load
from locolib.models.planted import Answer
from locolib.models.planted import benchmark as planted
from locolib.store import Store

FACT_AS = "object"  # a fact is told by the object that stands for it


class Made:
    """Backward passes and pictures of one model and attribute, made once on all prompts, as they are asked for."""

    def __init__(self, question: benchmark.Question, pool: int, store: Store) -> None:
        self.model, self._store = load(question.model), store
        spec = self.model.spec
        self.request = question.request(spec, pool)
        self._tables: dict[str, pd.DataFrame] = {}
        self._whole = attribute(self.model, self.request, every=2)
        sizes = range(1, spec.layers // 4 + 1)
        self.sweep_rows = 2 + sum(len(locogen.windows(spec.layers, m)) for m in sizes)  # a prompt's

    def predict(self, model, request, *, every):
        """What `attribute` gives of some of the prompts."""
        at = [self.request.prompts.index(prompt) for prompt in request.prompts]
        whole = self._whole
        rows = round(whole.rows * len(at) / len(whole.layers))
        return replace(whole, layers=whole.layers[at], gap=whole.gap[at], rows=rows)

    def draw(self, model, request, sets, *, store):
        """What `measure` gives of some of the prompts and sets."""
        if new := [one for one in sets if locogen.label(one) not in self._tables]:
            every = (), tuple(range(model.spec.layers))
            made = locogen.measure(model, self.request, [*every, *new], store=self._store)
            self._tables |= dict(iter(made.groupby("layers")))
        told = {prompt.original for prompt in request.prompts}
        table = pd.concat([self._tables[locogen.label(one)] for one in sets])
        return table[table.prompt.isin(told)]


@contextmanager
def beginning(begin: float) -> Iterator[None]:
    """The search with another BEGIN."""
    before = proposing.BEGIN
    proposing.sizes.__kwdefaults__["begin"] = begin
    try:
        yield
    finally:
        proposing.sizes.__kwdefaults__["begin"] = before


OUTCOMES = (benchmark.RIGHT, benchmark.FALSE, benchmark.MISSED, benchmark.OPEN)


def drawn(
    made: Made, answer: Answer, prompts: int, draws: int, unseens: Sequence[float], adjacent: bool
) -> pd.DataFrame:
    """A row for each draw of prompts and UNSEEN: what came out, and its part of the sweep's UNet rows."""
    rng, rows, pool = np.random.default_rng(0), [], made.request.prompts
    for _ in tqdm(range(draws), f"{made.model.name} {answer.attribute}: draws", mininterval=10):
        some = [pool[i] for i in rng.permutation(len(pool))[:prompts]]
        asked = replace(made.request, prompts=tuple(some))
        found = attribution.localise(
            made.model,
            asked,
            store=Store(),
            adjacent=adjacent,
            predict=made.predict,
            draw=made.draw,
            beside=False,
        )
        sweep = made.sweep_rows * len(some) * asked.settings.unet_rows
        for unseen in unseens:
            verdict, _ = confirming.decide(
                found.attribution,
                found.tried,
                found.full,
                nothing=found.verdict == "no effect",
                count=0,
                unseen=unseen,
            )
            said = Scores(
                layers=found.attribution.mean,
                rows=found.rows,
                seconds=0.0,
                verdict=verdict,
                found=found.found,
                adjacent=adjacent,
            )
            came = benchmark.outcome(benchmark.judged(said, answer), verdict)
            rows.append({"unseen": unseen, "outcome": came, "part": found.rows / sweep})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(planted()))
    parser.add_argument("--attributes", nargs="+", default=["style", "object", "fact"])
    parser.add_argument("--prompts", type=int, default=18)
    parser.add_argument("--pool", type=int, default=36, help="prompts that are drawn from; 0: all")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--begins", nargs="*", type=float, default=[0.3, 0.7], help="other BEGINs")
    parser.add_argument("--fewer", type=int, default=50, help="draws of other BEGINs")
    parser.add_argument(
        "--unseens", nargs="*", type=float, default=[0.4, 0.6], help="other UNSEENs"
    )
    parser.add_argument("--sets", action="store_true", help="any sets instead of windows")
    asked = parser.parse_args()
    store, told = Store(), []
    grid = [(proposing.BEGIN, asked.draws, (proposing.UNSEEN, *asked.unseens))]
    grid += [(begin, asked.fewer, (proposing.UNSEEN,)) for begin in asked.begins]
    for name in asked.models:
        for which in asked.attributes:
            answers = planted()[name].of(FACT_AS if which == "fact" else which)
            for answer in answers:
                question = benchmark.Question(model=name, answer=replace(answer, attribute=which))
                made = Made(question, asked.pool, store)
                for begin, draws, unseens in grid:
                    with beginning(begin):
                        found = drawn(made, answer, asked.prompts, draws, unseens, not asked.sets)
                    for unseen, own in found.groupby("unseen", sort=False):
                        row = {"model": name, "attribute": which, "begin": begin, "unseen": unseen}
                        rate = own.outcome.value_counts(normalize=True)
                        row |= {says: float(rate.get(says, 0.0)) for says in OUTCOMES}
                        told.append(row | {"part": float(own.part.mean())})
                        print(told[-1], flush=True)
    table = pd.DataFrame(told)
    for (begin, unseen), part in table.groupby(["begin", "unseen"], sort=False):
        print(
            f"begin {begin}, unseen {unseen}, n = {part.model.nunique()} models, draws of {asked.prompts} prompts: "
            + ", ".join(f"{says} {benchmark.over_models(part, part[says])}" for says in OUTCOMES)
            + f"; {benchmark.over_models(part, part.part)} of the sweep's UNet rows"
        )
    print(table.to_markdown(index=False, floatfmt=".3f"))


if __name__ == "__main__":
    main()
