"""Neurons (Section 7, App. K): outputs of W_K and W_V that tell a style, ranked by z-score, and dropped.

A neuron is one output of a key or value matrix; it is scored at one token, over prompts in the style of an artist against the
same prompts without it.  Where the paper and the authors' code differ, `Request` has an option whose default is the paper's
reading, but for one: prompts of which images are made have no part in choosing the neurons (`overlap` has them take part).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd

from ...drawing.memory import Altered, Dropped, Row
from ...drawing.provenance import provenance
from ...drawing.sampling import generate, image_keys
from ...models import Model, Scorer, load_scorer
from ...scores import ENOUGH, NOTHING, Interval, clip_score, columns, mean, proportion, ratio
from ...store import Store, key
from .ranking import NEURONS, WIDTH, Activations, Ranking, Request, rank

Drops = Mapping[str, tuple[Dropped, ...]]
DOSES = (
    100,
    160,
    320,
    640,
    960,
    WIDTH,
)  # what it takes beyond the paper's numbers: to a quarter, a half, all of them
HALF = 640
FEW = (
    NEURONS[0],
    NEURONS[-1],
    320,
    HALF,
)  # the numbers tried where several models stand side by side
PAPER = "the paper's"  # the reading by which the paper's claims are judged
# Where the paper and the authors' code differ, one by one and together; what is not named is the default.
READINGS: dict[str, dict[str, Any]] = {
    "the paper's, held-out prompts": {},
    PAPER: {"overlap": True},
    "neutral mean": {"to": "neutral"},
    "end position": {"at": "end"},
    "end position, neutral mean": {"at": "end", "to": "neutral"},
    "the code's": {"at": "end", "to": "neutral", "overlap": True, "deviation": "population"},
}


def drops(
    ranking: Ranking,
    request: Request,
    *,
    top: Sequence[int] = NEURONS,
    random: Sequence[int] = NEURONS[-1:],
) -> Drops:
    """Interventions by name: "30", "50", "100" of the highest ``|z|``, and "random 100": as many drawn at random."""
    seed = int(key({"random": request.artist})[:8], 16)
    chosen = {str(count): ranking.top(count) for count in top}
    chosen |= {f"random {count}": ranking.random(count, seed) for count in random}
    return {name: ranking.dropped(neurons, request.to) for name, neurons in chosen.items()}


def doses(ranking: Ranking, other: Ranking, request: Request) -> Drops:
    """All of `drops` up to all neurons, and as many of the highest ``|z|`` of another artist ("other 100")."""
    every = drops(ranking, request, top=(*NEURONS[:-1], *DOSES), random=DOSES)
    return dict(every) | {
        f"other {name}": made for name, made in drops(other, request, top=DOSES, random=()).items()
    }


def papers(known: Activations, request: Request) -> Drops:
    """30 and 100 neurons as the paper chooses them, by all prompts, those that are tested among them: "the paper's: 30"."""
    asked = replace(request, at="subject", to="zero", **READINGS[PAPER])
    made = drops(rank(known, asked), asked, top=(NEURONS[0], NEURONS[-1]), random=())
    return {f"{PAPER}: {name}": change for name, change in made.items()}


def few_doses(ranking: Ranking, other: Ranking, request: Request) -> Drops:
    """What of `doses` is asked where several models stand side by side: `FEW` numbers, and controls of 100 and of half."""
    every = drops(ranking, request, top=FEW, random=(NEURONS[-1], HALF))
    return dict(every) | {
        f"other {name}": made
        for name, made in drops(other, request, top=(HALF,), random=()).items()
    }


def readings(known: Activations, request: Request) -> Drops:
    """100 and 640 neurons, and 640 random ones, in each of `READINGS`: names such as "the code's: 100"."""
    plain: dict[str, Any] = {"at": "subject", "to": "zero", "overlap": False, "deviation": "sample"}
    found: dict[str, tuple[Dropped, ...]] = {}
    for reading, options in READINGS.items():
        asked = replace(request, **plain | options)
        made = drops(rank(known, asked), asked, top=(NEURONS[-1], HALF), random=(HALF,))
        found |= {f"{reading}: {name}": change for name, change in made.items()}
    return found


def _rows(request: Request, dropped: Drops) -> Iterator[Row]:
    for name in ("clean", *dropped, "altered"):
        for prompt in request.tests:
            changes = (
                (Altered(layers=request.layers, prompt=prompt.plain),)
                if name == "altered"
                else dropped.get(name, ())
            )
            yield from (
                Row(prompt=prompt.prompt, seed=seed, changes=changes)
                for seed in request.seeds_of(prompt)
            )


def measure(
    model: Model, request: Request, dropped: Drops, *, store: Store, scorer: Scorer | None = None
) -> pd.DataFrame:
    """Score an artist's images (Fig. 10): clean ones, with neurons `dropped`, and with the layers given the plain prompt.

    Returns:
        A row for each image: artist, condition ("clean", those of `dropped`, "altered"), prompt, seed, style (CLIP-Score with
        "style of <artist>"), object (with the prompt without the style), picks_object (whether the scorer finds the image
        nearer to that than to those of the other tests), image (its key in the store).
    """
    scorer = scorer or load_scorer(model.spec.scorer)
    asked = {
        "model": model.fingerprint,
        "scorer": scorer.fingerprint,
        "request": request,
        "dropped": dropped,
        "neurons": 1,
    }
    name = f"{model.name}-neurons-{request.artist.replace(' ', '_')}-{key(asked)[:12]}"
    if (kept := store.run(name)) is not None:
        return kept[0]
    started, rows = monotonic(), list(_rows(request, dropped))
    once = {
        row: number for number, row in enumerate(dict.fromkeys(rows))
    }  # the same may be done under two names
    images = generate(
        model, list(once), request.settings, store=store, label=f"{model.name} {request.artist}"
    )
    keys = image_keys(model, list(once), request.settings)
    table = _scores(
        scorer.images(images)[[once[row] for row in rows]],
        request,
        ("clean", *dropped, "altered"),
        scorer,
    )
    table = table.assign(image=[keys[once[row]] for row in rows])
    minutes = (monotonic() - started) / 60
    store.put_run(
        name,
        table,
        provenance(
            model,
            request.settings,
            scorer,
            prompts=len(request.tests),
            seeds=request.seeds,
            minutes=minutes,
        ),
        keys,
    )
    return table


def _scores(
    seen: np.ndarray, request: Request, names: Sequence[str], scorer: Scorer
) -> pd.DataFrame:
    """The table of `measure` from embeddings of images, in the order of `_rows`."""
    tests, each = request.tests, len(request.seeds)
    seen = seen.reshape(len(names), len(tests), each, -1)
    texts = scorer.texts([f"style of {request.artist}", *(p.plain for p in tests)])
    hits = (seen @ texts[1:].T).argmax(-1) == np.arange(len(tests))[:, None]
    told = [(p.prompt, seed) for p in tests for seed in request.seeds_of(p)] * len(names)
    return pd.DataFrame(told, columns=["prompt", "seed"]).assign(
        artist=request.artist,
        condition=np.repeat(names, len(tests) * each),
        style=clip_score(seen, texts[0]).ravel(),
        object=clip_score(seen, texts[1:, None]).ravel(),
        picks_object=hits.ravel(),
    )


def by_unit(table: pd.DataFrame, column: str = "style") -> tuple[str, pd.DataFrame]:
    """What is drawn ("prompt", or "image" where prompts are too few), and mean scores [units, conditions].

    Prompts are drawn within artists and images within prompts (`strata`): what follows is about these artists.
    """
    prompts = table.groupby("artist").prompt.nunique()
    enough = prompts.sum() - len(prompts) >= ENOUGH - 1
    index = ["artist", "prompt"] if enough else ["artist", "prompt", "seed"]
    return "prompt" if enough else "image", table.pivot_table(
        values=column, index=index, columns="condition", sort=False
    )


def strata(scores: pd.DataFrame) -> list[str]:
    """Within what each unit of `by_unit` was drawn: an artist, or an artist's prompt."""
    return ["/".join(map(str, unit[:-1])) for unit in scores.index]


