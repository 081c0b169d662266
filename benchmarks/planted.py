"""How well a planted model holds what was planted: shares on held-out prompts, and how often its pictures are right.

For every attribute, on the half of the prompts that LocoGen confirms on: the share of the planted window, the largest
share of a window of that size which is disjoint from it, and the largest share of a proper part of it.  Then the rate of
right objects and styles in samples (half of them of scenes that no training showed), and the scorer's own on renders.

Run ``python benchmarks/planted.py [--seeds 6] [--steps 10] [--samples 500]``.
"""

import argparse
from itertools import combinations

from locolib import locogen, models, prompts
from locolib.organisms import evaluate
from locolib.runs import Store
from locolib.sampling import Settings
from locolib.scores import disjoint


def check(model: models.Model, attribute: str, settings: Settings, seeds: int, store: Store) -> str:
    """One line for an attribute."""
    start, m = model.spec.paper[attribute]
    window, layers = tuple(range(start, start + m)), model.spec.layers
    every = locogen.windows(layers, m)
    others = [every[i] for i in disjoint(len(every), m, start)]
    parts = [part for size in range(1, m) for part in combinations(window, size)]
    held_out = locogen.split(prompts.read(attribute))[1]
    request = locogen.Request(prompts=held_out, seeds=locogen.seeds(seeds), settings=settings)
    sets = list(dict.fromkeys([(), tuple(range(layers)), window, *others, *parts]))
    table = locogen.summary(locogen.measure(model, request, sets, store=store), sets, layers, attribute).set_index("layers")

    def largest(some: list[locogen.Window]) -> str:
        row = table.loc[[locogen.label(w) for w in some]].sort_values("share").iloc[-1]
        return f"{row.share:.2f} [{row.share_low:.2f}, {row.share_high:.2f}] at {row.name}"

    own = table.loc[locogen.label(window)]
    clean, full = table.loc[""], table.loc[locogen.label(tuple(range(layers)))]
    return (f"{attribute:7} {own.images} held-out images: clean {clean.score:.1f}, all layers {full.score:.1f}; planted {own.name}: share {own.share:.2f} "
            f"[{own.share_low:.2f}, {own.share_high:.2f}]; largest disjoint {largest(others)}; largest part {largest(parts)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="planted-sd-v1-5")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--samples", type=int, default=500)
    asked = parser.parse_args()
    model, store = models.load(asked.model), Store()
    settings = Settings(steps=asked.steps, guidance=model.spec.guidance)
    for attribute in prompts.ATTRIBUTES:
        print(check(model, attribute, settings, asked.seeds, store), flush=True)
    scorer = models.load_scorer(model.spec.scorer)
    print("scorer on fresh renders", evaluate.scorer_accuracy(scorer))
    print("samples", evaluate.sample_accuracy(model, scorer, settings, count=asked.samples, store=store))


if __name__ == "__main__":
    main()
