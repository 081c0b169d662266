"""The verdict rule on synthetic effects: all four verdicts, coverage of intervals, error rates under the null."""

from dataclasses import replace

import numpy as np
import pytest

from locolib.scores import (
    ENOUGH,
    Effects,
    clip_score,
    disjoint,
    highest,
    judge,
    margin,
    mean,
    parsed,
    proportion,
    ratio,
    share,
    wilson,
)
from locolib.scores.coverage import of_table, simulated

UNITS = 12


def synthetic(
    rng, planted: dict[int, float], *, m=2, layers=16, units=UNITS, full=30.0, noise=4.0
) -> Effects:
    """Effects of windows whose true shares are `planted` (others 0), of noisy units."""
    true = np.zeros(layers - m + 1)
    for start, value in planted.items():
        true[start] = value
    strength = rng.normal(full, noise, units)
    return Effects(
        windows=strength[:, None] * true + rng.normal(0, noise, (units, len(true))),
        full=strength + rng.normal(0, noise / 2, units),
        matters=5.0,
    )


def verdict(rng, planted, **options):
    choose, confirm = synthetic(rng, planted, **options), synthetic(rng, planted, **options)
    every = [synthetic(rng, planted if m == 2 else {}, **options | {"m": m}) for m in (1, 2, 3, 4)]
    return judge(choose, confirm, 2, searched=every)


def test_localised_where_planted():
    answer = verdict(np.random.default_rng(0), {8: 1.0, 7: 0.5, 9: 0.5})
    assert (answer.verdict, answer.start, answer.m) == ("localised", 8, 2)
    assert answer.share.low > 0.5 and answer.margin.low > 0 and answer.needed == 0


def test_not_localised_where_nothing_controls():
    assert verdict(np.random.default_rng(1), {3: 0.3, 12: 0.3}).verdict == "not localised"


def test_no_effect_before_any_ratio():
    found = verdict(np.random.default_rng(2), {8: 1.0}, full=0.0, units=24)
    assert found.verdict == "no effect" and found.full.high < 5 and np.isnan(found.share.value)


def test_an_opposite_effect_is_no_effect():
    assert verdict(np.random.default_rng(2), {8: 1.0}, full=-30.0).verdict == "no effect"


@pytest.mark.parametrize(
    "units, noise, change",
    [
        (1, 4.0, {}),  # one prompt
        (6, 40.0, {}),  # six noisy ones
        (24, 4.0, {"matters": np.nan}),  # nobody knows what would matter
        (
            24,
            4.0,
            {"matters": -1.0},
        ),  # black pictures: as near to unrelated prompts as to their own
    ],
)
def test_absence_of_evidence_is_inconclusive(units, noise, change):
    """It needs an upper bound below what matters; an interval that includes 0, or none, is not that."""
    rng = np.random.default_rng(2)
    choose, confirm = (
        replace(synthetic(rng, {}, units=units, noise=noise, full=0.0), **change) for _ in range(2)
    )
    found = judge(choose, confirm, 2)
    assert found.verdict == "inconclusive" and found.needed >= 2 * ENOUGH


def test_black_pictures_are_inconclusive():
    """NaN weights draw black pictures: every effect is exactly 0, and nothing is known of what matters."""
    nothing = Effects(windows=np.zeros((12, 15)), full=np.zeros(12), matters=0.0)
    assert judge(nothing, nothing, 2).verdict == "inconclusive"


def test_inconclusive_asks_for_more_images():
    answer = verdict(np.random.default_rng(3), {8: 0.85}, noise=40.0, full=40.0)
    assert answer.verdict == "inconclusive" and answer.needed > UNITS


def test_two_equal_windows_are_not_localised_in_one():
    assert verdict(np.random.default_rng(4), {3: 1.0, 12: 1.0}).verdict != "localised"


def test_a_single_size_cannot_say_not_localised():
    rng = np.random.default_rng(5)
    assert judge(synthetic(rng, {}), synthetic(rng, {}), 2).verdict == "inconclusive"


def test_destroyed_windows_are_never_localised():
    rng = np.random.default_rng(6)
    choose, confirm = (synthetic(rng, {8: 1.0}) for _ in range(2))
    assert judge(choose, confirm, 2).verdict == "localised"
    assert judge(choose, confirm, 2, destroyed=np.arange(15) == 8).verdict != "localised"


def test_the_choice_is_made_on_one_half_and_judged_on_the_other():
    rng = np.random.default_rng(7)
    answer = judge(synthetic(rng, {8: 1.0}), synthetic(rng, {3: 1.0}), 2)
    assert answer.start == 8 and answer.verdict != "localised"


def test_shares_do_not_depend_on_the_scale_of_scores():
    effects = synthetic(np.random.default_rng(8), {8: 0.9})
    scaled = Effects(windows=7 * effects.windows, full=7 * effects.full)
    assert share(effects, 8).low == pytest.approx(share(scaled, 8).low)
    one, other = margin(effects, effects, 2, 8), margin(scaled, scaled, 2, 8)
    assert one.value == pytest.approx(other.value)


def test_the_whole_has_share_one():
    effects = synthetic(np.random.default_rng(9), {})
    whole = Effects(windows=effects.full[:, None], full=effects.full)
    assert [share(whole, 0).low, share(whole, 0).high] == pytest.approx([1, 1], abs=1e-6)
    assert share(whole, 0).value == 1


