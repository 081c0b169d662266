"""Coverage of every kind of 95% interval, and the error rates of every rule that turns numbers into an outcome.

Everything is simulated, but for one table of coverage: units of a planted model's own sweep, drawn again and again.

    python benchmarks/rules.py [--worlds 2000] [--model planted-sd-v1-5] [--prompts 24] [--smoke]
"""

import argparse

import pandas as pd

from locolib import models
from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.prompts import choose, read
from locolib.scores import SIZES
from locolib.store import Store
from locolib.study import rules


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--model", default="planted-sd-v1-5")
    parser.add_argument("--prompts", type=int, default=0, help="of its style; 0: all")
    parser.add_argument("--smoke", action="store_true", help="20 worlds, two prompts, one step")
    asked = parser.parse_args()
    model, worlds = models.load(asked.model), 20 if asked.smoke else asked.worlds
    request = locogen.Request(
        prompts=choose(read("style"), 2 if asked.smoke else asked.prompts),
        seeds=locogen.seeds(1),
        settings=Settings(
            steps=1 if asked.smoke else model.spec.steps, guidance=model.spec.guidance
        ),
    )
    done = locogen.sweep(model, request, model.spec.m["style"], store=Store())
    with pd.option_context("display.width", 240, "display.max_rows", None):
        print(f"Coverage of 95% intervals, n = {', '.join(map(str, SIZES))} units")
        found = rules.covered(worlds, None if asked.smoke else done.effects)
        print(found.round(3).to_string(index=False))
        print(f"\nError rates of the rules, {worlds} tables each")
        table = rules.rates(worlds)
        columns = ["experiment", "rule", "n", "false positive", "false negative", "worlds"]
        print(table[columns].round(3).to_string(index=False))
    print(f"\n{rules.coverage_words(found)}\n{rules.words(table)}")


if __name__ == "__main__":
    main()
