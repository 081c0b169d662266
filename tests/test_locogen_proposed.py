"""The search where backward passes name the windows: what is drawn, and what is said of what is not."""

import numpy as np
import pytest

from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.experiments.locogen import proposed, report
from locolib.experiments.locogen.proposed import Proposed
from locolib.prompts import choose, read


def told(shares, values=None, attribute="style"):
    """Predictions with these shares of layers [prompts, layers], of which the first half chooses."""
    shares = np.atleast_2d(np.asarray(shares, float))
    prompts = choose(read(attribute), len(shares))
    half = tuple(range(max(1, len(shares) // 2)))
    return Proposed(shares=shares, gap=0.0, prompts=prompts, choosing=half)


def peaked(*at, layers=16, height=0.5):
    return [height if i in at else 0.0 for i in range(layers)]


def request(prompts=4, steps=2):
    settings = Settings(steps=steps, guidance=3.0)
    return locogen.Request(
        prompts=choose(read("style"), prompts), seeds=locogen.seeds(1), settings=settings
    )


def test_a_windows_prediction_is_the_sum_of_its_layers():
    rng = np.random.default_rng(0)
    shares = rng.normal(size=(3, 10))
    for m in (1, 3, 10):
        sums = [[row[s : s + m].sum() for s in range(10 - m + 1)] for row in shares]
        assert np.allclose(told(shares).of_windows(m), sums)


def test_the_best_window_and_the_best_elsewhere_are_drawn():
    shares = np.array(peaked(8, 9)) + 0.1 * np.array(peaked(3, 4))
    assert {8, 3} <= set(told([shares] * 2).starts(2))


def test_the_known_window_is_always_drawn_at_its_size():
    one = told([peaked(8, 9)] * 2)
    assert 5 in one.starts(2, (5, 2)) and 5 not in one.starts(3, (5, 2))


def test_windows_of_single_values_are_drawn_though_no_prompt_of_theirs_chooses():
    one = told([peaked(8, 9)] * 3 + [peaked(1, 2)] * 3)
    assert 1 in one.starts(2)


def test_at_most_so_many_windows_are_drawn():
    rng = np.random.default_rng(1)
    one = told(rng.random((12, 70)))
    assert (
        len(one.starts(5)) <= proposed.DRAWN and len(one.starts(5, (40, 5))) <= proposed.DRAWN + 1
    )


def test_sizes_that_promise_nothing_more_are_passed_over():
    one = told([peaked(8, 9)] * 2)
    assert one.sizes() == [1, 2, 4]  # 3 adds nothing; the last says what is nowhere
    assert told([[1 / 16] * 16] * 2).sizes() == [4]
    assert one.sizes([2, 3]) == [2, 3]


def test_the_number_of_sizes_is_bounded():
    growing = told([np.linspace(0, 0.2, 70)] * 2)
    assert len(growing.sizes()) <= proposed.SIZES and growing.sizes()[-1] == 17


def test_what_was_not_drawn_is_ruled_out_only_where_it_is_predicted_small():
    assert not told([[1 / 16] * 16] * 2).unseen(4)
    assert told([peaked(8, 9)] * 2).unseen(4)


@pytest.mark.computing
def test_a_fast_search_draws_fewer_windows_and_stores_its_backward_passes(model, store):
    done = locogen.search(model, request(), store=store, fast=True)
    assert all(one.proposed is not None and len(one.windows) <= proposed.DRAWN for one in done)
    runs = set(store.runs())
    again = locogen.search(model, request(), store=store, fast=True)
    assert set(store.runs()) == runs and np.array_equal(
        again[0].proposed.shares, done[0].proposed.shares
    )


@pytest.mark.computing
def test_what_a_fast_search_draws_is_what_the_sweep_draws(model, store):
    fast = locogen.search(model, request(), store=store, sizes=[2], fast=True)[0]
    every = locogen.search(model, request(), store=store, sizes=[2])[0]
    drawn = every.table[every.table.layers.isin(fast.table.layers)]
    assert set(fast.table.image) == set(drawn.image)


@pytest.mark.computing
def test_maps_of_prompts_are_of_all_windows_all_the_same(model, store):
    done = locogen.search(model, request(), store=store, sizes=[2], fast=True)[0]
    assert locogen.by_prompt(done).shape == (4, 15)
    assert locogen.by_value_of(done).by == "backward passes"
    assert report.gaps(done).startswith(f"{len(done.windows)} of 15 windows")


@pytest.mark.parametrize(("attribute", "place"), [("style", (8, 2)), ("object", (6, 2))])
def test_a_planted_window_is_found_fast(bundled_planted, store, attribute, place):
    asked = locogen.Request(
        prompts=choose(read(attribute), 12),
        seeds=locogen.seeds(1),
        settings=Settings(steps=6, guidance=3.0),
    )
    found = locogen.search(bundled_planted, asked, store=store, fast=True)[-1]
    assert found.localised and (found.verdict.start, found.m) == place


@pytest.fixture(scope="module")
def bundled_planted():
    from locolib.models import load

    return load("planted-sd-v1-5")


@pytest.mark.slow
def test_a_model_without_a_window_is_said_to_have_none_fast(store):
    """With all 24 prompts: with 12 the interval of the best of the drawn windows still reaches 0.8."""
    from locolib.models import load

    asked = locogen.Request(
        prompts=read("style"), seeds=locogen.seeds(1), settings=Settings(steps=10, guidance=3.0)
    )
    found = locogen.search(load("planted-none"), asked, store=store, fast=True)
    assert found[-1].verdict.verdict == "not localised" and found[-1].m == 4
