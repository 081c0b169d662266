"""How well a planted model holds what was planted: shares on held-out prompts, and how often its pictures are right.

For every attribute, on the half of the prompts that LocoGen confirms on: the share of the planted window, the largest
share of a window of that size which is disjoint from it, and the largest share of a proper part of it; where no window
was planted, the largest share of any window of each size up to a quarter of the layers.  (An artist with a window of
their own has few prompts: such a row is of all of them, not of the held-out half.)  Then the rate of right objects
and styles in samples (half of them of scenes that no training showed), and the scorer's own on renders.

Run ``python benchmarks/planted.py [--model planted-split] [--source FOLDER] [--seeds 6] [--steps 10] [--samples 500]``.
"""

import argparse
from dataclasses import replace
from itertools import combinations

import pandas as pd

from locolib import models, scores
from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.organisms import evaluate
from locolib.prompts import ATTRIBUTES, read
from locolib.scores import disjoint
from locolib.store import Store


def check(model: models.Model, asked: locogen.Request, store: Store, where: tuple[int, int]) -> str:
    """One line for an attribute, or for one of its values, that was planted in the window `where`."""
    start, m = where
    window, layers = tuple(range(start, start + m)), model.spec.layers
    every = locogen.windows(layers, m)
    others = [every[i] for i in disjoint(range(len(every)), m, start)]
    parts = [part for size in range(1, m) for part in combinations(window, size)]
    table = shares(model, asked, [window, *others, *parts], store)
    own, full = table.loc[locogen.label(window)], table.loc[locogen.label(tuple(range(layers)))]
    return (
        f"{own.images} images: clean {table.loc[''].score:.1f}, all layers {full.score:.1f}; planted {described(own)}; "
        f"largest disjoint {largest(table, others)}; largest part {largest(table, parts)}"
    )


def nowhere(model: models.Model, asked: locogen.Request, store: Store) -> str:
    """One line for an attribute that no short window has: the largest share of any, by size, and that of two layers apart."""
    layers = model.spec.layers
    sizes = {m: locogen.windows(layers, m) for m in range(1, layers // 4 + 1)}
    two = [(3, 12)] if model.spec.instead.get(asked.attribute) == "3 and 12" else []
    table = shares(model, asked, [*two, *(w for windows in sizes.values() for w in windows)], store)
    found = [f"m = {m}: {largest(table, windows)}" for m, windows in sizes.items()]
    return "; ".join(
        [
            *(f"the two {described(table.loc[locogen.label(w)])}" for w in two),
            "largest of each size",
            *found,
        ]
    )


def shares(
    model: models.Model, asked: locogen.Request, wanted: list[locogen.Window], store: Store
) -> pd.DataFrame:
    """Rows of `locogen.summary` by layer set: clean, all layers, and those wanted."""
    layers = model.spec.layers
    sets = list(dict.fromkeys([(), tuple(range(layers)), *wanted]))
    return locogen.summary(
        locogen.measure(model, asked, sets, store=store), sets, layers, asked.attribute
    ).set_index("layers")


def described(row: pd.Series) -> str:
    return f"{scores.interval(row)} at {row.name}"


def largest(table: pd.DataFrame, some: list[locogen.Window]) -> str:
    return described(table.loc[[locogen.label(w) for w in some]].sort_values("share").iloc[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="planted-sd-v1-5")
    parser.add_argument("--source", help="a folder with another training of the same model")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--samples", type=int, default=500)
    asked = parser.parse_args()
    model, store = models.load(asked.model, source=asked.source), Store()
    settings = Settings(steps=asked.steps, guidance=model.spec.guidance)
    for attribute in ATTRIBUTES:
        every = read(attribute)
        request = locogen.Request(
            prompts=locogen.split(every)[1], seeds=locogen.seeds(asked.seeds), settings=settings
        )
        if attribute in model.spec.paper:
            print(attribute, check(model, request, store, model.spec.paper[attribute]), flush=True)
        elif attribute == "style" and model.spec.by_value:
            for value, where in model.spec.by_value.items():  # a value has few prompts: all of them
                one = replace(request, prompts=every).about(value)
                print(attribute, value, check(model, one, store, where), flush=True)
        else:
            print(attribute, nowhere(model, request, store), flush=True)
    scorer = models.load_scorer(model.spec.scorer)
    print("scorer on fresh renders", evaluate.scorer_accuracy(scorer))
    print(
        "samples",
        evaluate.sample_accuracy(model, scorer, settings, count=asked.samples, store=store),
    )


if __name__ == "__main__":
    main()
