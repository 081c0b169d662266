"""The verdict rule on synthetic effects: all four verdicts, coverage of intervals, error rates under the null; agreement of prompts."""

import numpy as np
import pytest

from locolib.experiments.locogen.checks import agreement, concordance
from locolib.scores import (
    RESAMPLES,
    Effects,
    clip_score,
    disjoint,
    highest,
    judge,
    margin,
    mean,
    ratio,
    resample,
    share,
    wilson,
)

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
    assert verdict(np.random.default_rng(2), {8: 1.0}, full=0.0).verdict == "no effect"


def test_an_opposite_effect_is_no_effect():
    assert verdict(np.random.default_rng(2), {8: 1.0}, full=-30.0).verdict == "no effect"


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
    assert margin(effects, 2, 8).value == pytest.approx(margin(scaled, 2, 8).value)


def test_the_whole_has_share_one():
    effects = synthetic(np.random.default_rng(9), {})
    whole = Effects(windows=effects.full[:, None], full=effects.full)
    assert (share(whole, 0).low, share(whole, 0).value, share(whole, 0).high) == (1, 1, 1)


def test_coverage_of_the_interval():
    """A 95% interval over 24 units holds the true share in at least 88% of 200 worlds (the bootstrap is a little short)."""
    rng = np.random.default_rng(10)
    intervals = [share(synthetic(rng, {8: 0.7}, units=24), 8) for _ in range(200)]
    assert np.mean([i.low <= 0.7 <= i.high for i in intervals]) >= 0.88


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


def test_bootstrap_is_paired_and_reproducible():
    rng = np.random.default_rng(14)
    x = rng.normal(10, 3, 20)
    half = ratio(x, 2 * x)
    assert half.low == half.high == half.value == 0.5
    assert mean(x) == mean(x)


def test_bootstrap_is_that_of_a_plain_loop():
    """All resamples at once give the bounds that one resample after the other gives, for a statistic of several columns."""
    rng = np.random.default_rng(15)
    windows, full = rng.normal(3, 1, (20, 5)), rng.normal(5, 1, 20)
    draws = np.random.default_rng(0).integers(0, 20, (RESAMPLES, 20))
    plain = [windows[draw].mean(0).max() / full[draw].mean() for draw in draws]
    found = resample(lambda w, f: w.max(-1) / f, windows, full)
    assert [found.low, found.high] == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.02)


def test_clip_score_is_never_negative():
    assert clip_score(np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([-1.0, 0.0])).tolist() == [0, 0]
    assert clip_score(np.array([[0.6, 0.8]]), np.array([1.0, 0.0])) == pytest.approx(60)


@pytest.mark.parametrize(
    "m, chosen, expected", [(1, 0, [1, 2, 3]), (2, 1, [3]), (3, 0, [3])], ids=str
)
def test_disjoint_windows(m, chosen, expected):
    assert disjoint(range(4), m, chosen).tolist() == expected


def test_disjoint_windows_of_a_sweep_with_a_stride_are_told_by_their_starts():
    assert disjoint([0, 3, 6, 9], 5, 1).tolist() == [3]


def test_a_stride_names_layers_and_not_positions():
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


# --- agreement of prompts


def bumps(rng, centres, windows: int = 15, noise: float = 0.3) -> np.ndarray:
    """Effects [prompts, windows] with a bump at each prompt's own centre, as wide as overlapping windows make it."""
    at = np.arange(windows)
    return np.array([np.exp(-0.5 * (at - centre) ** 2) for centre in centres]) + rng.normal(
        0, noise, (len(centres), windows)
    )


def test_prompts_that_rank_alike_have_concordance_1():
    assert concordance(np.tile(np.arange(10.0), (5, 1))) == pytest.approx(1)
    assert concordance(np.array([np.arange(10.0), np.arange(10.0)[::-1]])) == pytest.approx(0)


def test_prompts_with_one_window_agree():
    found = agreement(bumps(np.random.default_rng(0), [8] * 12))
    assert found.p < 0.01 and found.concordance > found.chance


def test_prompts_with_windows_of_their_own_do_not_agree():
    found = agreement(
        bumps(np.random.default_rng(1), np.random.default_rng(2).integers(0, 15, 12)), draws=300
    )
    assert found.p > 0.05 and found.concordance <= found.chance


def test_coverage_of_the_null_of_agreement():
    """Where each prompt has a place of its own, however smooth its row, at most 10% of 100 worlds are called agreement at p <= 0.05."""
    rng = np.random.default_rng(3)
    smooth = [bumps(rng, [0] * 8, noise=0.05) for _ in range(100)]
    turned = [np.array([np.roll(row, rng.integers(15)) for row in world]) for world in smooth]
    assert np.mean([agreement(world, draws=100).p <= 0.05 for world in turned]) <= 0.10
