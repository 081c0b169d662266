"""Every rule that turns numbers into an outcome is listed with its error rates, and is not wrong more often than it may be."""

import ast
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import locolib
from locolib.claims import Rate
from locolib.study import rules

PACKAGE = Path(locolib.__file__).parent
WORLDS = 60  # the benchmark has 2000, the page 400


@pytest.fixture(scope="module")
def table():
    return rules.rates(worlds=WORLDS)


def test_every_room_that_makes_claims_has_rates():
    """A room whose report builds a `Claim` lists the rules by which it does."""
    rooms = [
        path
        for path in (PACKAGE / "experiments").iterdir()
        if path.is_dir() and any("Claim(" in file.read_text() for file in path.glob("*.py"))
    ]
    listed = {module.__name__.split(".")[-2] for module in rules.ROOMS.values()}
    assert {path.name for path in rooms} <= listed


def test_each_rule_is_said_in_words_and_simulated(table):
    for column in ("rule", "says", "null", "alternative"):
        assert table[column].str.len().gt(3).all()
    assert table.worlds.ge(WORLDS).all() and table.n.ge(1).all()
    known = table["false positive"].dropna()
    assert known.between(0, 1).all() and len(known) > len(table) / 2


def test_no_rule_says_held_too_often_where_nothing_is(table):
    """At most 5%, as far as so few tables can tell (Wilson's lower end)."""
    wrong = table[table["false positive_low"] > rules.ALLOWED]
    assert wrong.empty, wrong[["rule", "n", "false positive", "null"]]


@pytest.mark.parametrize("room", ["neurons", "DeepFloyd", "human study"])
def test_rates_are_the_same_when_measured_again(room):
    once, again = (rules.ROOMS[room].rates(40) for _ in range(2))
    assert once == again


def test_the_words_count_and_name_what_is_above():
    rows = [
        Rate(
            rule=name,
            says="s",
            null="n",
            alternative="a",
            n=7,
            false_positive=wrong,
            false_negative=0.2,
            worlds=400,
        )
        for name, wrong in (("good", 0.01), ("bad", 0.3))
    ]
    module = type("room", (), {"rates": staticmethod(lambda worlds: rows)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "ROOMS", {"Room": module})
        said = rules.words(rules.rates(400))
    assert "Above it: bad." in said and "0.300 (bad)" in said and "1 have" in said


def test_the_benchmark_prints_all_of_it(organisms, monkeypatch, capsys, tmp_path):
    file = PACKAGE.parent / "benchmarks" / "rules.py"
    spec = importlib.util.spec_from_file_location("rules_benchmark", file)
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["rules.py", "--smoke"])
    module.main()
    printed = capsys.readouterr().out
    assert all(f" {n} " in printed for n in (7, 12, 24))
    assert all(room in printed for room in rules.ROOMS)


def test_no_simulation_draws_from_a_global_seed():
    for file in PACKAGE.rglob("rates.py"):
        names = {
            node.attr
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Attribute)
        }
        assert "seed" not in names, file


def test_the_figures_show_each_rule_and_each_size(table):
    from locolib import figures
    from locolib.scores import coverage

    (ax,) = figures.panels(1)
    assert len(rules.rates_figure(ax, table).get_yticklabels()) == len(rules.listed(table))
    (ax,) = figures.panels(1)
    found = coverage.simulated(40)
    assert len(rules.coverage_figure(ax, found).get_legend().get_texts()) == found.n.nunique()
    assert np.isfinite(found.coverage).all()
