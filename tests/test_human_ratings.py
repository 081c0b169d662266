"""What ratings say: intervals by pair and rater, placebos paired, three outcomes with a margin, and how often these are wrong."""

import numpy as np
import pandas as pd
import pytest

from locolib.experiments import human
from locolib.experiments.human import crossed, rates, report
from locolib.scores import Interval, wilson


@pytest.fixture(scope="module")
def pairs():
    return human.plan()


def rated(pairs, real: float, placebo: float = 0.1, *, raters: int = 5, seed: int = 0):
    """Ratings of people: parts `real` and `placebo` of the pairs are seen to change, by nearly all of them."""
    rng = np.random.default_rng(seed)
    names = [pair.pair for pair in pairs]
    part = [placebo if pair.placebo else real for pair in pairs]
    strength = rng.random(len(pairs)) < part
    parts = []
    for rater in range(raters):
        seen = np.where(rng.random(len(pairs)) < 0.95, strength, ~strength)
        parts.append(pd.DataFrame({"pair": names, "rater": f"{rater}", "rating": 1 + 3 * seen}))
    return pd.concat(parts).assign(simulated=False)


def of(outcome: str) -> str:
    return f"- **{outcome}**"


# --- intervals


def test_a19_ratings_of_a_pair_are_not_independent(pairs):
    found = report.rates(rated(pairs, 0.9), pairs)
    whole = found[(found.by == "all") & (found.at_least == 2)].iloc[0]
    plain = wilson(int(whole["count"]), int(whole.n))
    assert (whole.n, whole.pairs, whole.raters) == (660, 132, 5)
    assert whole.high - whole.low > 1.5 * (plain.high - plain.low)


def test_a19_strict_and_lenient_people_make_a_rate_less_sure():
    rng = np.random.default_rng(0)
    alike = rng.random((5, 132)) < 0.7
    apart = rng.random((5, 132)) < np.array([0.3, 0.5, 0.7, 0.9, 1.0])[:, None]
    one, other = (crossed.rate(hits) for hits in (alike, apart))
    assert other.high - other.low > 3 * (one.high - one.low)


def test_a19_with_few_people_the_interval_is_about_other_pairs_and_with_few_pairs_there_is_none():
    hits = np.random.default_rng(0).random((4, 30)) < 0.6
    _, free = crossed.variance(hits)
    assert free == 29 and crossed.rate(hits).low > 0
    assert np.isnan(crossed.rate(hits[:, :4]).low) and "n too small" in str(
        crossed.rate(hits[:, :4])
    )


def test_a_rate_of_all_or_none_has_an_interval_of_as_many_ratings_as_pairs():
    found = crossed.rate(np.ones((5, 40)))
    assert found.value == 1 and 0.85 < found.low < 0.95 and found.high == pytest.approx(1)


def test_a_dozen_pairs_that_say_the_same_are_not_certain():
    found = crossed.difference(np.ones((5, 12)))
    assert found.value == 1 and 0.4 < found.low < 0.9


def test_variance_is_that_of_an_analysis_of_variance():
    """Against the three sums of squares, one by one."""
    values = np.random.default_rng(1).normal(size=(6, 9)) + np.arange(6)[:, None]
    whole = values.mean()
    pair = sum(6 * (values[:, i].mean() - whole) ** 2 for i in range(9)) / 8
    rater = sum(9 * (values[j].mean() - whole) ** 2 for j in range(6)) / 5
    rest = sum(
        (values[j, i] - values[j].mean() - values[:, i].mean() + whole) ** 2
        for j in range(6)
        for i in range(9)
    ) / (5 * 8)
    found, free = crossed.variance(values)
    assert found == pytest.approx((pair + rater - rest) / 54) and 5 <= free < 8


def test_a19_the_intervals_hold_the_truth_as_often_as_they_say():
    found = rates.coverage(200).set_index(["kind", "pairs"]).covered
    assert (found > 0.90).all() and 0.92 < found["rate", 132] < 0.99


