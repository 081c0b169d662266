"""LocoGen's wiring on random weights: windows, rows, tables, search, and the paper's own rule."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from locolib import UserError
from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.experiments.locogen import (
    Request,
    candidates,
    effects,
    label,
    measure,
    report,
    rows,
    search,
    searching,
    seeds,
    stability,
    sweep,
    verdict_rates,
    windows,
)
from locolib.models import load_scorer
from locolib.models.fingerprint import fingerprint
from locolib.prompts import read
from locolib.scores import Effects, Interval

pytestmark = pytest.mark.computing

SETTINGS = Settings(steps=1, guidance=2.0, batch=32)


def request(attribute="style", prompts=4, count=1, **options) -> Request:
    return Request(
        prompts=read(attribute)[:prompts], seeds=seeds(count), settings=SETTINGS, **options
    )


@pytest.mark.parametrize("m, count", [(1, 16), (2, 15), (16, 1)], ids=str)
def test_there_are_M_minus_m_plus_1_windows_of_exactly_m_layers(m, count):
    found = windows(16, m)
    assert len(found) == count and {len(w) for w in found} == {m}
    assert all(np.diff(w).tolist() == [1] * (m - 1) for w in found)


@pytest.mark.parametrize("m", [0, -1, 17])
def test_a_window_outside_the_model_is_refused(m):
    with pytest.raises(UserError, match="from 1 to 16"):
        windows(16, m)


def test_windows_at_some_starts_are_those_alone():
    assert windows(16, 2, (0, 8)) == [(0, 1), (8, 9)]


@pytest.mark.parametrize(
    "layers, text",
    [((), ""), ((3,), "3"), ((8, 9), "8-9"), ((0, 4, 5), "0,4-5"), (tuple(range(16)), "0-15")],
    ids=str,
)
def test_labels(layers, text):
    assert label(layers) == text


def test_rows_keep_prompt_seed_and_target():
    made = rows(request(prompts=2, count=2), (8, 9))
    own = {0: (1000, 1001), 1: (2000, 2001)}  # noise is independent between prompts ...
    assert [(r.prompt, r.seed) for r in made] == [
        (p.original, s) for i, p in enumerate(read("style")[:2]) for s in own[i]
    ]
    assert [r.seed for r in rows(request(prompts=2, count=2), ())] == [
        r.seed for r in made
    ]  # ... the same in every layer set
    assert made[0].changes[0].prompt == "a painting of a house" and made[0].changes[0].layers == (
        8,
        9,
    )
    assert rows(request(), ())[0].changes == ()


def test_bare_target_is_appendix_c():
    assert {r.changes[0].prompt for r in rows(request(bare_target=True), (8,))} == {"a painting"}
    assert "a painting" not in {
        r.changes[0].prompt for r in rows(request("object", bare_target=True), (8,))
    }


def test_a_fact_that_is_updated_to_another_rows_value_has_it_once_among_its_candidates():
    """ "the prince charles" would be picked for "prince charles", which is the target."""
    prompts = read("fact")
    for prompt in prompts:
        texts = candidates(prompt, prompts)
        assert texts[:2] == [prompt.target, prompt.original] and len(texts) == 4
    (monarch,) = (prompt for prompt in prompts if prompt.original == "the british monarch")
    assert "the prince charles" not in candidates(monarch, prompts)


def test_candidates_hold_target_original_and_every_other_value():
    prompts = read("style")
    texts = candidates(prompts[0], prompts)
    assert (
        texts[0] == "a painting of a house"
        and texts[1] == prompts[0].original
        and len(texts) == 1 + 6
    )
    assert "a house in the style of monet" in texts


def test_effects_average_seeds_within_a_prompt_and_have_the_right_sign():
    table = pd.DataFrame(
        [
            (f"p{i}", s, name, score)
            for i in range(8)
            for s in (0, 1)
            for name, score in (("", 30 + s), ("0-15", 10 + s), ("8-9", 20 - 5 * s))
        ],
        columns=["prompt", "seed", "layers", "score"],
    )
    made = effects(table, [(8, 9)], 16, "style")
    assert made.windows.shape == (8, 1) and made.full.tolist() == [20] * 8
    assert made.windows[0, 0] == pytest.approx(30.5 - 17.5)
    assert effects(table, [(8, 9)], 16, "fact").full.tolist() == [-20] * 8


def test_few_prompts_make_seeds_the_units():
    table = pd.DataFrame(
        [("p", s, name, 1.0) for s in range(5) for name in ("", "0-15", "3")],
        columns=["prompt", "seed", "layers", "score"],
    )
    made = effects(table, [(3,)], 16, "style")
    assert made.full.shape == (5,) and set(made.strata) == {"p"}


def test_altering_all_layers_scores_as_the_target_prompt_would(model, store):
    asked = request(prompts=2)
    table = measure(model, asked, [(), tuple(range(16))], store=store)
    swapped = Request(
        prompts=tuple(
            p.__class__(
                **{
                    **p.__dict__,
                    "original": p.target,
                    "scored": p.original,
                    "target": p.original,
                    "subject": "painting",
                    "value": "painting",
                }
            )
            for p in asked.prompts
        ),
        seeds=asked.seeds,
        settings=SETTINGS,
    )
    direct = measure(model, swapped, [()], store=store)
    assert np.allclose(table[table.layers == "0-15"].score, direct.score, atol=0.05)


def test_sweep_is_stored_and_complete(model, store):
    done = sweep(model, request(), 2, store=store)
    assert len(done.table) == 4 * (15 + 2) and list(done.curve.start) == list(range(15))
    assert done.argbest == int(done.curve.start[done.curve.score.idxmin()])
    again = sweep(model, request(), 2, store=store)
    pd.testing.assert_frame_equal(done.table, again.table)
    (facts,) = store.runs().values()
    assert {
        "model",
        "weights",
        "scorer",
        "seeds",
        "steps",
        "guidance",
        "device",
        "minutes",
        "torch",
        "diffusers",
    } <= facts.keys()


def test_an_answers_numbers_are_those_of_its_words(model, store):
    asked = request()
    answer = locogen.locate(model, asked, (8, 2), store=store, sizes=[2])
    row, found = report.hit(answer, model.spec), report.numbers(answer, model.spec)
    for column, words in zip(report.NUMBERS, report.INTERVALS, strict=True):
        assert (
            str(
                Interval(
                    value=found[column], low=found[f"{column}_low"], high=found[f"{column}_high"]
                )
            )
            == row[words]
        )
    assert (
        row["held out"].startswith(f"{found['n']} ")
        and found["images"] == row["images"]
        and row["found"] in found["said"]
    )
    assert "known" in found and row["overlap"].endswith("of 2 layers")


def test_tables_of_another_scorer_are_not_given_back(model, store):
    scorer = load_scorer(model.spec.scorer)
    measure(model, request(prompts=2), [()], store=store, scorer=scorer)
    measure(
        model,
        request(prompts=2),
        [()],
        store=store,
        scorer=replace(scorer, fingerprint="retrained"),
    )
    assert len(store.runs()) == 2


def test_a_fingerprint_tells_weights_apart():
    layer = torch.nn.Linear(2, 2)
    before = fingerprint([layer])
    assert fingerprint([layer]) == before
    with torch.no_grad():
        layer.bias += 1
    assert fingerprint([layer]) != before


def test_facts_take_the_maximum(model, store):
    done = sweep(model, request("fact"), 3, store=store)
    assert done.argbest == int(done.curve.start[done.curve.score.idxmax()])


def test_search_stops_at_the_first_confirmed_size(model, store, monkeypatch):
    def planted(table, sets, layers, attribute, prompts=None):
        rng, units = np.random.default_rng(0), 12
        full = rng.normal(30, 1, units)
        share = np.array(
            [0.95 if set(s) >= {8, 9} else 0.3 if {8, 9} & set(s) else 0.0 for s in sets]
        )
        return Effects(
            windows=full[:, None] * share + rng.normal(0, 0.3, (units, len(sets))), full=full
        )

    monkeypatch.setattr(searching, "effects", planted)
    done = search(model, request(prompts=2), store=store)
    assert [s.m for s in done] == [1, 2]
    assert (done[-1].verdict.verdict, done[-1].verdict.start, done[-1].verdict.m) == (
        "localised",
        8,
        2,
    )


def test_no_prompts_are_refused():
    with pytest.raises(UserError, match="no prompts"):
        Request(prompts=(), seeds=(1,), settings=SETTINGS)
    with pytest.raises(UserError, match="from 1 to 1000"):
        seeds(0)


# --- stability over splits


def made_up(
    shares: dict[int, dict[int, float]], *, units: int = 24, layers: int = 16, seed: int = 0
) -> list:
    """What `stability` reads of sweeps of m = 1, 2, ...: shares by size and start (others 0), 4 images a unit."""
    rng, sweeps = np.random.default_rng(seed), []
    full = rng.normal(30, 2, units)
    for m, planted in shares.items():
        true = np.array([planted.get(start, 0.0) for start in range(layers - m + 1)])
        found = Effects(
            windows=full[:, None] * true + rng.normal(0, 1, (units, len(true))), full=full
        )
        table = pd.DataFrame({"layers": [""] * (4 * units)})
        sweeps.append(
            SimpleNamespace(
                effects=found,
                m=m,
                layers=layers,
                table=table,
                curve=pd.DataFrame({"destroyed": [False] * len(true)}),
            )
        )
    return sweeps


def test_a_planted_window_is_found_on_every_split():
    splits = stability(made_up({1: {8: 0.1, 9: 0.1}, 2: {8: 1.0, 7: 0.1, 9: 0.1}}), splits=20)
    assert (
        set(splits.verdict) == {"localised"}
        and set(splits.start) == {8}
        and set(splits.m) == {2}
        and set(splits.images) == {48}
    )
    found = verdict_rates(splits, right=(8, 2)).set_index("verdict")
    assert (
        found.rate["localised"] == found.rate["localised in the right window"] == 1
        and 0.8 < found.low["localised"] < 1
    )
    assert (
        verdict_rates(splits, right=(3, 2))
        .set_index("verdict")
        .rate["localised in the right window"]
        == 0
    )


def test_where_no_window_controls_no_split_localises():
    splits = stability(made_up({m: {3: 0.2} for m in (1, 2, 3, 4)}), splits=20)
    assert set(splits.verdict) == {"not localised"} and set(splits.m) == {4}
    assert verdict_rates(splits).set_index("verdict").rate["not localised"] == 1


def test_splits_are_reproducible():
    sweeps = made_up({1: {8: 0.8}})
    pd.testing.assert_frame_equal(stability(sweeps, splits=5), stability(sweeps, splits=5))


@pytest.mark.parametrize("layers", [(8, 9), (3,), (0, 4, 5)], ids=str)
def test_a_label_names_its_layers(layers):
    assert locogen.labelled(locogen.label(layers)) == layers
