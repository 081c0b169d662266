"""Outcomes of edits, baselines, reading directions and the ledger: relations, on random models (weights know nothing)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from rounding import close

from locolib import UserError, figures
from locolib import claims as claims_
from locolib.claims import Claim
from locolib.drawing.sampling import Settings
from locolib.drawing.text import TOKENS
from locolib.experiments import deepfloyd, editing, locogen
from locolib.experiments.deepfloyd import report as deepfloyd_report
from locolib.experiments.editing import baselines, locoedit, report
from locolib.experiments.editing import figures as plots
from locolib.experiments.locogen import report_claims as locogen_report
from locolib.prompts import about, read

pytestmark = pytest.mark.computing

SETTINGS = Settings(steps=1, guidance=2.0)
TRAINING = editing.Training(steps=3, batch=2, rate=1e-3)


def trial(model, store, attribute="style", value="monet", window=(8, 9)) -> editing.Trial:
    asked = locogen.Request(prompts=read(attribute), seeds=(1000,), settings=SETTINGS)
    one = editing.trial(model, asked, value, window, store=store)
    return replace(one, train=one.train[:3], held=replace(one.held, prompts=one.held.prompts[:2]))


# --- trials


def test_the_prompts_that_judge_made_no_edit(model, store):
    for attribute, value in (("style", "monet"), ("object", "snoopy"), ("fact", "british monarch")):
        one = editing.trial(
            model,
            locogen.Request(prompts=read(attribute), seeds=(1000,), settings=SETTINGS),
            value,
            (6, 7),
            store=store,
        )
        assert not {p.original for p in one.train} & {p.original for p in one.held.prompts}
        assert all(value in p.original for p in (*one.train, *one.held.prompts))


def test_altering_the_located_layers_has_a_share_of_one(model, store):
    one = trial(model, store)
    row = one.row("", one.measured(altered=one.window))
    assert row["share"] == pytest.approx(1) or np.isnan(
        row["share"]
    )  # a random model's effect may be nothing
    assert row["images"] == 2 and row["units"] == 2


def test_an_edit_of_nothing_has_no_effect(model, store):
    one = trial(model, store)
    assert one.row("", one.measured(one.locoedit("subject", ())))["points"] == 0


def test_a14_the_null_is_the_mean_of_several_windows_that_share_no_layer(model, store):
    windows = editing.random_windows(16, (8, 9))
    assert len(set(windows)) == 4 and not {8, 9} & {layer for w in windows for layer in w}
    assert windows == editing.random_windows(16, (8, 9))
    assert len(editing.random_windows(16, tuple(range(6)), 99)) == 5  # all there are
    with pytest.raises(UserError, match="No window of 9 layers is disjoint"):
        editing.random_windows(16, tuple(range(4, 13)))
    one = trial(model, store)
    edits = [one.locoedit("subject", window) for window in windows]
    apart = [one.row("", one.measured(change)) for change in edits]
    together = one.tried({"apart": edits}).set_index("name").loc["apart"]
    assert together.effects == pytest.approx(np.mean([row["effects"] for row in apart], axis=0))
    assert together.target == pytest.approx(np.mean([row["target"] for row in apart]))


def test_an_unknown_value_is_refused():
    with pytest.raises(
        UserError, match="Unknown value 'rembrandt' of style; the prompts know van gogh"
    ):
        about(read("style"), "rembrandt")


@pytest.mark.parametrize(
    "shares, sizes, best",
    [
        ([0.2, 0.5, 1.1, 1.9, 0.7], [1, 1, 5, 1, 1], "onward"),  # the only one that does it
        ([0.95, 0.5, 1.0, 1.0, 1.0], [2, 1, 9, 3, 8], "subject"),  # the smallest that does it
        ([0.2, 0.5, 0.4, 1.9, 0.3], [1, 2, 1, 1, 1], "last"),  # none does it: the nearest
        ([np.nan] * 5, [2, 1, 1, 1, 1], "subject"),  # altering does nothing either: the paper's
    ],
    ids=["only", "smallest", "nearest", "none"],
)
def test_the_best_tokens_do_what_altering_does_with_the_smallest_change(shares, sizes, best):
    assert (
        editing.best_tokens(pd.DataFrame({"name": list(TOKENS), "share": shares, "size": sizes}))
        == best
    )


def test_generic_prompts_without_an_edit_differ_by_nothing(model, store):
    table = editing.generic(
        model,
        ["a cat in a beach", "a dog in a city"],
        {"empty": locoedit(model, read("style")[:1], ())},
        SETTINGS,
        store=store,
    )
    assert list(table.name) == ["no edit", "empty"] and (table.difference == 0).all()
    assert (table.relative == 0).all() and table.scores[0] == table.scores[1]


# --- baselines


@pytest.mark.parametrize("method", ["time", "uce", "diffquickfix", "concept_ablation", "esd_x"])
def test_a_baseline_is_an_edit_and_leaves_the_model_alone(any_model, method):
    model, prompts = any_model, read("style")[:3]
    parts = [getattr(model.pipeline, part) for part in ("unet", "text_encoder")]
    before = [weight.clone() for part in parts for weight in part.parameters()]
    more = {
        "uce": (["a cat", "a dog"],),
        "concept_ablation": (TRAINING, SETTINGS),
        "esd_x": (TRAINING, SETTINGS),
    }.get(method, ())
    change = getattr(baselines, method)(model, prompts, *more)
    assert all(
        torch.equal(old, new)
        for old, new in zip(before, (w for part in parts for w in part.parameters()))
    )
    assert change.size > 0 and all(
        path.startswith("text_encoder" if method == "diffquickfix" else "unet.")
        for path in change.deltas
    )
    with editing.applied(model, change) as edited:
        assert edited.fingerprint != model.fingerprint


def test_fine_tuning_is_the_same_twice(model):
    one, other = (editing.esd_x(model, read("style")[:2], TRAINING, SETTINGS) for _ in range(2))
    assert one.fingerprint == other.fingerprint


def test_uce_keeps_what_it_is_told_to_keep_better_than_time(model):
    from locolib.drawing.layers import sites

    prompts, kept = read("style")[:3], ["a house by monet", "a cat in a beach"]
    path = f"unet.{sites(model.unet)[4].value}.weight"
    states = torch.cat([model.encode([text]).states[0] for text in kept])
    moved = [
        float((states @ change.deltas[path].T).norm())
        for change in (editing.uce(model, prompts, kept), editing.time(model, prompts))
    ]
    assert moved[0] < moved[1]


def test_where_altering_does_nothing_there_is_nothing_to_compare():
    assert "no shares to compare" in report.informed_words({}, {}, None)


# --- several models


def test_an_edit_is_tried_where_it_was_found_and_elsewhere(model, store):
    tokens, table = editing.tried(trial(model, store), "auto", pictures=2)
    assert (
        tokens in TOKENS and set(plots.CONDITIONS) <= set(table.name) and (table.images == 2).all()
    )
    tokens, few = editing.tried(trial(model, store), "auto", pictures=2, whole=False)
    assert tokens == "subject" and not {editing.OURS, editing.DIFFQUICKFIX} & set(few.name)


# --- reading directions


def test_only_a_bidirectional_encoder_looks_ahead(any_model):
    weights, words = deepfloyd.attention(any_model, "a house in the style of van gogh")
    assert weights.shape[1] == weights.shape[2] == len(words)
    torch.testing.assert_close(
        weights.sum(-1)[:, 0] <= 1 + 1e-5, torch.ones(len(weights), dtype=torch.bool)
    )
    assert bool((deepfloyd.looking_ahead(weights) > 0).any()) == (any_model.sampler == "ddpm")


def test_groups_of_positions_are_all_positions_once(any_model):
    groups = deepfloyd.groups(any_model, "a house in the style of van gogh", "van gogh")
    apart = [i for name in deepfloyd.GROUPS for i in groups[name]]
    assert sorted(apart) == list(range(77))


def test_before_the_subject_a_causal_encoder_says_the_same_of_both_artists(any_model):
    one, other = "a house in the style of van gogh", "a house in the style of salvador dali"
    where = list(deepfloyd.groups(any_model, one, "van gogh")["before the subject"])
    states = [any_model.encode([text]).states[0, where] for text in (one, other)]
    assert close(*states, atol=1e-5) == (any_model.sampler != "ddpm")


def test_shares_by_position_have_a_row_for_each_group(any_model, store):
    prompts = tuple(
        p for value in ("van gogh", "salvador dali") for p in read("style") if p.value == value
    )[2:6]
    asked = locogen.Request(prompts=prompts, seeds=(1000,), settings=SETTINGS)
    count = {
        v: len(any_model.tokenizer(v, add_special_tokens=False).input_ids)
        for v in ("van gogh", "salvador dali")
    }
    if count["van gogh"] != count["salvador dali"]:
        with pytest.raises(UserError, match="as many tokens"):
            deepfloyd.by_position(any_model, asked, "van gogh", store=store)
        return
    table = deepfloyd.by_position(any_model, asked, "van gogh", store=store)
    assert set(deepfloyd.GROUPS) < set(table.group) and (table.other == "salvador dali").all()


def test_a_value_without_a_counterpart_is_refused():
    with pytest.raises(UserError, match="as many tokens as 'monet'"):
        deepfloyd.another(
            read("style"), "monet", {p.value: 1 if p.value == "monet" else 2 for p in read("style")}
        )


@pytest.mark.parametrize(
    "share, target, says",
    [
        ((0.9, 0.1), (0.8, 0.1), "held"),
        ((0.2, 0.1), (0.8, 0.1), "did not hold"),
        ((0.9, 0.1), (0.1, 0.1), "did not hold"),
        ((0.5, 0.3), (0.8, 0.1), "not settled"),
    ],
    ids=["removes", "too little", "destroys", "wide"],
)
def test_few_images_do_not_tell_that_an_edit_fails(share, target, says):
    of = {"share": share, "target": target}
    row = {
        f"{name}{end}": value + side * half
        for name, (value, half) in of.items()
        for end, side in (("", 0), ("_low", -1), ("_high", 1))
    }
    table = pd.DataFrame(
        [{"name": "located layers altered", "target": 1.0}, {"name": "subject"} | row]
    )
    assert deepfloyd_report.works(table, "subject") == says


# --- the ledger


def test_claims_are_kept_and_replaced(store):
    claims = [
        Claim(text="a", section="5.1", number="1", outcome="held"),
        Claim(text="b", section="6", number="2", control="c", outcome="not settled"),
    ]
    claims_.keep(store, "03_locoedit", "planted-sd-v1-5", claims)
    claims_.keep(store, "03_locoedit", "planted-sd-v1-5", claims[1:])
    table = claims_.table(store)
    assert (
        table.claim.tolist() == ["b"]
        and table.outcome.tolist() == ["not settled"]
        and table.model[0].startswith("planted")
    )


def test_a_listing_says_what_did_not_hold():
    text = claims_.listing([Claim(text="a", section="5.1", number="1", outcome="did not hold")])
    assert (
        "<strong>Held</strong>: nothing" in text
        and "<strong>Did not hold</strong>: a (1)" in text
        and "Not settled" not in text
    )


def test_hits_without_an_answer_to_compare_with_are_no_claims():
    row = dict.fromkeys(
        ("about", "smallest m", "its share", "overlap", "by chance", "held out", "share", "lead"),
        "1",
    ) | {"verdict": "localised", "found": "8-9", "outcome": "held"}
    told = locogen_report.claims(
        {
            "style": row | {"planted": "8-9"},
            "place": row | {"paper": "not said"},
            "object": row | {"planted": "all layers", "outcome": "did not hold"},
        },
        "5.1",
    )
    assert [claim.outcome for claim in told] == ["held", "did not hold"]


def test_a_curve_over_lambda_is_drawn_where_no_share_is_known():
    """Altering does nothing to a model that knows nothing: its shares are none, and the page goes on."""
    table = pd.DataFrame({"lambda": [0.01, 1.0], "share": np.nan, "images": 2})
    table = table.assign(share_low=np.nan, share_high=np.nan)
    ax = plots.lambda_curve(figures.panels(1)[0], table, attribute="style", scorer="a scorer")
    ax.figure.canvas.draw()
    assert ax.get_xlim() == (0.005, 2.0)