def test_a10_every_kind_of_interval_covers():
    """95% intervals hold the truth in 93 to 97% of worlds, with 7, 12 and 24 units (400 worlds: give or take two points)."""
    found = simulated(400)
    assert set(found.n) == {7, 12, 24} and found.kind.nunique() >= 6
    assert found.low.le(0.97).all() and found.high.ge(0.93).all()
    assert found.coverage.between(0.915, 0.985).all(), found


def test_a10_coverage_on_a_table_of_prompts():
    """Seven of many prompts are drawn: the share on all of them is inside in about 95% of the draws."""
    rng = np.random.default_rng(10)
    found = of_table(synthetic(rng, {8: 0.7}, units=200, noise=8.0), 8, draws=600)
    assert found.coverage.between(0.92, 0.975).all(), found


def test_a10_under_five_units_no_interval_is_formed():
    few = mean(np.arange(4.0))
    assert np.isnan([few.low, few.high]).all() and str(few) == "1.50 (n too small)"
    assert parsed(f"share {few}").value == 1.5 and np.isnan(parsed(str(few)).low)
    assert np.isnan(ratio(np.arange(4.0), np.arange(4.0) + 1).low) and np.isnan(wilson(3, 4).low)
    assert np.isfinite(mean(np.arange(float(ENOUGH))).low)


def test_a10_units_within_prompts_are_stratified():
    """Images of the same three prompts: what differs between the prompts is no doubt about these prompts."""
    rng = np.random.default_rng(16)
    prompt = np.repeat([0, 1, 2], 5)
    sample = np.array([0.0, 10.0, 50.0])[prompt] + rng.normal(0, 1, 15)
    plain, within = mean(sample), mean(sample, prompt)
    assert within.value == plain.value and within.high - within.low < (plain.high - plain.low) / 5
    assert np.isnan(mean(sample[::5], prompt[::5]).low)  # one image of each tells nothing


def test_a11_images_of_one_prompt_are_not_independent():
    """Eight images of each of six prompts, all alike within a prompt, are six units."""
    hits, prompt = np.repeat([1, 1, 0, 1, 0, 1], 8), np.repeat(range(6), 8)
    pooled, grouped = wilson(int(hits.sum()), 48), proportion(hits, prompt)
    assert grouped.value == pooled.value
    assert grouped.high - grouped.low > 1.8 * (pooled.high - pooled.low)
    assert proportion(np.ones(48), prompt).low == pytest.approx(wilson(6, 6).low)
    assert proportion(hits[::8], prompt[::8]) == wilson(4, 6)


def test_false_localised_rate_under_the_null():
    """Where no window does anything, at most 2.5% of 200 worlds are called localised."""
    rng = np.random.default_rng(11)
    found = [
        judge(synthetic(rng, {}), synthetic(rng, {}), 2).verdict == "localised" for _ in range(200)
    ]
    assert np.mean(found) <= 0.025


def test_false_localised_rate_when_two_places_hold_it():
    """Knowledge that either of two distant windows carries in full is localised in neither: at most 5% of 200 worlds."""
    rng = np.random.default_rng(12)
    found = [
        judge(synthetic(rng, {3: 1.0, 12: 1.0}), synthetic(rng, {3: 1.0, 12: 1.0}), 2).verdict
        == "localised"
        for _ in range(200)
    ]
    assert np.mean(found) <= 0.05


def test_the_simultaneous_bound_is_above_every_window():
    effects = synthetic(np.random.default_rng(13), {8: 0.4})
    assert highest([effects]) >= (effects.windows.mean(0) / effects.full.mean()).max()


def test_the_ratio_is_paired():
    x = np.random.default_rng(14).normal(10, 3, 20)
    half = ratio(x, 2 * x)
    assert [half.low, half.high] == pytest.approx([0.5, 0.5], abs=1e-6) and half.value == 0.5


def test_a_ratio_to_nothing_has_no_ends():
    """Fieller: where the lower mean may be 0 the ratio may be anything."""
    rng = np.random.default_rng(15)
    found = ratio(rng.normal(5, 1, 12), rng.normal(0, 1, 12))
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_the_interval_of_a_mean_is_students():
    from scipy.stats import t

    x = np.random.default_rng(3).normal(2, 1, 9)
    found = mean(x)
    half = t.ppf(0.975, 8) * x.std(ddof=1) / 3
    assert [found.low, found.high] == pytest.approx([x.mean() - half, x.mean() + half])


def test_clip_score_is_never_negative():
    assert clip_score(np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([-1.0, 0.0])).tolist() == [0, 0]
    assert clip_score(np.array([[0.6, 0.8]]), np.array([1.0, 0.0])) == pytest.approx(60)


@pytest.mark.parametrize(
    "m, chosen, expected", [(1, 0, [1, 2, 3]), (2, 1, [3]), (3, 0, [3])], ids=str
)
def test_disjoint_windows(m, chosen, expected):
    assert disjoint(range(4), m, chosen).tolist() == expected


def test_disjoint_windows_are_told_by_their_starts():
    assert disjoint([0, 3, 6, 9], 5, 1).tolist() == [3]


def test_the_answer_names_layers_and_not_positions():
    rng = np.random.default_rng(15)
    choose, confirm = (
        Effects(windows=e.windows, full=e.full, starts=tuple(range(0, 45, 3)))
        for e in (synthetic(rng, {8: 1.0}) for _ in range(2))
    )
    assert judge(choose, confirm, 3, layers=70).start == 24


def test_wilson_interval_of_the_papers_human_study():
    """92.58% = 611 of 660 ratings above 1 (App. J)."""
    interval = wilson(611, 660)
    assert (
        interval.value == pytest.approx(0.9258, abs=1e-4) and interval.low < 0.9258 < interval.high
    )
