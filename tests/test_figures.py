"""The paper's figures, drawn from small tables: every value stands where its axis says, with its interval and its n."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from locolib import figures
from locolib.drawing.sampling import Settings
from locolib.drawing.text import TOKENS
from locolib.experiments import deepfloyd, editing, locogen, neurons
from locolib.experiments.deepfloyd import figures as deepfloyd_figures
from locolib.experiments.editing import comparisons
from locolib.experiments.editing import figures as editing_figures
from locolib.experiments.locogen import figures as locogen_figures
from locolib.experiments.locogen import strips
from locolib.experiments.neurons import figures as neuron_figures
from locolib.experiments.tracing import figures as tracing_figures
from locolib.prompts import read, read_styled
from locolib.scores import shares

SETTINGS = Settings(steps=1, guidance=2.0)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def asked() -> locogen.Request:
    return locogen.Request(prompts=read("style")[:8], seeds=locogen.seeds(1), settings=SETTINGS)


@pytest.fixture
def done(model, store, asked) -> locogen.Sweep:
    return locogen.sweep(model, asked, 8, store=store)


def points(ax) -> dict[float, float]:
    """x -> y of the line with error bars that was drawn last."""
    line = ax.containers[-1].lines[0]
    return dict(zip(*map(np.ndarray.tolist, line.get_data())))


# --- LocoGen


def test_a_curve_shows_every_window_at_its_first_layer(done):
    table = locogen.summary_of(done)
    ax = locogen_figures.score_curve(
        figures.panels(1)[0], table, attribute="style", scorer="a scorer", known=(8, 2)
    )
    windows = table[table.kind == "window"]
    assert points(ax) == dict(zip(windows.start.astype(float), windows.score))
    assert "n = 8 prompts" in ax.get_title(loc="left") and "a scorer" in ax.get_title(loc="left")


def test_models_are_compared_one_below_the_other(done):
    table = locogen.summary_of(done)
    drawn = locogen_figures.compare(
        {"one": table, "other": table},
        attribute="style",
        scorer="a scorer",
        known={"one": (8, 2), "other": None},
    )
    assert [ax.get_title(loc="left").split(":")[0] for ax in drawn.axes] == ["one", "other"]
    assert [
        any("paper" in text for text in ax.get_legend_handles_labels()[1]) for ax in drawn.axes
    ] == [True, False]


def test_the_mean_of_the_prompts_own_shares_is_the_sweeps_share(done):
    known = replace(
        done,
        table=done.table.assign(score=np.random.default_rng(0).uniform(10, 30, len(done.table))),
    )
    own = locogen.by_prompt(known)
    assert own.shape == (8, len(done.windows)) and list(own.columns) == [
        window[0] for window in done.windows
    ]
    assert own.mean().to_numpy() == pytest.approx(shares(known.effects))
    ax = locogen_figures.heat_map(
        figures.panels(1)[0], own, attribute="style", scorer="a scorer", m=8, known=(3, 8)
    )
    assert ax.images[0].get_array().shape == own.shape and "n = 8 prompts" in ax.get_title(
        loc="left"
    )


def test_windows_of_every_size_from_one_start(model, store, asked, done):
    """The first is that of a sweep, the last reaches the model's end; a figure has one point for each size."""
    table, summed = locogen.by_size(model, asked, 8, store=store)
    sizes = summed[summed.kind == "window"]
    assert sizes.m.tolist() == list(range(1, 9)) and set(sizes.start) == {8}
    whole = locogen.summary_of(done)
    assert sizes.score.iloc[-1] == pytest.approx(
        whole[whole.layers == "8-15"].score.iloc[0], abs=1e-4
    )
    ax = locogen_figures.score_by_size(
        figures.panels(1)[0], summed, attribute="style", scorer="a scorer"
    )
    assert sorted(points(ax)) == list(range(9))


