"""Does the place depend on the value?  Between-value against within-value variation, and evidence of sameness."""

import numpy as np
import pytest

from locolib.experiments.locogen import depends, rates
from locolib.experiments.locogen.dependence import permuted
from locolib.experiments.locogen.report_outcomes import dependence


def world(rng, places: list[int], prompts: int, *, noise=3.0, share=1.0, windows=15):
    """Effects [prompts, windows] and of all layers, of values each of which has its window; neighbours have half of it."""
    at = np.arange(windows)
    rows, full, values = [], [], []
    for v, place in enumerate(places):
        for _ in range(prompts):
            strength = rng.normal(30, 5)
            bump = np.where(at == place, 1.0, np.where(abs(at - place) == 1, 0.5, 0.0))
            rows.append(strength * share * bump + rng.normal(0, noise, windows))
            full.append(strength + rng.normal(0, noise))
            values.append(f"v{v}")
    return np.array(rows), np.array(full), values


def test_a16_values_with_places_of_their_own_depend():
    found = depends(*world(np.random.default_rng(0), [3, 8, 13, 10, 10, 10], 4))
    assert dependence(found) == "held" and found.p < 0.01 and found.between > 0.3


def test_a16_one_place_for_all_values_is_evidence_of_sameness():
    found = depends(*world(np.random.default_rng(1), [8] * 6, 4))
    assert dependence(found) == "did not hold" and found.low > 0.5 and found.p > 0.05


def test_a16_values_that_differ_in_strength_alone_have_the_same_place():
    rng = np.random.default_rng(2)
    effects, full, values = world(rng, [8] * 4, 4, noise=1.0)
    factor = np.repeat([1.0, 2.0, 3.0, 4.0], 4)
    found = depends(effects * factor[:, None], full * factor, values)
    assert dependence(found) == "did not hold"


def test_a16_no_place_at_all_settles_nothing():
    """Where no window has anything, values may differ in their noise, but none has a place of its own."""
    rng = np.random.default_rng(3)
    said = [dependence(depends(*world(rng, [8] * 4, 3, share=0.0))) for _ in range(50)]
    assert set(said) == {"not settled"}


def test_a16_a_value_that_does_not_change_hides_no_other():
    """Where altering all layers does nothing for one value, one place for all is not shown, but places of the others are seen."""
    rng = np.random.default_rng(7)
    for places, says in (([3, 8, 13, 10], "held"), ([8, 8, 8, 8], "not settled")):
        effects, full, values = world(rng, places, 4, noise=1.0)
        effects[:4], full[:4] = rng.normal(0, 1, (4, 15)), -abs(rng.normal(0, 1, 4))
        found = depends(effects, full, values)
        assert dependence(found) == says and np.isfinite(found.share) and found.least != "v0"


def test_a16_one_prompt_of_each_value_says_nothing():
    found = depends(*world(np.random.default_rng(4), [3, 8, 13], 1))
    assert dependence(found) == "not settled" and np.isnan(found.p) and "not testable" in str(found)


@pytest.mark.parametrize("prompts", [2, 3, 4])
def test_a16_the_permutation_test_keeps_its_level(prompts):
    """Prompts each with a place of its own, dealt out to values at random: p <= 0.05 in about 5% of worlds."""
    rng, hits = np.random.default_rng(5), []
    for _ in range(120):
        maps = rng.normal(0, 1, (4 * prompts, 15))
        hits.append(permuted(maps, np.repeat(np.arange(4), prompts))[1] <= 0.05)
    assert np.mean(hits) <= 0.11


def test_a16_few_prompts_are_permuted_exactly():
    """Three prompts of each of two facts: 20 labellings, of which the true one and its mirror put the most between."""
    rng = np.random.default_rng(6)
    maps, _, _ = world(rng, [6, 12], 3, noise=0.1)
    between, p = permuted(maps, np.array([0, 0, 0, 1, 1, 1]))
    assert p == pytest.approx(0.1) and between > 0.9


def test_a16_the_rules_have_error_rates():
    """Of 40 simulated tables each, few are called what they are not; the pages print the rates of many more."""
    found = rates.rates(40)
    assert {rate.n for rate in found} >= {3, 6, 9, 12} and all(rate.worlds == 40 for rate in found)
    assert max(rate.false_positive for rate in found) <= 0.125
    enough = [rate for rate in found if rate.n >= 9 and "same for all" not in rate.rule]
    assert np.mean([rate.false_negative for rate in enough]) <= 0.25
