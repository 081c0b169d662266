"""Planted T2I: localisers scored on models of which it is known where they keep what they know (`models.planted`).

A question is a model and an attribute (of some models, one value of it).  A localiser answers with a score for each layer, and
some with a verdict; it is right by the file of answers, not by any picture.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu
from tqdm.auto import tqdm

from ... import UserError
from ...drawing.sampling import Settings
from ...models import Model, Spec, find, load
from ...models.planted import ALL, ANY, EVERYWHERE, WIDEST, Answer, Planted, benchmark
from ...prompts import about, choose, listed
from ...scores import Interval, columns, mean
from ..locogen import Request, seeds
from .localisers import Localiser, Scores

PROMPTS = 6  # of each question to those that only score layers
MORE = 18  # of each question to those that give a verdict: some of them choose, the others confirm
RIGHT, WRONG, OPEN = "right", "wrong", "open"
FALSE, MISSED = "falsely localised", "missed"  # the two ways to be WRONG


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: a model and the true answer about one attribute; `steps` of sampling, 0: the model's default."""

    model: str
    answer: Answer
    steps: int = 0

    @property
    def name(self) -> str:
        """In words: model, attribute, and the values if it is about some."""
        about = f" of {', '.join(self.answer.values)}" if self.answer.values else ""
        return f"{self.model}: {self.answer.attribute}{about}"

    def request(self, spec: Spec, prompts: int) -> Request:
        """So many of the study's prompts about it, drawn as the model's pictures are elsewhere; of one artist all prompts, with his name."""
        known = listed(self.answer.attribute, printed=False)
        if self.answer.values:
            known = tuple(one for value in self.answer.values for one in about(known, value))
        settings = Settings(steps=self.steps or spec.steps, guidance=spec.guidance)
        return Request(prompts=choose(known, prompts), seeds=seeds(1), settings=settings)


def questions(
    attributes: Sequence[str] = ("style", "object", "place"),
    models: Sequence[str] = (),
    steps: int = 0,
) -> list[Question]:
    """All questions of the benchmark about some attributes and models (none named: all), in the order of the file of answers.

    Raises:
        UserError: there is no such model or attribute in the benchmark, or no benchmark.
    """
    every: Mapping[str, Planted] = benchmark()
    if not every:
        raise UserError("The benchmark's models are not there: run `git checkout -- data/planted`.")
    for name in models:
        if name not in every:
            raise UserError(f"{name!r} is no model of the benchmark; it has {', '.join(every)}.")
    known = list(dict.fromkeys(a.attribute for one in every.values() for a in one.answers))
    for name in attributes:
        if name not in known:
            raise UserError(
                f"{name!r} is no attribute of the benchmark; it has {', '.join(known)}."
            )
    return [
        Question(model=name, answer=answer, steps=steps)
        for name in models or every
        for attribute in attributes
        for answer in every[name].of(attribute)
    ]


def words(told: str) -> tuple[str, ...]:
    """Names that are separated by commas."""
    return tuple(word.strip() for word in told.split(",") if word.strip())


def auroc(layers: np.ndarray, answer: Answer) -> float:
    """How often a planted layer scores above another one, ties half; NaN where all layers are planted."""
    own = np.isin(np.arange(len(layers)), answer.layers)
    if own.all():
        return float("nan")
    statistic = mannwhitneyu(layers[own], layers[~own]).statistic
    return float(statistic / (own.sum() * (~own).sum()))


def overlap(layers: np.ndarray, answer: Answer) -> float:
    """Of as many highest-scoring layers as were planted, the part that is; NaN where all layers are planted."""
    count = len(answer.layers)
    if count == len(layers):
        return float("nan")
    best = np.argsort(-layers, kind="stable")[:count]
    return float(np.isin(best, answer.layers).mean())


