"""The page on editing: its experiments in order, rows of its tables, and sentences in which every number is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from . import baselines, locogen, outcomes, specificity
from .answers import ratio
from .edits import Edit, applied
from .ledger import Claim, settled
from .locoedit import LAMBDA, SPARES, locoedit
from .locogen import Request, Sweep, Window, label
from .models import Model
from .outcomes import Trial
from .prompts import read
from .runs import Store
from .sampling import Settings
from .scores import Interval, columns, mean
from .specificity import APART, EVERY, OURS, PAPER, locoedits, solved
from .text import TOKENS

LAMBDAS = (1e-4, LAMBDA, 1.0, 100.0)
# Table 1 of the paper: CLIP-Score of 320 generic prompts; App. L does not name the model.
TABLE_1 = {"no edit": {"style": 30.04, "object": 30.04}, "DiffQuickFix": {"style": 29.61, "object": 29.32}, PAPER: {"style": 29.99, "object": 29.40}}
GENERIC = {"difference": "change of CLIP-Score (points)", "moved": "mean absolute change of a pixel\n(of 255 levels)"}


def trial(model: Model, attribute: str, value: str, done: Sweep, settings: Settings, pictures: int, *, store: Store) -> Trial:
    """The trial of one value at the window that a sweep names, with seeds enough for about `pictures` held-out images."""
    start = done.verdict.start
    asked = Request(prompts=read(attribute), seeds=(locogen.SEED,), settings=settings)
    one = outcomes.trial(model, asked, value, tuple(range(start, start + done.m)), store=store)
    seeds = locogen.seeds(max(1, round(pictures / len(one.held.prompts))))
    return replace(one, held=replace(one.held, prompts=one.held.prompts[:pictures], seeds=seeds))


def located(sweeps: Mapping[str, Sweep], trials: Mapping[str, Trial]) -> pd.DataFrame:
    """What is edited, where, and with how many prompts."""
    return pd.DataFrame({name: {"value": one.train[0].value, "edited layers": label(one.window), "LocoGen's verdict": sweeps[name].verdict.verdict,
                                "share on held-out prompts": str(sweeps[name].verdict.share), "prompts that make the edit": len(one.train),
                                "prompts that judge it": len(one.held.prompts), "images": len(one.held.prompts) * len(one.held.seeds)}
                         for name, one in trials.items()})


def controls(one: Trial, tokens: str, apart: Window) -> pd.DataFrame:
    """LocoEdit at the located layers (as the paper has it, by the chosen tokens, sparing), at a random window, at all layers."""
    return one.tried({name: make(one) for name, make in locoedits(tokens, apart).items()})


def strips(trials: Mapping[str, Trial], tried: Mapping[str, pd.DataFrame], apart: Mapping[str, Window]) -> list:
    """One held-out prompt of each attribute for `pictures.image_rows`: clean, altered, edited, edited elsewhere, edited everywhere."""
    rows = []
    for attribute, one in trials.items():
        images = tried[attribute].set_index("name").image
        shown = {f"altered {label(one.window)}": "located layers altered", "the paper's": PAPER, f"edited {label(one.window)}": OURS, "sparing": SPARES,
                 f"edited {label(apart[attribute])}": APART, "edited all": EVERY}
        edited = [(title, one.store.shown(images[name])) for title, name in shown.items()]
        rows.append((one.held.prompts[0].original, [("as it is", _first(one, one.measured())), *edited]))
    return rows


def _first(one: Trial, table: pd.DataFrame) -> np.ndarray:
    return one.store.shown(table.image.iloc[0])


def frames(trials: Mapping[str, Trial], everywhere: Mapping[str, pd.DataFrame]) -> list:
    """The first held-out image of each attribute with the edit at every window, for the scrubber: as it is first, all layers altered last."""
    found = []
    for attribute, one in trials.items():
        windows = [(name, one.store.shown(image)) for name, image in zip(everywhere[attribute].name, everywhere[attribute].image)]
        last = _first(one, one.measured(altered=tuple(range(one.model.spec.layers))))
        found.append((one.held.prompts[0].original, [("clean", _first(one, one.measured())), *windows, ("all", last)]))
    return found


def by_lambda(one: Trial, tokens: str, apart: Window) -> pd.DataFrame:
    """LocoEdit against lambda, at the located layers and at a random window."""
    rows = []
    for where, layers in (("located layers", one.window), (f"random window ({label(apart)})", apart)):
        for lambda_ in LAMBDAS:
            change = one.locoedit(tokens, layers, lambda_=lambda_)
            rows.append(one.row(where, one.measured(change), change) | {"where": where, "lambda": lambda_})
    return pd.DataFrame(rows)


def against(everywhere: pd.DataFrame, done: Sweep) -> pd.DataFrame:
    """Edits at every window beside LocoGen's share of it."""
    return everywhere.assign(located=done.curve.set_index("start").share.reindex(everywhere.start).to_numpy())


