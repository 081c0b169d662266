"""Planted T2I: every localiser on every planted model, as a table.

A localiser is ``(model, request) -> Scores`` (`locolib.experiments.attribution.localisers`); one of your own is asked by
``locolib bench-localiser FILE.py:function``.  Run ``python benchmarks/localisers.py [--attributes style object place] [--models ...]
[--prompts 6] [--more 18] [--steps 0] [--no-sweep] [--out answers.csv]``; it prints Markdown.
"""

import argparse
from pathlib import Path

import torch

from locolib.experiments.attribution import benchmark
from locolib.experiments.attribution.report_benchmark import in_words, verdicts
from locolib.study import bench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attributes", nargs="+", default=["style", "object", "place"])
    parser.add_argument("--models", nargs="+", default=[])
    parser.add_argument("--prompts", type=int, default=benchmark.PROMPTS)
    parser.add_argument("--more", type=int, default=benchmark.MORE)
    parser.add_argument("--steps", type=int, default=0, help="0: the models' default")
    parser.add_argument(
        "--no-sweep", action="store_true", help="do not ask the sweep of all windows"
    )
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    asked = benchmark.questions(args.attributes, args.models, args.steps)
    table = bench.table(asked, prompts=args.prompts, more=args.more, swept=not args.no_sweep)
    if args.out:
        table.to_csv(args.out, index=False)
    print(
        f"{torch.get_num_threads()} threads, {args.prompts} prompts, {args.more} to those that decide\n"
    )
    print(in_words(benchmark.summary(table)).to_markdown(index=False))
    print()
    print(verdicts(table).to_markdown(index=False))


if __name__ == "__main__":
    main()