def removed(table: pd.DataFrame, condition: str, but: str = "clean") -> Interval:
    """How much of the style a condition removes, less what `but` does, as a share of what altering removes (NaN: nothing).

    A difference is that of the same prompts and noise (paired).
    """
    scores = by_unit(table)[1]
    full, within = (scores["clean"] - scores["altered"]).to_numpy(), strata(scores)
    whole = mean(full, within)
    if whole.low <= 0 or whole.value <= 0:
        return NOTHING
    return ratio((scores[but] - scores[condition]).to_numpy(), full, within)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each condition: style, object, share (see `removed`) and picks_object, each with its 95% interval.

    Returns:
        condition, style, object, share, picks_object (each with _low and _high), unit, units, images.
    """
    unit, style = by_unit(table)
    thing, within, rows = by_unit(table, "object")[1], strata(style), []
    for name in style.columns:
        part = table[table.condition == name]
        parts = {
            "style": mean(style[name].to_numpy(), within),
            "object": mean(thing[name].to_numpy(), within),
            "share": removed(table, name),
            "picks_object": proportion(
                part.picks_object.to_numpy(), (part.artist + part.prompt).to_numpy()
            ),
        }
        rows.append(
            {"condition": name}
            | columns(parts)
            | {"unit": unit, "units": len(style), "images": len(part)}
        )
    return pd.DataFrame(rows)
