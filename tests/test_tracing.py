"""Causal tracing: which states there are, what their indirect effects are, and what is said of them."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from locolib import UserError
from locolib.drawing import sampling
from locolib.drawing.layers import sites
from locolib.drawing.sampling import Settings
from locolib.experiments import page as experiments_page
from locolib.experiments import profiles, tracing
from locolib.experiments.tracing import (
    AGAIN,
    CLEAN,
    CORRUPTED,
    Request,
    State,
    paper,
    report,
    report_tables,
    restoring,
)
from locolib.experiments.tracing import figures as plots
from locolib.experiments.tracing import page as tracing_page
from locolib.models import MODELS, TextState, text_states
from locolib.prompts import Prompt, read
from locolib.scores import Interval
from locolib.study import pages

pytestmark = pytest.mark.computing

ROOT = Path(__file__).resolve().parents[1]
SITES = {"planted-sd-v1-5": 16, "mini-sd-v2-1": 16, "mini-sdxl": 70, "mini-deepfloyd": 22}
SETTINGS = Settings(steps=1, guidance=2.0)


def request(count=2, **more) -> Request:
    return Request(prompts=read("style")[:count], seeds=(1000,), settings=SETTINGS, **more)


# --- states


def test_states_of_a_unet_are_in_execution_order_and_none_is_missing(any_model):
    found = tracing.unet_states(any_model.unet)
    assert [s.path for s in found if s.kind == "cross-attention"] == [
        site.path for site in sites(any_model.unet)
    ]
    assert len([s for s in found if s.kind == "cross-attention"]) == SITES[any_model.name]
    resnets = [
        path
        for path, module in any_model.unet.named_modules()
        if type(module).__name__ == "ResnetBlock2D"
    ]
    assert sorted(s.path for s in found if s.kind == "resnet") == sorted(resnets)
    assert [s.index for s in found] == list(range(len(found)))


def test_states_are_run_in_the_order_in_which_they_are_listed(any_model):
    order = []
    found = tracing.unet_states(any_model.unet)
    handles = [
        any_model.unet.get_submodule(s.path).register_forward_hook(
            lambda *_, path=s.path: order.append(path)
        )
        for s in found
    ]
    sampling.generate(any_model, [tracing.row(request(), request().prompts[0], 1, CLEAN)], SETTINGS)
    for handle in handles:
        handle.remove()
    assert order == [s.path for s in found]


def test_a_stride_keeps_every_kind(any_model):
    every, some = (tracing.of_model(any_model, stride=stride) for stride in (1, 5))
    for kind in {s.kind for s in every}:
        count = len([s for s in every if s.kind == kind and not s.text])
        assert len([s for s in some if s.kind == kind and not s.text]) == -(-count // 5)
    assert [s for s in some if s.text] == [s for s in every if s.text]
    assert len([s for s in every if s.text]) == 2 * len(text_states(any_model.pipeline))
    with pytest.raises(UserError, match="at least 1"):
        tracing.of_model(any_model, stride=0)


@pytest.mark.parametrize("stride, where", [(1, ("last", "all")), (7, ("last",))], ids=str)
def test_states_are_counted_without_loading_the_model(any_model, stride, where):
    loaded = tracing.of_model(any_model, stride=stride, where=where)
    assert tracing.count(any_model.spec, stride=stride, where=where) == len(loaded)


@pytest.mark.parametrize("name, states", [("sd-v1-5", 16 + 16 + 22), ("sdxl", 70 + 70 + 17)])
def test_a_published_model_has_as_many_unet_states_as_its_miniature(name, states):
    assert tracing.count(MODELS[name], where=()) == states


# --- tables


def state(name: str, index: int = 0, **more) -> State:
    return State(index=index, path=name, kind="resnet", part="mid_block", **more)


def made_up(scores: dict[str, float], *, prompts: int = 8, spread: float = 1.0) -> pd.DataFrame:
    """A table like that of `trace` with given mean scores; all states of a prompt move together."""
    rng = np.random.default_rng(0)
    lift = rng.normal(0, spread, prompts)
    return pd.DataFrame(
        [
            (name, "style", f"p{i}", 1000 * i, score + lift[i], f"{name}{i}")
            for i in range(prompts)
            for name, score in scores.items()
        ],
        columns=["state", "attribute", "prompt", "seed", "score", "image"],
    )


def test_the_share_of_a_state_is_what_it_brings_back_of_what_was_lost():
    chosen = [state("all"), state("nothing"), state("half")]
    table = made_up({CLEAN: 80, CORRUPTED: 40, AGAIN: 40, "all": 80, "nothing": 40, "half": 60})
    found = tracing.indirect(table, chosen)
    assert found.share.tolist() == pytest.approx(
        [1, 0, 0.5]
    ) and found.share_low.tolist() == pytest.approx([1, 0, 0.5])
    assert set(found.units) == {8} and set(found.images) == {8}
    assert tracing.redrawn(table).value == pytest.approx(0) and tracing.at_random(
        table, chosen
    ).value == pytest.approx(0.5)
    assert tracing.runner_up(table, chosen, 0).value == pytest.approx(0.5)


@pytest.mark.parametrize("corrupted", [80, 85])
def test_where_nothing_is_lost_there_are_no_shares(corrupted):
    table = made_up({CLEAN: 80, CORRUPTED: corrupted, AGAIN: 80, "a": 70, "b": 70})
    chosen = [state("a"), state("b", 1)]
    assert tracing.indirect(table, chosen).share.isna().all()
    for found in (
        tracing.redrawn(table),
        tracing.at_random(table, chosen),
        tracing.runner_up(table, chosen, 0),
    ):
        assert np.isnan(found.value)
    assert "takes nothing away" in report.unet_words(table, chosen, MODELS["mini-sd-v1-5"])
    assert len(report_tables.by_kind(table, chosen)) == 1
    assert [
        claim.outcome for claim in report.claims(table, chosen, [], MODELS["mini-sd-v1-5"])
    ] == ["not settled"]
    found = report_tables.by_attribute(table, chosen)
    assert (
        found[["random", "top"]].isna().all(axis=None)
        and found.best.tolist() == ["not defined"]
        and found.lost.notna().all()
    )
    plots.unet_effects(tracing.indirect(table, chosen), scorer="s")


def test_few_prompts_make_images_the_units():
    table = pd.concat(
        [
            made_up({CLEAN: 80, CORRUPTED: 40, "a": 60}, prompts=2).assign(seed=seed)
            for seed in (1, 2)
        ]
    )
    assert tracing.effects(table, [state("a")]).windows.shape == (4, 1)


# --- on random models


def test_a_trace_is_whole_and_kept(any_model, store, monkeypatch):
    chosen = (
        tracing.of_model(any_model, stride=30, where=("last",))[-3:]
        + tracing.of_model(any_model, stride=30)[:1]
    )
    table = tracing.trace(any_model, request(), chosen, store=store)
    assert list(table.groupby("state", sort=False).size()) == [2] * (3 + len(chosen))
    assert table.seed.unique().tolist() == [1000, 2000] and table.score.between(0, 100).all()
    assert all(store.image(key) is not None for key in table.image)
    monkeypatch.setattr(restoring, "generate", None)
    pd.testing.assert_frame_equal(table, tracing.trace(any_model, request(), chosen, store=store))
    (facts,) = store.runs().values()
    assert {
        "model",
        "weights",
        "scorer",
        "seeds",
        "noise",
        "steps",
        "minutes",
        "torch",
    } <= facts.keys()


def test_no_noise_leaves_the_picture_alone(model, store):
    table = tracing.trace(model, request(size=0.0), (), store=store).pivot(
        index="prompt", columns="state", values="score"
    )
    assert np.allclose(table[CLEAN], table[CORRUPTED], atol=0.2) and np.allclose(
        table[CLEAN], table[AGAIN], atol=0.2
    )


def test_other_noise_changes_the_noise_alone():
    prompt = read("style")[0]
    clean, once, again = (
        tracing.row(request(), prompt, 5, name) for name in (CLEAN, CORRUPTED, AGAIN)
    )
    assert clean.seed == once.seed == again.seed and once.prompt.seed != again.prompt.seed
    assert (
        replace(once.prompt, seed=0) == replace(again.prompt, seed=0)
        and clean.prompt == once.prompt.prompt
    )


def test_sizes_of_noise_are_compared(model, store):
    asked = request()
    table = tracing.trace(model, asked, (), store=store)
    found = tracing.by_size(model, asked, (0.0, asked.size), table=table, store=store)
    assert (
        found["size"].tolist() == [0, 3] and set(found.images) == {2} and found.clean.nunique() == 1
    )
    assert (
        found[["lost", "lost_low", "lost_high"]].iloc[1].tolist()
        == list(vars(tracing.lost(table)).values())
        and len(store.runs()) == 2
    )


@pytest.mark.parametrize(
    "asked, message",
    [
        (lambda: Request(prompts=(), seeds=(1,), settings=SETTINGS), "no prompts"),
        (lambda: request(size=-1.0), "at least 0"),
    ],
    ids=["prompts", "size"],
)
def test_a_bad_request_is_one_sentence(asked, message):
    with pytest.raises(UserError, match=message):
        asked()


def test_a_subject_that_is_not_read_is_one_sentence(model, store):
    prompt = Prompt(
        attribute="style",
        original="a house",
        target="a tree",
        scored="a house",
        subject="monet",
        value="house",
        source="ours",
    )
    with pytest.raises(UserError, match="'monet' does not occur in 'a house'"):
        tracing.trace(
            model, Request(prompts=(prompt,), seeds=(1,), settings=SETTINGS), (), store=store
        )


# --- what is said


def text(layer: int, kind: str = "attention") -> State:
    path = f"layers.{layer}.{kind}"
    return State(
        index=layer,
        path=path,
        kind=kind,
        part="text_encoder",
        where="last",
        text=TextState(encoder="text_encoder", path=path, layer=layer, kind=kind),
    )


@pytest.mark.parametrize(
    "name, scores, spread, agrees",
    [
        ("mini-sd-v1-5", [60] * 12 + [40] * 8, "distributed", "held"),
        ("mini-sd-v1-5", [60] * 4 + [40] * 16, "sparse", "did not hold"),
        ("mini-sdxl", [60] * 4 + [40] * 16, "sparse", "held"),
        ("mini-sdxl", [60] * 12 + [40] * 8, "distributed", "did not hold"),
        ("mini-deepfloyd", [50] * 20, "distributed", "held"),  # causal, but none of them strong
        ("mini-deepfloyd", [75] + [40] * 19, "none", "did not hold"),
        ("mini-sd-v1-5", [40] * 20, "none", "did not hold"),
    ],
    ids=str,
)
def test_spreads_and_the_papers_word_for_them(name, scores, spread, agrees):
    chosen = [state(f"s{i}", i) for i in range(len(scores))]
    table = made_up(
        {CLEAN: 80, CORRUPTED: 40, AGAIN: 40} | {s.name: score for s, score in zip(chosen, scores)}
    )
    found = report.spread(table, chosen)
    assert (
        found.verdict == spread and report.spread_agrees(found, paper.paper(MODELS[name])) == agrees
    )
    said = report.unet_words(table, chosen, MODELS[name])
    assert said.startswith("Of 20 states") and ("do not agree" in said) == (
        agrees == "did not hold"
    )


def test_what_wide_intervals_leave_open_is_called_open():
    rng = np.random.default_rng(0)
    chosen = [state(f"s{i}", i) for i in range(20)]
    table = made_up({CLEAN: 80, CORRUPTED: 40, AGAIN: 40} | {s.name: 50 for s in chosen})
    wide = table.assign(
        score=table.score + 30 * rng.normal(size=len(table)) * table.state.str.startswith("s")
    )
    found = report.spread(wide, chosen)
    assert found.open > 5 and found.verdict == "open"
    assert report.spread_agrees(found, paper.paper(MODELS["mini-sd-v1-5"])) == "not settled"


@pytest.mark.parametrize(
    "share, rest, verdict",
    [
        ((0.6, 0.3, 0.9), (0.2, 0.1, 0.3), "alone"),
        ((0.6, 0.3, 0.9), (0.9, 0.7, 1.0), "not alone"),
        ((0.6, 0.3, 0.9), (0.6, 0.3, 0.8), "open"),
        ((0.1, -0.1, 0.2), (0.2, -9.0, 9.0), "none"),
        ((0.3, -0.1, 0.8), (0.2, 0.1, 0.3), "open"),
    ],
    ids=str,
)
def test_a_state_is_alone_if_no_other_does_half_as_much(share, rest, verdict):
    share, rest = (Interval(value=v, low=low, high=high) for v, low, high in (share, rest))
    assert report.Alone(best=text(0), share=share, rest=rest, first=True).verdict == verdict


@pytest.mark.parametrize(
    "name, best, alone, agrees",
    [
        ("mini-sd-v1-5", 0, "alone", "held"),
        ("mini-sd-v1-5", 2, "alone", "did not hold"),
        ("mini-sd-v1-5", None, "not alone", "did not hold"),
        ("mini-deepfloyd", 0, "alone", "did not hold"),
        ("mini-deepfloyd", None, "not alone", "held"),
    ],
    ids=str,
)
def test_a_unique_state_of_the_text_encoder_is_told_from_none(name, best, alone, agrees):
    chosen = [text(layer) for layer in range(6)]
    table = made_up(
        {CLEAN: 80, CORRUPTED: 40, AGAIN: 40}
        | {s.name: 75 if i == best else 45 for i, s in enumerate(chosen)}
    )
    found = report.alone(table, chosen)
    assert (
        found.verdict == alone and report.alone_agrees(found, paper.paper(MODELS[name])) == agrees
    )
    assert ("it **stands alone**" in report.text_words(table, chosen, MODELS[name])) == (
        alone == "alone"
    )
    told = report.claims(table, chosen, chosen, MODELS[name])[-1]
    assert told.outcome == agrees and ("no unique" in told.text) == (name == "mini-deepfloyd")


def test_the_papers_words_are_there_for_its_five_models_and_no_other():
    assert {name for name, spec in MODELS.items() if not spec.bundled} == set(paper.PAPER)
    assert all(
        paper.claim(MODELS[name], "unet").startswith("The paper: “")
        for name in experiments_page.MINIATURES
    )
    assert "planted" in paper.claim(MODELS["planted-sd-v1-5"], "text")
    assert report.claims(pd.DataFrame(), [], [], MODELS["planted-sd-v1-5"]) == []


# --- the page


@pytest.mark.parametrize(
    "model, prompts, stride",
    [("mini-sd-v1-5", 9, 1), ("mini-sdxl", 6, 8), ("mini-deepfloyd", 6, 8)],
)
def test_the_quick_profile_asks_less_of_larger_models(model, prompts, stride):
    page = tracing_page.TracingPage(
        **tracing_page.TracingPage.values(profiles.profile("quick"), MODELS[model])
    )
    assert (len(page.request().prompts), page.stride) == (prompts, stride)
    assert (
        len({prompt.value for prompt in page.request().prompts if prompt.attribute == "style"})
        == prompts // 3
    )


@pytest.mark.parametrize(
    "given, message",
    [
        ({"attribute": "place"}, "'attribute'.*'place'"),
        ({"where": "first"}, "'where'.*'first'"),
        ({"noise": -1.0}, "'noise'"),
        ({"stride": 0}, "'stride'"),
        ({"modle": "x"}, "'modle'.*model, steps"),
    ],
    ids=str,
)
def test_a_bad_parameter_of_the_page_is_one_sentence(given, message):
    with pytest.raises(UserError, match=message) as error:
        pages.parameters("01_causal_tracing", given)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "noise", ["3.0", "0.0"]
)  # where nothing is lost, the page must say so and not break
def test_papermill_alone_runs_the_page(noise, organisms, tmp_path):
    asked = {"model": "mini-sdxl", "prompts": "1", "steps": "1", "stride": "40", "noise": noise}
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(ROOT / "notebooks/01_causal_tracing.ipynb"),
        str(tmp_path / "out.ipynb"),
        *(word for name, value in asked.items() for word in ("-p", name, value)),
    ]
    environment = os.environ | {
        "LOCOLIB_ORGANISMS": str(organisms),
        "LOCOLIB_STORE": str(tmp_path / "store"),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    text = (tmp_path / "out.ipynb").read_text()
    assert (
        "image/png" in text
        and "weights" in text
        and ("takes nothing away" in text) >= (noise == "0.0")
    )
