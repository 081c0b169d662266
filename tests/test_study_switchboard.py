"""The switchboard: both readings in numbers with paired differences, what each switch asks, and both drawn."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from locolib import models, scores
from locolib.drawing.sampling import Settings
from locolib.drawing.text import pairs, token_ids
from locolib.experiments import editing, locogen, neurons
from locolib.experiments.locogen import SEED, Request
from locolib.organisms import captions
from locolib.prompts import about, choose, halves, read, reworded
from locolib.scores import Interval
from locolib.study import switchboard, switchboard_edits, switchboard_report
from locolib.study.published_sampler import sampling_as_published
from locolib.study.switchboard import DIFFERENCE, READINGS, Value, row_of

SETTINGS = Settings(steps=1, guidance=2.0)


def around(value: float) -> Interval:
    return Interval(value=value, low=value - 0.1, high=value + 0.2)


def two(what: str, unit: str, paper: float, other: float, counted: str) -> Value:
    return Value(what, unit, around(paper), around(other), around(other - paper), counted)


@pytest.fixture
def rows():
    shares = [
        two("share of the effect", "share", 0.4, 0.6, "12 images"),
        two("target picked", "share", 0.1, 0.9, "12 images"),
    ]
    values = {
        "size": [two("", "share", 0.3, 0.5, "16 prompts")],
        "guidance": [two("", "points", 30.0, 20.0, "16 prompts")],
        "target": shares,
        "by eye": [],
    }
    return {
        (model, switch): row_of(switch, "says", "does", ("a", "b"), "c", *of)
        for model in ("one", "two")
        for switch, of in values.items()
    }


def asked(attribute="style", count=12):
    prompts = choose(read(attribute), count)
    return Request(prompts=prompts, seeds=(SEED,), settings=SETTINGS)


def trial(model, store, window=(8, 9)):
    request = Request(prompts=read("style"), seeds=(SEED,), settings=SETTINGS)
    one = editing.trial(model, request, "van gogh", window, store=store)
    return replace(one, held=replace(one.held, prompts=one.held.prompts[:6]))


def test_every_number_of_every_model_and_reading_is_told(rows):
    table = switchboard_report.numbers(rows)
    assert (
        len(table) == 2 * 4 * 3
        and set(table.reading) == {*READINGS, DIFFERENCE}
        and list(dict.fromkeys(table.name))
        == ["size", "guidance", "target: share of the effect", "target: target picked"]
    )
    assert table[table.name == "size"].value.round(9).tolist() == [0.3, 0.5, 0.2] * 2
    assert np.allclose(table.value_high - table.value_low, 0.3)
    assert list(switchboard_report.readings(rows).index) == [
        "size",
        "guidance",
        "target",
        "by eye",
    ] and "values" not in switchboard_report.table(rows)


def test_the_switches_that_surely_change_something_are_counted(rows):
    rows["one", "guidance"]["values"] = rows["two", "guidance"]["values"] = [
        two("", "points", 30.0, 30.0, "16 prompts")
    ]
    assert switchboard_report.short(rows) == (
        "of 4 steps that can be taken in two ways 2 surely change a number in one model at least: size, target"
    )


@pytest.mark.parametrize(
    "unit, drawn", [("points", [30.0, 20.0]), ("share", [0.3, 0.4, 0.1, 0.5, 0.6, 0.9])]
)
def test_a_figure_has_a_panel_for_each_model_and_the_switches_of_its_unit(rows, unit, drawn):
    figure = switchboard_report.figure(rows, unit, what="a value", title="both", scorer="a scorer")
    for ax, model in zip(figure.axes, ("one", "two"), strict=True):
        assert [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1] == drawn
        assert " ".join(ax.get_xlabel().split()).startswith(f"{model}: a value, n = 1")
    plt.close(figure)


@pytest.mark.parametrize("measure", switchboard.LOCOGEN)
def test_a15_every_difference_of_locogen_has_an_interval(model, store, measure):
    row = measure(model, asked(), store=store)
    for value in row["values"]:
        assert isinstance(value.difference, Interval) and f"{value.difference}" in row[DIFFERENCE]
    assert row["values"] or measure is switchboard.by_eye  # which counts prompts, with its interval


def test_a15_windows_are_chosen_on_one_half_and_measured_on_the_other(model, store, monkeypatch):
    seen = []
    plain = locogen.effects

    def effects(table, sets, layers, attribute, prompts=None):
        seen.append(prompts)
        return plain(table, sets, layers, attribute, prompts)

    monkeypatch.setattr(locogen, "effects", effects)
    request = asked()
    row = switchboard.window_size(model, request, store=store)
    choose_, confirm = locogen.split(request.prompts)
    assert seen == [choose_, confirm] * 2 and not set(choose_) & set(confirm)
    for said in list(row.values())[3:5]:
        assert f"chosen on {len(choose_)} prompts" in said and f"the {len(confirm)} others" in said
    assert row["values"][0].counted == f"{len(confirm)} prompts"


def test_a15_the_pairs_of_locoedit_are_the_papers_the_codes_and_ours(model):
    prompt = read("style")[0]
    ids = {text: token_ids(model, text) for text in (prompt.original, "a painting", prompt.target)}
    end = {text: found.index(model.tokenizer.eos_token_id) for text, found in ids.items()}
    found = {}
    for switch, (_, tokens, wording) in switchboard_edits.OTHERS.items():
        (told,) = reworded([prompt], wording)
        ((here, there),) = pairs(model, told, tokens)
        found[switch.removeprefix("target of LocoEdit, ")] = (told.edit_target, here, there)
    last = end[prompt.original] - 1
    assert found["the code"] == ("a painting", last, end["a painting"] - 1)
    assert found["ours"] == (prompt.target, last, end[prompt.target] - 1)
    text, here, there = found["Section 5.1.1"]
    painting = token_ids(model, "painting")[1]
    assert text == "a house in the style of painting" and here == last
    assert token_ids(model, text)[there] == painting
    ((_, there),) = pairs(model, prompt, "subject")
    assert prompt.edit_target == "a house in the style of a painting"
    assert token_ids(model, prompt.edit_target)[there] == painting


def test_a15_edits_differ_in_pairs_with_intervals(model, store):
    for row in switchboard_edits.targets_of_edit(trial(model, store)):
        share, target = row["values"]
        assert f"{target.difference} of the images" in row[DIFFERENCE]
        assert target.difference.value == pytest.approx(target.other.value - target.paper.value)
        assert (
            "size" in row["result as in the paper"]
            and "target picked" in row["result as in the other"]
        )
        assert np.isnan(share.paper.value) or share.difference.value == pytest.approx(
            share.other.value - share.paper.value
        )


def test_a15_keys_are_asked_where_words_stand_behind_the_artist(model, store):
    prompts = about(read("style"), "van gogh")
    found = switchboard_edits.behind(prompts)
    assert len(found) >= 20 and not any("painting" in p.original for p in found)
    for prompt in found:
        assert prompt.original.startswith("in the style of van gogh, a view of ")
        ((subject, there),) = pairs(model, prompt, "subject")
        ((last, _),) = pairs(model, prompt, "last")
        assert subject < last - 2  # so that the two keys are two states
        assert token_ids(model, prompt.edit_target)[there] == token_ids(model, "painting")[1]
    row = switchboard_edits.keys_of_edit(trial(model, store))
    assert "none" not in row[DIFFERENCE] and len(row["values"]) == 2


def test_a15_the_sampler_is_switched_and_comes_back(model, store):
    before, row = model.pipeline.scheduler, locogen.rows(asked(count=6), ())[:2]
    plain = locogen.measure(model, asked(count=6), [()], store=store)
    with sampling_as_published(model) as other:
        assert type(other.pipeline.scheduler).__mro__[1].__name__ == "PNDMScheduler"
        assert other.fingerprint != model.fingerprint
        switched = locogen.measure(other, asked(count=6), [()], store=store)
    assert model.pipeline.scheduler is before and row
    assert not set(plain.image) & set(switched.image)
    shown = [store.image(table.image.iloc[0]) for table in (plain, switched)]
    assert shown[0].shape == shown[1].shape


def test_a15_readings_of_neurons_differ_with_an_interval():
    rng = np.random.default_rng(0)
    half = neurons.HALF
    level = {"clean": 80.0, "altered": 40.0, f"{switchboard_edits.HELD_OUT}: {half}": 60.0}
    level[f"neutral mean: {half}"] = 50.0
    table = pd.DataFrame(
        [
            {
                "artist": "monet",
                "condition": name,
                "prompt": f"prompt {i}",
                "seed": 1,
                "style": mean + noise,
                "object": 50.0,
                "picks_object": True,
            }
            for i, noise in enumerate(rng.normal(0, 1, 8))
            for name, mean in level.items()
        ]
    )
    told = next(told for told in switchboard_edits.NEURONS if told[-1] == "neutral mean")
    (value,) = switchboard_edits.neuron_reading((table, "8 images"), *told)["values"]
    assert value.paper.value == pytest.approx(0.5) and value.other.value == pytest.approx(0.75)
    assert value.difference.value == pytest.approx(0.25)
    assert value.difference.low <= 0.25 <= value.difference.high


def test_a15_what_cannot_be_measured_has_its_reason():
    table = switchboard.not_here()
    assert {"weights", "resolution of Stable Diffusion v2.1"} <= set(table.index)
    assert (table["why it is not measured"].str.len() > 20).all()


def test_a15_captions_of_the_miniatures_lack_the_papers_phrase():
    texts = {
        captions.caption(scene, template)
        for scene in captions.scenes()
        for template in range(captions.TEMPLATES)
    }
    said = switchboard_report.phrase(texts, "in the style of a painting", "in the style of")
    assert (
        said.startswith(f"Of {len(texts)} captions 0 hold")
        and " 0 hold “in the style of”" not in said
    )


@pytest.mark.parametrize(
    "reading, audit", [("Section 5.1.1", (0.96, 1.0)), ("the code", (1.07, 1.0))]
)
def test_a15_the_pairs_of_the_paper_and_of_the_code_on_a_natural_miniature(store, reading, audit):
    """Share of altering layers 8-9 and images in which the target is picked, as an independent computation found them."""
    torch.set_num_threads(1)
    model = models.load("mini-sd-v1-5")
    settings = Settings(steps=model.spec.steps, guidance=model.spec.guidance)
    train, held = halves(about(read("style"), "van gogh"))
    request = Request(prompts=held, seeds=(SEED,), settings=settings)
    one = editing.Trial(model=model, store=store, train=train, held=request, window=(8, 9))
    _, tokens, wording = switchboard_edits.OTHERS[f"target of LocoEdit, {reading}"]
    found = switchboard_edits.edited(one, tokens, wording)
    share = scores.interval(found.row)
    assert share.low - 0.03 <= audit[0] <= share.high + 0.03
    assert found.row["target"] >= audit[1] - 0.1
