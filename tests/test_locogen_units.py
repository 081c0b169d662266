"""What a number is a mean of: values where there are enough, prompts, or images within their prompts; and when nothing can be said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.experiments.locogen import Request, about_whom, effects, seeds, units
from locolib.experiments.locogen.scoring import scored, unrelated
from locolib.prompts import read
from locolib.scores import judge

SETTINGS = Settings(steps=1, guidance=2.0, batch=32)


def table(values: int, prompts: int, images: int = 1, *, effect=20.0, noise=1.0, own=80.0, seed=0):
    """A table of `measure` with `prompts` of each value: clean, all layers, windows 3 and 8, of which 8 has the effect."""
    rng, rows = np.random.default_rng(seed), []
    for v in range(values):
        for p in range(prompts):
            for s in range(images):
                for layers, share in (("", 0.0), ("0-15", 1.0), ("3", 0.0), ("8", 1.0)):
                    score = own - share * effect + rng.normal(0, noise)
                    rows.append((f"v{v} p{p}", f"v{v}", s, layers, score, own, 30.0, share > 0.5))
    columns = ["prompt", "value", "seed", "layers", "score", "own", "unrelated", "picks_target"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(
    "values, prompts, images, unit, count",
    [
        (12, 2, 1, "object", 12),
        (6, 2, 1, "prompt", 12),
        (2, 2, 3, "image", 12),
        (4, 6, 2, "prompt", 24),
    ],
    ids=str,
)
def test_a11_units_are_values_where_there_are_enough(values, prompts, images, unit, count):
    made = table(values, prompts, images)
    found = locogen.summary(made, [(), tuple(range(16)), (8,)], 16, "object")
    assert set(found.unit) == {unit} and set(found.units) == {count}
    assert (effects(made, [(8,)], 16, "object").strata is None) == (unit != "image")


def test_a11_prompts_of_one_value_do_not_count_as_others():
    """24 prompts of 12 objects are 12 units: values that differ widen the interval, prompts that repeat do not narrow it."""
    made = table(12, 6, noise=0.0)
    shift = made.value.map({f"v{v}": 3.0 * v for v in range(12)})
    made["score"] -= shift.where(made.layers == "8", 0.0)
    wide = locogen.summary(made, [(), tuple(range(16)), (8,)], 16, "object").iloc[2]
    few = locogen.summary(
        made[made.prompt.str.endswith("p0")], [(), tuple(range(16)), (8,)], 16, "object"
    ).iloc[2]
    assert wide.share_high - wide.share_low == pytest.approx(few.share_high - few.share_low)


def test_a11_halves_share_no_value_where_there_are_enough():
    prompts = read("object")
    many = tuple(replace(p, value=f"{p.value} {i % 3}") for i, p in enumerate(prompts))
    one, other = locogen.split(many)
    assert {p.value for p in one}.isdisjoint(p.value for p in other) and {*one, *other} == {*many}
    few = tuple(p for p in read("style"))
    one, other = locogen.split(few)
    assert {p.value for p in one} == {p.value for p in other}


def test_a11_whom_a_number_is_about():
    prompts = read("style")
    assert about_whom(prompts) == "these 6 artists"
    many = tuple(replace(p, attribute="object", value=str(i)) for i, p in enumerate(prompts))
    assert about_whom(many) == f"{len(many)} objects as they come"
    assert about_whom(prompts[:1]) == "this artist, van gogh"


def test_a11_half_of_the_values_stay_the_units_of_a_half():
    prompts = tuple(
        replace(read("object")[0], original=f"v{v} p{p}", value=f"v{v}")
        for v in range(12)
        for p in range(2)
    )
    half = locogen.split(prompts)[1]
    assert effects(table(12, 2), [(8,)], 16, "object", half).full.shape == (6,)


def test_a11_unrelated_texts_share_nothing_with_the_prompt():
    house = next(p for p in read("style") if p.original.startswith("a house"))
    texts = unrelated(house, bundled=True)
    assert len(texts) > 20 and not any("house" in text for text in texts)
    assert len({text.rsplit(" in a ", 1)[1] for text in texts}) == 3  # all places but the house


def verdict(made: pd.DataFrame):
    found = effects(made, [(3,), (8,)], 16, "style")
    return judge(found, found, 1)


def test_a11_no_effect_needs_evidence():
    assert verdict(table(6, 4, effect=0.0)).verdict == "no effect"
    assert verdict(table(6, 4)).verdict == "localised"
    assert verdict(table(6, 1, effect=0.0, noise=30.0)).verdict == "inconclusive"  # six noisy ones
    assert verdict(table(1, 1, effect=0.0)).verdict == "inconclusive"  # one prompt
    unrelated_ = table(6, 4, effect=0.0, own=30.0)  # clean pictures do not show their prompts
    assert verdict(unrelated_).verdict == "inconclusive" and np.isnan(units.matters(unrelated_))


@pytest.mark.computing
def test_a11_black_pictures_are_inconclusive(model, store, monkeypatch):
    """What a model whose weights hold NaN draws."""
    black = lambda model, rows, settings, **_: np.zeros((len(rows), 64, 64, 3), np.uint8)  # noqa: E731
    monkeypatch.setattr(locogen.measuring, "generate", black)
    asked = Request(prompts=read("style")[:12], seeds=seeds(1), settings=SETTINGS)
    done = locogen.sweep(model, asked, 2, store=store)
    assert done.verdict.verdict == "inconclusive" and done.table.own.isna().all()
    assert np.isnan(done.effects.matters)


@pytest.mark.computing
@pytest.mark.parametrize("prompts", [1, 6])
def test_a11_few_prompts_of_a_random_model_are_inconclusive(model, store, prompts):
    asked = Request(prompts=read("style")[:prompts], seeds=seeds(1), settings=SETTINGS)
    assert locogen.sweep(model, asked, 2, store=store).verdict.verdict == "inconclusive"


@pytest.mark.computing
def test_a11_the_table_says_how_far_unrelated_texts_are(model, store):
    asked = Request(prompts=read("fact")[:2], seeds=seeds(2), settings=SETTINGS)
    made = locogen.measure(model, asked, [()], store=store)
    assert {"own", "unrelated"} <= set(made) and made.unrelated.between(0, 100).all()
    assert (
        made.own != made.score
    ).any()  # a fact is scored with its target; the range is of its own prompt
    assert len(made) == 4 and callable(scored)
