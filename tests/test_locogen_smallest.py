"""The smallest m (Section 5.1.2, App. G) and the paper's window beside it: nested, tied, or shown not to control."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from locolib import UserError
from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.experiments.locogen import (
    Beside,
    Request,
    comparing,
    report,
    report_claims,
    report_outcomes,
    seeds,
)
from locolib.experiments.locogen.page import LocoGenPage
from locolib.experiments.profiles import PROFILES
from locolib.models import MODELS
from locolib.prompts import read
from locolib.scores import NOTHING, Effects, Interval

SETTINGS = Settings(steps=1, guidance=2.0, batch=32)


def known(
    share=(0.9, 0.8, 1.0), behind=(0.0, -0.1, 0.1), window=(8, 9), **options: object
) -> Beside:
    parts = {"tied": True, "destroyed": False, "overlap": 0, "nested": False, "chance": 0.1}
    one, other = (Interval(value=v, low=a, high=b) for v, a, b in (share, behind))
    return Beside(window=window, share=one, behind=other, **(parts | options))


BELOW = {"share": (0.4, 0.2, 0.6), "behind": (0.5, 0.3, 0.7), "tied": False}


@pytest.mark.parametrize(
    "verdict, beside, says",
    [
        ("localised", known(nested=True), "held"),
        ("localised", known(), "held"),  # it controls as well
        ("localised", known(tied=False), "not settled"),
        ("localised", known(share=(0.9, 0.4, 1.4)), "not settled"),  # not surely half
        ("localised", known(destroyed=True), "not settled"),
        ("localised", known(**BELOW), "did not hold"),
        ("localised", known(**BELOW, nested=True), "held"),
        ("not localised", known(**BELOW), "did not hold"),
        ("inconclusive", known(**BELOW), "not settled"),
        ("inconclusive", known(), "not settled"),
        ("no effect", known(share=(np.nan,) * 3, behind=(np.nan,) * 3), "not settled"),
    ],
)
def test_a4_a_tie_is_agreement_and_only_a_window_that_fails_is_disagreement(verdict, beside, says):
    assert report_outcomes.agreement(verdict == "localised", verdict, beside) == says


@pytest.mark.parametrize(
    "found, beside, says",
    [
        ((8, 9), known(nested=True), "held"),
        ((9, 10), known(), "not settled"),  # a tie of the same size
        ((9,), known(nested=True), "did not hold"),  # a part is enough: not what was planted
        ((3, 4), known(**BELOW), "did not hold"),
    ],
)
def test_a4_a_planted_window_must_be_found_exactly(found, beside, says):
    assert report_outcomes.exact(True, found, "localised", beside) == says


def test_a4_nested_windows():
    assert comparing.nested((8, 9), (8, 9, 10)) and comparing.nested((8, 9, 10), (10,))
    assert not comparing.nested((8, 9), (9, 10))


def request(prompts: int = 12) -> Request:
    return Request(prompts=read("style")[:prompts], seeds=seeds(1), settings=SETTINGS)


@pytest.fixture
def planted(monkeypatch):
    """Effects as if layers 8 to 10 held it: all three have it, each pair nearly."""

    def made(table, sets, layers, attribute, prompts=None):
        rng, units = np.random.default_rng(len(sets)), 6 if prompts else 12
        shares = {3: 0.97, 2: 0.6, 1: 0.3, 0: 0.0}
        true = np.array([shares[len(set(s) & {8, 9, 10})] for s in sets])
        full = rng.normal(30, 1, units)
        effects = full[:, None] * true + rng.normal(0, 0.3, (units, len(true)))
        starts = tuple(min(s) for s in sets)
        return Effects(windows=effects, full=full, starts=starts, matters=3.0)

    for module in (locogen.searching,):
        monkeypatch.setattr(module, "effects", made)


@pytest.mark.computing
def test_a3_the_search_goes_to_the_smallest_m_and_the_papers_window_is_measured_too(
    model, store, planted
):
    found = locogen.locate(model, request(), (8, 2), store=store)
    assert [one.m for one in found.sweeps] == [1, 2, 3] and found.done.localised
    assert found.done.found == (8, 9, 10) and found.at.m == 2
    assert found.beside.nested and found.beside.overlap == 2
    assert found.beside.share.value == pytest.approx(0.6, abs=0.05)
    row = report.hit(found, MODELS["mini-sd-v1-5"])
    assert (row["smallest m"], row["found"], row["overlap"]) == ("3", "8-10", "2 of 2 layers")
    assert row["outcome"] == "held" and 0.1 < found.beside.chance < 0.2  # 2 windows of 15
    told = report_claims.fewest({"style": found}, MODELS["mini-sd-v1-5"])
    assert [claim.outcome for claim in told] == ["did not hold"]  # two layers are not enough here


@pytest.mark.computing
def test_a3_the_known_window_is_drawn_whatever_backward_passes_name(model, store):
    found = locogen.locate(model, request(4), (7, 2), store=store, sizes=[2], fast=True)
    assert (7, 8) in found.done.windows and found.beside.window == (7, 8)
    assert len(found.done.windows) < 15 and np.isnan(found.beside.chance)


@pytest.mark.computing
def test_a3_the_known_size_is_swept_even_if_the_search_ends_before(model, store):
    found = locogen.locate(model, request(4), (8, 3), store=store, sizes=[1])
    assert [one.m for one in found.sweeps] == [1] and found.at.m == 3
    assert [one.m for one in found.shown] == [1, 3]


def test_a3_the_page_searches_from_1_to_a_quarter_of_the_layers():
    page = LocoGenPage(model="mini-sd-v1-5")
    assert page.searched() == (1, 2, 3, 4) and page.sizes()["style"] == 2
    assert LocoGenPage(m=2).searched() == (2,) and LocoGenPage(m=2).sizes()["fact"] == 2
    assert LocoGenPage(m="5, 3").searched() == (3, 5)
    with pytest.raises(ValueError, match="number of layers"):
        LocoGenPage(m="two")
    with pytest.raises(UserError, match="from 1 to 16"):
        LocoGenPage(m="2, 17").searched()


@pytest.mark.parametrize("name", ["mini-sd-v1-5", "mini-sdxl", "mini-deepfloyd"])
def test_a3_the_quick_study_searches_and_includes_the_papers_m(name):
    page = LocoGenPage(**LocoGenPage.values(PROFILES["quick"], MODELS[name]))
    assert {page.sizes()[a] for a in page.names()} <= set(page.searched())
    assert page.images() > 0 and (name != "mini-sd-v1-5" or len(page.searched()) == 4)


def sweep_of(found, shares, *, localised=True, proposed=None):
    """What `smallest` and `same_place` read of a sweep: shares of all windows of its size, with little noise."""
    rng, m = np.random.default_rng(0), len(found)
    every = locogen.windows(16, m)
    full = rng.normal(30, 1, 8)
    true = np.array([shares.get(w[0], 0.0) for w in every])
    effects = Effects(windows=full[:, None] * true + rng.normal(0, 0.3, (8, len(every))), full=full)

    def held_out(sets, table=None):
        return replace(
            effects, windows=effects.windows[:, [every.index(w) for w in sets]], starts=()
        )

    return SimpleNamespace(
        m=m,
        found=found,
        localised=localised,
        windows=every,
        effects=effects,
        held_out=held_out,
        proposed=proposed,
    )


def answer(*sweeps) -> SimpleNamespace:
    return SimpleNamespace(sweeps=sweeps, done=sweeps[-1], at=None)


def test_a21_app_g_asks_for_the_fewest_layers():
    one, two = sweep_of((8,), {8: 0.3}, localised=False), sweep_of((8, 9), {8: 1.0})
    assert report_outcomes.smallest(answer(one, two), 2) == "held"
    assert report_outcomes.smallest(answer(one, two), 3) == "did not hold"  # two are enough
    assert report_outcomes.smallest(answer(one, two), 1) == "did not hold"  # one surely is not
    assert report_outcomes.smallest(answer(one), 2) == "not settled"


def test_a21_openjourney_and_sd_v1_5_are_compared_window_by_window():
    here = answer(sweep_of((8, 9), {8: 1.0}))
    both = answer(sweep_of((10, 11), {8: 0.95, 10: 1.0}))
    tied = answer(sweep_of((8, 9), {8: 1.0, 10: 0.95}))
    assert report_outcomes.same_place(here, answer(sweep_of((8, 9, 10), {8: 1.0}))) == "held"
    assert report_outcomes.same_place(tied, both) == "held"
    assert report_outcomes.same_place(here, answer(sweep_of((3, 4), {3: 1.0}))) == "did not hold"
    assert report_outcomes.same_place(here, both) == "not settled"
    assert (
        report_outcomes.same_place(here, answer(sweep_of((3, 4), {3: 1.0}, localised=False)))
        == "not settled"
    )


def test_nothing_known_is_nothing_to_compare_with():
    assert (
        report_outcomes.nowhere("not localised") == "held"
        and report_outcomes.nowhere("localised") == "did not hold"
    )
    assert report_outcomes.nowhere("inconclusive") == "not settled" and not np.isfinite(
        NOTHING.value
    )
