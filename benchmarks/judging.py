"""How often `locolib edit` refuses a good edit, or writes a bad one: its rule on few pictures beside the same rule on many.

Every edit of some values of a planted model, by LocoEdit as the paper has it, by all tokens from the subject onward, and
sparing, is judged on as many pictures as there are prompts for (that is the truth here); then on few of them, drawn again and
again.

    python benchmarks/judging.py [--model planted-sd-v1-5] [--pool 48] [--pictures 24,8,4] [--draws 2000] [--smoke]
"""

import argparse
from dataclasses import replace

import numpy as np

from locolib import models
from locolib.drawing.sampling import Settings
from locolib.experiments import editing
from locolib.experiments.editing import kept, locoedit, sparing
from locolib.prompts import about, read
from locolib.store import Store

VALUES = {
    "style": ("van gogh", "jeremy mann"),
    "object": ("snoopy", "cat"),
    "fact": ("british monarch",),
}


def fewer(whole: editing.Judgement, count: int, rng: np.random.Generator) -> editing.Judgement:
    """The same edit, judged on `count` pictures for each question, drawn from those of `whole`."""
    found = {
        name: rng.choice(some, min(count, len(some)), replace=False) if len(some) else some
        for name, some in whole.found.items()
    }
    return replace(whole, found=found)


def rates(judgements: list[editing.Judgement], count: int, draws: int) -> tuple[float, float]:
    """(good edits refused, bad edits written) on `count` pictures, averaged over the edits of each kind; NaN where there is none."""
    rng, refused = np.random.default_rng(0), {True: [], False: []}
    for whole in judgements:
        good = not whole.problems()
        refused[good].append(
            np.mean([bool(fewer(whole, count, rng).problems()) for _ in range(draws)])
        )
    return (float(np.mean(refused[True])) if refused[True] else np.nan), (
        float(1 - np.mean(refused[False])) if refused[False] else np.nan
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="planted-sd-v1-5")
    parser.add_argument("--pool", type=int, default=48)
    parser.add_argument("--pictures", default="24,8,4")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--smoke", action="store_true", help="one value, four pictures, one step")
    asked = parser.parse_args()
    model, store = models.load(asked.model), Store()
    settings = Settings(steps=1 if asked.smoke else model.spec.steps, guidance=model.spec.guidance)
    pool, chosen = (4, {"fact": VALUES["fact"]}) if asked.smoke else (asked.pool, VALUES)
    found = []
    for attribute, values in chosen.items():
        start, m = model.spec.paper[attribute]
        window = tuple(range(start, start + m))
        for value in values:
            known, train = read(attribute), about(read(attribute), value)
            edits = {
                "the paper's": locoedit(model, train, window),
                "onward": locoedit(model, train, window, tokens="onward"),
                "sparing": sparing(
                    model, train, window, kept(known, value, train, bundled=model.spec.bundled)
                ),
            }
            for name, change in edits.items():
                whole = editing.judge(model, known, value, change, settings, store=store, most=pool)
                found.append(whole)
                print(
                    f"{attribute}, {value}, {name}: gone {whole.gone}, kept {whole.kept}, moved {whole.moved}; "
                    f"{'; '.join(whole.problems()) or 'does what was asked'}",
                    flush=True,
                )
    good = sum(not whole.problems() for whole in found)
    print(
        f"{len(found)} edits, of which {good} do what was asked, by {pool} pictures for each question"
    )
    for count in map(int, asked.pictures.split(",")):
        wrongly_refused, wrongly_written = rates(found, count, asked.draws)
        print(
            f"on {count} pictures: good edits refused {wrongly_refused:.3f}, bad edits written {wrongly_written:.3f}"
        )


if __name__ == "__main__":
    main()