def trained(one: Trial) -> dict[str, Edit]:
    """The baselines that are fine-tuned, which do not edit facts (App. I)."""
    if one.attribute == "fact":
        return {}
    training, settings = baselines.Training(), one.held.settings
    return {"Concept Ablation": baselines.concept_ablation(one.model, one.train, training, settings),
            "ESD-x": baselines.esd_x(one.model, one.train, training, settings)}


def methods(one: Trial, tokens: str, tuned: Mapping[str, Edit]) -> dict[str, Edit]:
    """Every editing method, from the same training prompts: LocoEdit as the paper has it, by the chosen tokens, and sparing; the baselines by
    their own tokens; `tuned` are those of `trained`."""
    own = {name: make for name, make in locoedits(tokens, one.window).items() if name in (PAPER, OURS, SPARES)}
    return {name: make(one) for name, make in (own | solved()).items()} | dict(tuned)


def every_value(one: Trial, tokens: str, apart: Window, tuned: Mapping[str, Edit], count: int) -> pd.DataFrame:
    """Edited value x other values (see `specificity.matrix`) of all methods and controls; those of `tuned` edit the page's own value alone."""
    return specificity.matrix(one, locoedits(tokens, apart) | solved(), trained=tuned, count=count)


def many(one: Trial, tokens: str, artists: Sequence[str], settings: Settings) -> dict[str, pd.DataFrame]:
    """All artists in one solve, then the solve without one: what is removed of each artist, as share of altering the located layers.

    Returns:
        By condition a row for each artist: name, share with its interval, images.
    """
    each = {artist: trial_of(one, artist, settings) for artist in artists}
    train, images = {artist: t.train for artist, t in each.items()}, len(next(iter(each.values())).held.prompts)

    def removed(without: str | None) -> dict[str, Interval]:
        edited = [prompt for artist, prompts in train.items() if artist != without for prompt in prompts]
        change = locoedit(one.model, edited, one.window, tokens=tokens)
        return {artist: share_of(t, t.measured(change)) for artist, t in each.items()}

    every, alone = removed(None), {artist: removed(artist) for artist in artists}
    others = {artist: mean(np.array([found.value for name, found in left.items() if name != artist])) for artist, left in alone.items()}
    found = {"all edited": every, "he alone left out": {artist: left[artist] for artist, left in alone.items()}, "the others then, mean": others}
    return {what: pd.DataFrame([{"name": artist, "images": images} | columns({"share": share}) for artist, share in shares.items()])
            for what, shares in found.items()}


def trial_of(one: Trial, artist: str, settings: Settings, *, images: int = 6) -> Trial:
    """The same trial of another artist, on few images."""
    other = outcomes.trial(one.model, Request(prompts=read("style"), seeds=one.held.seeds[:1], settings=settings), artist, one.window, store=one.store)
    return replace(other, held=replace(other.held, prompts=other.held.prompts[:images]))


def share_of(one: Trial, table: pd.DataFrame) -> Interval:
    """Effect of a table's images as share of altering the located layers."""
    row = one.row("", table)
    return Interval(value=row["share"], low=row["share_low"], high=row["share_high"])


def relocated(one: Trial, tokens: str, asked: Request, artist: str) -> dict[str, Sweep]:
    """LocoGen on the edited model, for the edited artist and for another one."""
    other = next(prompt.value for prompt in asked.prompts if prompt.value != artist)
    asked = replace(asked, prompts=asked.prompts[::2])  # twice 17 layer sets: half of the prompts
    with applied(one.model, one.locoedit(tokens)) as edited:
        return {f"{name} ({'edited away' if name == artist else 'not edited'})":
                locogen.sweep(edited, asked.about(name), len(one.window), store=one.store) for name in (artist, other)}


# --- tables and sentences

def _number(value: float, form: str) -> str:
    """A number as text; nothing where there is none."""
    return "" if np.isnan(value) else f"{value:{form}}"