def test_a_strip_is_one_prompts_pictures_in_order(store, done, asked):
    prompt, pictures = strips.strip(store, done.table, asked.prompts[3].original)
    assert prompt == asked.prompts[3].original
    assert [label for label, _ in pictures] == [
        "clean",
        *(locogen.label(window) for window in done.windows),
        "all",
    ]
    key = done.table[(done.table.prompt == prompt) & (done.table.layers == "4-11")].image.iloc[0]
    assert np.array_equal(dict(pictures)["4-11"], store.shown(key))
    drawn = figures.image_rows([(prompt, pictures)], marked=[["4-11"]])
    assert len(drawn.axes) == len(pictures) and drawn.texts[0].get_text() == prompt


# --- editing, DeepFloyd, neurons, tracing


def test_a_strip_of_edits_shows_each_of_them(model, store, asked):
    one = editing.trial(model, replace(asked, prompts=read("style")), "monet", (8, 9), store=store)
    one = replace(one, train=one.train[:2], held=replace(one.held, prompts=one.held.prompts[:1]))
    tried = comparisons.controls(one, "subject")
    ((prompt, pictures),) = editing_figures.strips({"style": one}, {"style": tried})
    assert (
        prompt == one.held.prompts[0].original
        and pictures[0][0] == "as it is"
        and len(pictures) == 7
    )
    made = editing_figures.model_strip("a model", one, tried[tried.name != editing.EVERY])
    assert made[0] == f"a model: {prompt}, layers 8-9" and np.array_equal(
        made[1][0][1], pictures[0][1]
    )
    ax = editing_figures.outcome_bars(
        figures.panels(1)[0],
        {"style": tried},
        column="points",
        title="edits",
        what="points",
        scorer="a scorer",
    )
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(
        tried.points.tolist()
    ) and "n = 1 images" in ax.get_legend().texts[0].get_text()


def test_every_choice_of_tokens_has_a_bar(model, store, asked):
    one = editing.trial(model, replace(asked, prompts=read("style")), "monet", (8, 9), store=store)
    table = deepfloyd.by_tokens(
        replace(one, train=one.train[:2], held=replace(one.held, prompts=one.held.prompts[:1]))
    )
    assert table.name.tolist() == ["located layers altered", "all layers altered", *TOKENS]
    ax = deepfloyd_figures.token_bars(
        {"m": table}, {"m": "a model"}, column="points", scorer="a scorer", what="points"
    )
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(table.points[2:].tolist())


def test_attention_is_drawn_head_by_head(any_model):
    weights, tokens = deepfloyd.attention(any_model, "a house in the style of van gogh")
    drawn = deepfloyd_figures.attention_maps({"m": (weights, tokens)}, {"m": "a model (miniature)"})
    maps = [ax for ax in drawn.axes if ax.images]
    assert len(maps) == len(weights) and np.allclose(maps[-1].images[0].get_array(), weights[-1])
    assert maps[0].get_title(loc="left") == "a model, head 0"


def test_dropped_neurons_are_shown_by_artist(model, store):
    styled = read_styled()
    tests = tuple(prompt for prompt in styled if prompt.artist == "monet")[:1]
    asked = neurons.Request(
        artist="monet", prompts=styled, tests=tests, layers=(8,), seeds=(0,), settings=SETTINGS
    )
    table = neurons.measure(model, asked, {}, store=store)
    drawn = neuron_figures.picture_grid(store, {"monet": table}, ["clean", "altered"])
    shown = [ax.images[0].get_array() for ax in drawn.axes]
    assert len(shown) == 2 and np.array_equal(
        shown[0], store.shown(table[table.condition == "clean"].image.iloc[0])
    )


def test_text_states_stand_at_their_layer():
    rows = [
        {
            "attribute": "style",
            "state": f"{kind} {layer}",
            "index": layer,
            "kind": kind,
            "part": "text_encoder",
            "where": "last",
            "layer": layer,
            "share": 0.1 * layer,
            "share_low": 0.0,
            "share_high": 1.0,
            "unit": "prompt",
            "units": 9,
            "images": 9,
        }
        for layer in range(3)
        for kind in ("attention", "mlp")
    ]
    drawn = tracing_figures.text_effects(pd.DataFrame(rows), scorer="a scorer")
    assert sorted(points(drawn.axes[0]).values()) == pytest.approx(
        [0.0, 0.1, 0.2]
    ) and "n = 9 prompts" in drawn.axes[0].get_title(loc="left")