def test_alpha_without_enough_pairs_has_no_interval():
    values = np.array([[1, 3, 5, 2], [1, 4, 5, 2]], float)
    found = crossed.agreement(values)
    assert found.value > 0.9 and np.isnan(found.low)


# --- three outcomes


@pytest.mark.parametrize(
    "low, high, says",
    [
        (0.85, 0.99, "held"),
        (0.60, 0.80, "did not hold"),
        (0.80, 0.95, "not settled"),
        (np.nan, np.nan, "not settled"),
    ],
)
def test_a19_a_rate_is_the_papers_or_not_or_it_is_not_settled(low, high, says):
    assert report.as_seen(Interval(value=0.9, low=low, high=high), 0.9258) == says


def test_a19_four_ratings_of_five_do_not_hold_up(pairs):
    """An upper bound that reaches the paper's 92.58% proves nothing."""
    table = rated(pairs[:10], 0.8)
    found = report.rates(table, pairs[:10])
    said = report.conclusion(found, report.agreement(table, pairs[:10]), None)
    assert said.startswith(of("Not settled"))


def test_a19_windows_that_locogen_did_not_confirm_are_told_apart(pairs):
    sure = [(name, "style") for name in human.FOUR]
    places = {pair.pair for pair in pairs if pair.attribute == "style"}
    table = rated(pairs, 0.97)
    table.loc[~table.pair.isin(places), "rating"] = 1  # nothing is seen elsewhere
    found = report.rates(table, pairs, sure)
    agree = report.agreement(table, pairs)
    said = report.conclusion(found, agree, report.beyond_placebo(table, pairs)).splitlines()
    groups = found[found.at_least == 2].set_index("group")
    assert groups.loc["confirmed", "pairs"] == 72 and groups.loc["not confirmed", "pairs"] == 60
    assert said[0].startswith(of("Held")) and "did not confirm 0.0%" in said[0]
    none = report.conclusion(report.rates(table, pairs, []), agree, None)
    assert none.startswith(f"{of('Not settled')}: LocoGen confirmed none of these windows")
    paper = report.conclusion(report.rates(table, pairs), agree, None)
    assert "LocoGen was not asked" in paper


@pytest.mark.parametrize(
    "real, placebo, says", [(0.9, 0.1, "Held"), (0.9, 0.9, "Did not hold|Not settled")]
)
def test_a19_placebos_are_compared_with_the_real_pairs_of_their_prompt(pairs, real, placebo, says):
    table = rated(pairs, real, placebo)
    more = report.beyond_placebo(table, pairs)
    known = {pair.pair: pair for pair in pairs}
    one = [p for p in pairs if p.placebo][0]
    alike = [
        p.pair for p in pairs if not p.placebo and (p.model, p.number) == (one.model, one.number)
    ]
    assert len(alike) == 3 and not {known[name].placebo for name in alike} - {False}
    said = report.conclusion(report.rates(table, pairs), report.agreement(table, pairs), more)
    assert any(f"{of(word)}: the change is in the window" in said for word in says.split("|"))


def test_a_placebo_pair_counts_by_rater_and_prompt(pairs):
    """Nobody sees a placebo change, everybody the real pairs of two models: half of all, whatever the others are."""
    some = [pair for pair in pairs if pair.model in ("mini-sd-v1-5", "mini-sdxl")]
    seen = {p.pair for p in some if not p.placebo and p.model == "mini-sdxl"}
    table = pd.DataFrame(
        [
            {"pair": p.pair, "rater": rater, "rating": 5 if p.pair in seen else 1}
            for p in some
            for rater in "abcde"
        ]
    ).assign(simulated=False)
    assert report.beyond_placebo(table, some).value == 0.5
    without = [p for p in some if not p.placebo]
    assert report.beyond_placebo(table[table.pair.isin({p.pair for p in without})], without) is None


def test_a19_the_rules_are_seldom_wrong():
    for rate in rates.rates(300):
        assert rate.false_positive <= 0.06 and rate.false_negative <= 0.25, rate
