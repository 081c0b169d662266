"""Baselines that train (App. I): until their loss is flat, at rates scaled by a rule; and DiffQuickFix in Stable Diffusion v2.1."""

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
import torch

from locolib import models
from locolib.drawing.sampling import Settings
from locolib.experiments import editing
from locolib.experiments.editing import baselines, fine_tuning, fine_tuning_figures, noisy_batches
from locolib.experiments.editing.fine_tuning import CONCEPT_ABLATION, ESD_X, LOOKS, Training, flat
from locolib.prompts import read

SETTINGS = Settings(steps=1, guidance=2.0)
LONG = Training(steps=120, batch=2, rate=3e-3, pictures=4)
EVERY = 1
METHODS = {CONCEPT_ABLATION: baselines.concept_ablation, ESD_X: baselines.esd_x}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The loss is looked at often and on few pictures, so that a test is short."""
    monkeypatch.setattr(fine_tuning, "EVERY", EVERY)
    monkeypatch.setattr(fine_tuning, "WATCHED", 4)


@pytest.mark.parametrize("method", METHODS)
def test_a18_a_method_trains_until_its_loss_is_flat(model, method):
    change = METHODS[method](model, read("style")[:2], LONG, SETTINGS)
    losses = list(change.losses.values())
    assert losses[-1] < 0.8 * losses[0] and flat(losses) and not flat(losses[:-1])
    assert 2 * LOOKS * EVERY <= max(change.losses) < LONG.steps
    assert list(change.losses)[:3] == [0, EVERY, 2 * EVERY]


def test_a18_a_method_stops_at_its_maximum_and_says_that_its_loss_was_not_flat(model):
    plan = replace(LONG, steps=5, rate=1e-4)
    change = baselines.esd_x(model, read("style")[:2], plan, SETTINGS)
    assert list(change.losses) == [0, 1, 2, 3, 4, 5] and not flat(list(change.losses.values()))
    words = fine_tuning.words(baselines.curves({ESD_X: change}))
    assert "5 steps" in words and "not flat" in words


def test_a18_a_loss_is_flat_when_its_average_falls_by_less_than_a_fiftieth_of_the_first():
    falling = [1 - 0.03 * i for i in range(30)]
    assert not any(flat(falling[:n]) for n in range(31))
    assert flat([1.0, *[0.5] * (2 * LOOKS)]) and not flat([1.0, *[0.5] * (2 * LOOKS - 1)])
    assert flat([1.0] + [0.5 - 0.001 * i for i in range(2 * LOOKS)])
    assert flat([1.0] + [0.5 + 0.1 * i for i in range(2 * LOOKS)])  # rising is not falling


def test_a18_rates_are_the_papers_or_scaled_by_width_and_steps(model):
    width = model.unet.config.cross_attention_dim
    ours = {name: Training.of(name, model) for name in METHODS}
    assert ours[CONCEPT_ABLATION].rate == pytest.approx(1.6e-5 * 768 / width)
    assert ours[ESD_X].rate == pytest.approx(1e-5 * 768 / width * 1000 / fine_tuning.STEPS)
    published = replace(model, spec=replace(model.spec, bundled=False))
    theirs = {name: Training.of(name, published) for name in METHODS}
    assert (theirs[CONCEPT_ABLATION].rate, theirs[ESD_X].rate) == (1.6e-5, 1e-5)
    assert (theirs[CONCEPT_ABLATION].batch, theirs[ESD_X].batch) == (8, 1)
    # ... and they too may train until flat, longer than their authors did
    assert theirs[CONCEPT_ABLATION].steps >= 100 and theirs[ESD_X].steps >= 1000
    said = fine_tuning.plan_words(published)
    assert "rate 1.6e-05 (its authors': 1.6e-05)" in said and "1 pictures a step (1)" in said


def test_a18_concept_ablation_learns_from_the_model_as_it_is_by_now(model):
    def made(steps, **options):
        plan = replace(LONG, steps=steps)
        return baselines.concept_ablation(model, read("style")[:2], plan, SETTINGS, **options)

    assert made(1).fingerprint == made(1, frozen=True).fingerprint  # nothing has moved yet
    assert made(4).fingerprint != made(4, frozen=True).fingerprint
    assert made(4).fingerprint == made(4).fingerprint  # seeded


def test_a18_few_prompts_train_on_several_pictures_each(model, monkeypatch):
    seen = []
    plain = noisy_batches.final_latents
    monkeypatch.setattr(
        noisy_batches,
        "final_latents",
        lambda model, rows, *rest: (seen.extend(rows), plain(model, rows, *rest))[1],
    )
    plan = replace(LONG, steps=0, pictures=10)
    baselines.esd_x(model, read("object")[:4], plan, SETTINGS)
    assert len(seen) == 12 == len({row.seed for row in seen})
    assert {row.prompt for row in seen} == {prompt.original for prompt in read("object")[:4]}


def test_a18_the_curve_of_the_loss_is_a_table_and_a_figure(model):
    made = baselines.fine_tuned(model, read("style")[:2], SETTINGS, steps=3)
    table = baselines.curves(made | {"TIME": baselines.time(model, read("style")[:2])})
    assert list(table.columns) == ["method", "step", "loss", "share"]
    assert list(table.method.unique()) == list(METHODS) and table.share[table.step == 0].eq(1).all()
    _, ax = plt.subplots()
    fine_tuning_figures.loss_curves(ax, {"style": table}, model="A model")
    assert len(ax.lines) == 2 and "n = 4 noisy pictures" in ax.get_title(loc="left")
    assert list(ax.lines[0].get_xdata()) == [0, 1, 2, 3]
    plt.close("all")
    assert baselines.fine_tuned(model, read("fact")[:2], SETTINGS) == {}


def test_a18_diffquickfix_runs_in_stable_diffusion_v2_1():
    model = models.load("mini-sd-v2-1")
    prompt = read("style")[0]
    change = baselines.diffquickfix(model, [prompt])
    assert [path.split(".")[0] for path in change.deltas] == ["text_encoder"]
    before = model.encode([prompt.original]).states
    with editing.applied(model, change) as edited:
        after = edited.encode([prompt.original]).states
    assert change.size > 0.01 and float((after - before).abs().max()) > 0.01
    assert torch.equal(model.encode([prompt.original]).states, before)


def test_a_loss_that_begins_at_nothing_divides_nothing():
    """Where a prompt and its target are alike to a model there is nothing to learn; the curve says so, and the page goes on."""
    from math import isnan

    from locolib.experiments.editing import edits, fine_tuning

    made = edits.Edit(
        method="a", deltas={}, sizes={}, condition=1.0, seconds=0.0, losses={0: 0.0, 10: 0.0}
    )
    table = fine_tuning.curves({"a": made})
    assert table.step.tolist() == [0, 10] and all(map(isnan, table.share))