def costs(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Time, size and condition number of each method's edit, by attribute, and what `Edit.warning` says of it."""
    rows = {}
    for attribute, table in tables.items():
        for row in table.dropna(subset=["size"]).to_dict("records"):
            rows[attribute, row["name"]] = {"seconds": f"{row['seconds']:.2f}", "relative size": f"{row['size']:.2f}",
                                            "condition number": _number(row["condition"], ".0e"),
                                            "solved well": "no: " + row["warning"].split(": ")[-1] if row["warning"] else "yes"}
    return pd.DataFrame(rows).T


def token_words(tables: Mapping[str, pd.DataFrame], chosen: Mapping[str, str]) -> str:
    """What each choice of tokens does on the training prompts, and which is taken."""
    lines = []
    for attribute, table in tables.items():
        rows = table.set_index("name").loc[list(TOKENS)]
        each = "; ".join(f"{name} {ratio(row)}" for name, row in rows.iterrows())
        lines.append(f"- **{attribute}** (n = {int(rows.images.iloc[0])} images): {each}. Taken for the rest of this page: "
                     f"**{chosen[attribute]}**, {TOKENS[chosen[attribute]]}.")
    return "\n".join(lines)


def edit_words(tables: Mapping[str, pd.DataFrame], chosen: Mapping[str, str]) -> str:
    """What LocoEdit does on held-out prompts, and the controls."""
    lines = []
    for attribute, table in tables.items():
        at = table.set_index("name")
        paper, located, spares, apart, whole = (ratio(at.loc[name]) for name in (PAPER, OURS, SPARES, APART, EVERY))
        lines.append(f"- **{attribute}**: at the located layers the paper's edit does {paper} of what altering them does, the edit by the tokens "
                     f"{chosen[attribute]} {located}, the one that spares {spares}; at the random window {apart}, at all layers {whole} "
                     f"(n = {int(table.images.iloc[0])} images; intervals over {int(table.units.iloc[0])} {table.unit.iloc[0]}s).")
    return "\n".join(lines)


def hase_words(correlations: Mapping[str, Interval], compared: Mapping[str, pd.DataFrame]) -> str:
    """Whether editing works where LocoGen finds the attribute."""
    lines = []
    for attribute, found in correlations.items():
        table = compared[attribute]
        if table["of all"].isna().all():
            lines.append(f"- **{attribute}**: altering all layers does nothing here, so there are no shares to compare.")
            continue
        best = table.loc[table["of all"].idxmax()]
        says = "rises with the share" if found.low > 0 else "falls with the share" if found.high < 0 else "says nothing sure"
        lines.append(f"- **{attribute}**: Spearman's rank correlation {found} over {len(table)} windows: the edit's effect {says}. The best window to edit is "
                     f"{best['name']} ({ratio(best, 'of all')}); LocoGen's share of it is {best.located:.2f}.")
    return "\n".join(lines)


def again_words(again: Mapping[str, Sweep]) -> str:
    """LocoGen's answers on the edited model."""
    lines = []
    for name, done in again.items():
        v = done.verdict
        share = "" if v.verdict == "no effect" else f" (share {v.share} on held-out prompts)"
        lines.append(f"- **{name}**: altering all layers moves the score by {v.full} points; {v.verdict}"
                     + ("." if v.verdict == "no effect" else f", best window {label(tuple(range(v.start, v.start + v.m)))}{share}."))
    return "\n".join(lines)


def claims(tried: Mapping[str, pd.DataFrame], correlations: Mapping[str, Interval], generic: Mapping[str, pd.DataFrame],
           by_tokens: Mapping[str, pd.DataFrame]) -> list[Claim]:
    """What the paper claims of LocoEdit, each judged by an interval."""
    told = []
    for attribute, table in tried.items():
        at, seen = table.set_index("name"), by_tokens[attribute].set_index("name")
        edited, apart, whole = (at.loc[name] for name in (OURS, APART, EVERY))
        best = outcomes.best_tokens(by_tokens[attribute])
        told += [
            Claim(text=f"{attribute}: editing the located layers moves the score the way it should", section="6.2, Fig. 8",
                  number=f"{ratio(edited, 'points')} points", control=f"random window {ratio(apart, 'points')}",
                  held=settled(edited.points_low > 0, edited.points_high < 0)),
            does_most(attribute, at.loc[PAPER], apart, ", by the paper's tokens,"), does_most(attribute, edited, apart),
            does_most(attribute, at.loc[SPARES], apart, ", sparing others,"),
            Claim(text=f"{attribute}: editing the located layers is better than editing all",
                  section="6.2" if attribute == "style" else "App. F", number=ratio(edited, "target"),
                  control=f"all layers {ratio(whole, 'target')}, in how many images the target is picked",
                  held=settled(edited.target_low > whole.target_high, edited.target_high < whole.target_low)),
            Claim(text=f"{attribute}: the subject's last token is the one to edit", section="6.1", number=f"share {ratio(seen.loc['subject'])}",
                  control=f"best: {best} {ratio(seen.loc[best])}",
                  held=settled(best == "subject" or seen.share_low["subject"] > 0.8, seen.share_high["subject"] < 0.8)),
            Claim(text=f"{attribute}: editing works where LocoGen localises", section="6.2 (asked as Hase et al. did)",
                  number=f"rank correlation {correlations[attribute]}", held=settled(correlations[attribute].low > 0, correlations[attribute].high < 0))]
    for attribute, table in generic.items():
        row = table.set_index("name").loc[PAPER]
        told.append(Claim(text=f"{attribute}: LocoEdit does not harm generic prompts (by more than half a point)", section="App. L, Table 1",
                          number=f"difference {ratio(row, 'difference')} points", control=f"the paper's {TABLE_1[PAPER][attribute] - 30.04:.2f}" if attribute in TABLE_1[PAPER] else "",
                          held=settled(row.difference_low > -0.5, row.difference_high < -0.5)))
    return told


def does_most(attribute: str, edited: pd.Series, apart: pd.Series, how: str = "") -> Claim:
    """Fig. 8's claim of an edit at the located layers, beside the same edit at a random window (rows of `outcomes.Trial.tried`)."""
    return Claim(text=f"{attribute}: editing the located layers{how} does most of what altering them does", section="6.2, Fig. 8 (the half is ours)",
                 number=ratio(edited), control=f"random window {ratio(apart)}", held=settled(edited.share_low > 0.5, edited.share_high < 0.5))