def judged(found: Scores, answer: Answer) -> str:
    """Whether a verdict is RIGHT, WRONG or OPEN (it says that it does not know).

    `localised` is right for the planted layers exactly, or one of them where any is enough; `not localised` is right where
    nothing that could be found is there: everywhere, or, for those that look at windows only, in no window of at most a quarter.
    """
    here = set(found.found) == set(answer.layers)
    if answer.rule == ANY:
        here = len(found.found) == 1 and set(found.found) <= set(answer.layers)
    findable = answer.rule == ANY or (
        answer.rule == ALL
        and (answer.window is not None if found.adjacent else len(answer.layers) <= WIDEST)
    )
    if found.verdict == "localised":
        return RIGHT if here and answer.rule != EVERYWHERE else WRONG
    if found.verdict == "not localised":
        return WRONG if findable else RIGHT
    return OPEN


def outcome(judgement: str, verdict: str) -> str:
    """What `judged` says of a verdict, WRONG told apart: FALSE or MISSED."""
    if judgement != WRONG:
        return judgement
    return FALSE if verdict == "localised" else MISSED


def row(question: Question, name: str, found: Scores) -> dict[str, Any]:
    """One answer of one localiser as a row: what it said, and how far that is right."""
    answer, layers = question.answer, np.asarray(found.layers, float)
    share = overlap(layers, answer)
    return {
        "localiser": name,
        "model": question.model,
        "question": question.name,
        "attribute": answer.attribute,
        "rule": answer.rule,
        "layers": answer.words,
        "auroc": auroc(layers, answer),
        "overlap": share,
        "exact": share if np.isnan(share) else float(share == 1),
        "verdict": found.verdict,
        "found": " ".join(map(str, found.found)),
        "judged": judged(found, answer) if found.verdict else "",
        "rows": found.rows,
        "seconds": found.seconds,
        "scores": " ".join(f"{score:.4g}" for score in layers),
    }


def run(
    localisers: Mapping[str, Localiser], asked: Iterable[Question], *, prompts: int = PROMPTS
) -> pd.DataFrame:
    """Every localiser on every question: a row for each (see `row`).

    Raises:
        UserError: a localiser gives something else than a finite score for each layer.
    """
    asked, told, loaded = list(asked), [], {}
    bar = tqdm(total=len(asked) * len(localisers), desc="questions")
    for question in asked:
        if question.model not in loaded:
            loaded = {question.model: load(question.model)}
        model = loaded[question.model]
        request = question.request(find(question.model), prompts)
        for name, localiser in localisers.items():
            found = localiser(model, request)
            _check(name, found, model)
            told.append(row(question, name, found))
            bar.update()
    bar.close()
    return pd.DataFrame(told)


def _check(name: str, found: Scores, model: Model) -> None:
    layers = np.asarray(found.layers, float)
    if layers.shape != (model.spec.layers,) or not np.isfinite(layers).all():
        raise UserError(
            f"{name} must give a finite score for each of the {model.spec.layers} layers of {model.name}, in one row; "
            f"it gave {layers.shape if layers.shape != (model.spec.layers,) else 'numbers that are not finite'}."
        )


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each localiser: means over models with 95% intervals (a model's questions are averaged first: they share a training).

    Columns: models, questions, and with ends auroc, overlap, exact, and of those with a verdict right, false (something is said to
    be where it is not, or localised where nothing is) and missed (`not localised` where something is); rows and seconds of a
    question.
    """
    told = []
    for name, own in table.groupby("localiser", sort=False):
        parts = {part: over_models(own, own[part]) for part in ("auroc", "overlap", "exact")}
        spoke = own[own.judged != ""]
        came = pd.Series(map(outcome, spoke.judged, spoke.verdict), index=spoke.index, dtype=object)
        for part, what in {"right": RIGHT, "false": FALSE, "missed": MISSED}.items():
            parts[part] = over_models(spoke, (came == what).astype(float))
        told.append(
            {
                "localiser": name,
                "models": own.model.nunique(),
                "questions": len(own),
                **columns(parts),
                "rows": own["rows"].mean(),
                "seconds": own.seconds.mean(),
            }
        )
    return pd.DataFrame(told).sort_values("auroc", ascending=False, ignore_index=True)


def over_models(own: pd.DataFrame, values: pd.Series) -> Interval:
    """A mean over models of some rows' values: those of a model, which share a training, are averaged first."""
    by_model = values.groupby(own.model).mean().dropna()
    if by_model.empty:
        return Interval(value=np.nan, low=np.nan, high=np.nan)
    return mean(by_model.to_numpy())
