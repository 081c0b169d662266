"""What a notebook of the study may be asked, and how it says what it found: profiles, parameters, costs, words."""

import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from . import UserError, locogen
from .locogen import Request, Sweep
from .models import Model, Spec, find, load_scorer
from .prompts import ATTRIBUTES, Prompt, read
from .runs import Store, versions
from .sampling import Settings
from .scores import Interval, wilson


class Profile(BaseModel):
    """How much is computed: DDIM steps, prompts of each attribute and objects of the model's page (0: all), seeds of a prompt."""

    model_config = ConfigDict(frozen=True)
    name: str
    steps: int
    prompts: int
    seeds: int
    objects: int = 0


PROFILES = {p.name: p for p in (Profile(name="smoke", steps=2, prompts=2, seeds=1, objects=2),  # tests: seconds
                                Profile(name="quick", steps=10, prompts=20, seeds=1),  # two cores: minutes
                                Profile(name="paper", steps=50, prompts=0, seeds=8))}  # the paper's 50 steps


def profile(name: str) -> Profile:
    """The profile called `name`, or one sentence that lists the names."""
    if name not in PROFILES:
        raise UserError(f"Unknown profile {name!r}; choose one of {', '.join(PROFILES)}.")
    return PROFILES[name]


def choose(prompts: Sequence[Prompt], count: int) -> tuple[Prompt, ...]:
    """`count` prompts spread evenly over the list, so that few prompts still show several values; 0 means all."""
    if not 0 < count < len(prompts):
        return tuple(prompts)
    return tuple(prompts[i * len(prompts) // count] for i in range(count))


def request(chosen: Profile, spec: Spec, prompts: Sequence[Prompt]) -> Request:
    """What a profile asks of a model: the same images as the notebooks of that profile."""
    return Request(prompts=choose(prompts, chosen.prompts), seeds=locogen.seeds(chosen.seeds),
                   settings=Settings(steps=chosen.steps, guidance=spec.guidance))


class Parameters(BaseModel):
    """What every notebook's `parameters` cell may say; a notebook with more has a class of its own below."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    source: ClassVar[str]
    model: str = "planted-sd-v1-5"
    prompts: int = Field(0, ge=0)
    steps: int = Field(10, ge=1)
    guidance: float = Field(0.0, ge=0)

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        return find(name).name

    @property
    def settings(self) -> Settings:
        return Settings(steps=self.steps, guidance=float(self.guidance or find(self.model).guidance))

    def images(self) -> int:
        """Images that the page needs at most."""
        return 0


class Sweeping(Parameters):
    """Pages that sweep over windows."""

    seeds: int = Field(1, ge=1)

    def request(self, attribute: str) -> Request:
        """The request for one attribute, as `locogen.sweep` takes it."""
        return Request(prompts=choose(read(attribute), self.prompts), seeds=locogen.seeds(self.seeds), settings=self.settings,
                       bare_target=getattr(self, "bare_target", False))


class LocoGenPage(Sweeping):
    source = "notebooks/02_locogen.ipynb"
    attribute: str = "all"
    m: int = Field(0, ge=0)
    bare_target: bool = False

    @field_validator("attribute")
    @classmethod
    def _attribute(cls, name: str) -> str:
        if name not in (*ATTRIBUTES, "all"):
            raise ValueError(f"it must be one of {', '.join(ATTRIBUTES)}, all")
        return name

    def sizes(self) -> dict[str, int]:
        """Attribute -> window size: m, or the paper's for this model and attribute."""
        spec, wanted = find(self.model), ATTRIBUTES if self.attribute == "all" else (self.attribute,)
        sizes = {name: self.m or spec.m[name] for name in wanted}
        locogen.windows(spec.layers, max(sizes.values()))
        return sizes

    def images(self) -> int:
        layers = find(self.model).layers
        return sum(count(self.request(name), layers - m + 3) for name, m in self.sizes().items())


class PlantedPage(Sweeping):
    source = "notebooks/07_planted_truth.ipynb"

    @field_validator("model")
    @classmethod
    def _planted(cls, name: str) -> str:
        if not name.startswith("planted"):
            raise ValueError("only a planted model has a known right answer")
        return name

    def images(self) -> int:
        layers = find(self.model).layers
        return sum(count(self.request(name), 3 * layers + 4) for name in ATTRIBUTES)  # m = 1, 2, 3 and the checks


class CardPage(Parameters):
    source = "book/model.ipynb"

    def images(self) -> int:
        return 8 * (self.prompts or 40)  # styles by objects


class WorldPage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    source: ClassVar[str] = "book/world.ipynb"
    place: Literal["beach", "forest", "city", "house"] = "beach"
    seed: int = 0

    def images(self) -> int:
        return 0


def count(asked: Request, sets: int) -> int:
    """Images of a request with so many layer sets."""
    return len(asked.prompts) * len(asked.seeds) * sets


PAGES = {"world": WorldPage, "model": CardPage, "02_locogen": LocoGenPage, "07_planted_truth": PlantedPage}  # in order


def parameters(page: str, namespace: Mapping[str, Any]) -> Any:
    """A notebook's parameters, checked: ``p = pages.parameters("02_locogen", globals())``.

    Every plain value in `namespace` counts as a parameter, so that a misspelt name (of which papermill only warns) is
    refused before any work.
    """
    plain = (str, int, float, bool, list, tuple, dict, type(None))
    given = {name: value for name, value in namespace.items()
             if not name.startswith("_") and name not in ("In", "Out") and isinstance(value, plain)}
    kind = PAGES[page]
    try:
        made = kind(**given)
        made.images(), getattr(made, "settings", None)  # also refuses what only these can, such as a window larger than the model
        return made
    except ValidationError as error:
        first = error.errors()[0]
        name = first["loc"][0]
        if first["type"] == "extra_forbidden":
            raise UserError(f"Unknown parameter {name!r} of {page}; it has {', '.join(kind.model_fields)}.") from None
        reason = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise UserError(f"Parameter {name!r} of {page} cannot be {first['input']!r}: {reason}.") from None


def whose(spec: Spec) -> str:
    """Whose answer `spec.paper` is, for titles and tables."""
    return "planted" if spec.name.startswith("planted") else "paper"


def hit(done: Sweep, asked: Request, spec: Spec) -> dict[str, Any]:
    """One row of a page's table of answers: where it was, where LocoGen found it, how surely, and the paper's own rule."""
    verdict, known = done.verdict, spec.paper.get(done.attribute)
    held = [prompt.original for prompt in locogen.split(asked.prompts)[1]]
    altered = done.table[(done.table.layers == _layers(verdict.start, verdict.m)) & done.table.prompt.isin(held)]
    picked = wilson(int(altered.picks_target.sum()), len(altered))
    return {"attribute": done.attribute, whose(spec): _layers(*known) if known else "not said",
            "found": _layers(verdict.start, verdict.m), "verdict": verdict.verdict, "share": str(verdict.share),
            "lead": str(verdict.margin), "target picked": str(picked), "all layers, points": str(verdict.full),
            "plain rule": _layers(done.argbest, done.m), "held-out prompts": len(held), "images": len(altered)}


def _layers(start: int, m: int) -> str:
    return locogen.label(tuple(range(start, start + m)))


def _known(row: Mapping[str, Any]) -> tuple[str, str]:
    """("planted" or "paper", the layers it says) of a row of `hit`."""
    return next((name, row[name]) for name in ("planted", "paper") if name in row)


def agrees(row: Mapping[str, Any]) -> bool:
    """Whether a row of `hit` is localised exactly where it should be."""
    return row["verdict"] == "localised" and row["found"] == _known(row)[1]


def conclusion(hits: Mapping[str, Mapping[str, Any]]) -> str:
    """What held, what did not and what has no known answer, as an HTML list: rows of `hit` by attribute."""
    said: dict[str, list[str]] = {"Held": [], "Did not hold": [], "No answer to compare with": []}
    for name, row in hits.items():
        whose_answer, layers = _known(row)
        kind = "No answer to compare with" if layers == "not said" else "Held" if agrees(row) else "Did not hold"
        said[kind].append(f"{name} ({row['verdict']}; best window {row['found']}, {whose_answer} {layers}; share {row['share']} "
                          f"on {row['held-out prompts']} held-out prompts)")
    items = (f"<li><strong>{kind}</strong>: {'; '.join(names) or 'nothing'}.</li>" for kind, names in said.items()
             if names or kind != "No answer to compare with")
    return f"<ul>{''.join(items)}</ul>"


def answer(row: Mapping[str, Any]) -> str:
    """A row of `hit` as a sentence, in Markdown."""
    whose_answer, layers = _known(row)
    says = {"localised": f"localised in layers {row['found']}", "no effect": "no effect, altering all layers changes nothing",
            "not localised": "not localised, no window comes near to the effect of all layers",
            "inconclusive": f"inconclusive, the best window is {row['found']}"}[row["verdict"]]
    where = {"planted": f"it was planted in layers {layers}", "paper": f"the paper's answer is layers {layers}"}[whose_answer]
    end = "The two agree." if agrees(row) else "**The two do not agree.**"
    if layers == "not said":
        where, end = "the paper says nothing about it", ""
    share = "" if row["verdict"] == "no effect" else (
        f"On {row['held-out prompts']} held-out prompts ({row['images']} images) that window has a share of {row['share']} of the effect "
        f"of altering all layers, and leads the best window without a layer in common by {row['lead']}; the scorer picks the "
        f"target's value in a proportion of {row['target picked']}. ")
    rule = "argmax" if row["attribute"] == "fact" else "argmin"
    return (f"**{row['attribute']}**: {says}; {where}. {end} {share}Altering all layers moves the score by {row['all layers, points']} "
            f"points. The paper's own rule (plain {rule} of the mean score) says layers {row['plain rule']}.")


def null(done: Sweep, known: tuple[int, int]) -> str:
    """What a window of this size drawn at random would show, as a sentence; `known` is the right (start, m)."""
    apart = (done.curve.start + done.m <= known[0]) | (done.curve.start >= sum(known))
    others = done.curve.share[apart]
    return (f"The null: a window of m = {done.m} drawn at random touches layers {_layers(*known)} with a chance of {(~apart).sum()} "
            f"in {len(apart)}; the {len(others)} that do not have a share of {others.mean():.2f} on average, {others.max():.2f} at most.")


def clearest(table: pd.DataFrame) -> str:
    """The prompt of a table of `locogen.measure` on which altering all layers moves the score the most."""
    by_set = table.pivot_table(values="score", index="prompt", columns="layers", sort=False)  # clean first, all layers second
    return str((by_set.iloc[:, 0] - by_set.iloc[:, 1]).abs().idxmax())


def strip(store: Store, table: pd.DataFrame, prompt: str) -> tuple[str, list[tuple[str, np.ndarray]]]:
    """One prompt's images by layer set, for `figures.image_rows`: the clean one first, all layers last (App. B)."""
    part = table[table.prompt == prompt]
    part = part[part.seed == part.seed.min()].drop_duplicates("layers")
    images = [store.image(key) for key in part.image]
    if any(image is None for image in images):
        raise UserError("The store has lost an image of a finished run; remove that run by `locolib clean RUN` and start again.")
    first, last, *windows = zip(part.layers, images)
    return prompt, [("clean", first[1]), *windows, ("all", last[1])]


def marks(known: tuple[int, int] | None) -> list[str]:
    """The labels under which `strip` shows the known window."""
    return [_layers(*known)] if known else []


def ratio(row: pd.Series, column: str = "share") -> str:
    """A value of a row of `locogen.summary` with its interval."""
    return str(Interval(value=row[column], low=row[f"{column}_low"], high=row[f"{column}_high"]))


def provenance(model: Model, asked: Parameters, store: Store, *, seeds: Sequence[int] = ()) -> pd.Series:
    """What a page was computed with: its foot.  `seeds` are those of the images where the page does not sweep."""
    if seeds:
        used = f"{seeds[0]} to {seeds[-1]}, one for each image"
    else:
        used = f"{asked.seeds} of each prompt, from {locogen.SEED} on; each further prompt begins {locogen.SEED} higher"
    facts = {"model": model.spec.title, "weights": model.fingerprint, "scorer": load_scorer(model.spec.scorer).name,
             "seeds": used, "DDIM steps": asked.steps, "guidance": asked.settings.guidance, "prompts": asked.prompts or "all",
             "device": str(model.device), "processor": f"{platform.machine()}, {platform.system()}",
             "date": date.today().isoformat(), "commit": _commit()}
    if store.used:
        facts["minutes of generating and scoring, when it was done"] = round(sum(run["minutes"] for run in store.used.values()), 1)
    return pd.Series(facts | versions(), name="value")


def _commit() -> str:
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
