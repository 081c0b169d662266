"""The switchboard's results in numbers, and both readings drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from locolib.scores import Interval
from locolib.study import switchboard, switchboard_report
from locolib.study.switchboard import READINGS, Value


def around(value: float) -> Interval:
    return Interval(value=value, low=value - 0.1, high=value + 0.2)


@pytest.fixture
def rows():
    shares = [
        Value("share of the effect", "share", around(0.4), around(0.6), "12 images"),
        Value("target picked", "share", around(0.1), around(0.9), "12 images"),
    ]
    values = {
        "size": [Value("", "share", around(0.3), around(0.5), "16 prompts")],
        "guidance": [Value("", "points", around(30.0), around(20.0), "16 prompts")],
        "target": shares,
        "by eye": [],
    }
    return {
        (model, switch): switchboard._row(switch, "says", "does", ("a", "b"), "c", *of)
        for model in ("one", "two")
        for switch, of in values.items()
    }


def test_every_number_of_every_model_and_reading_is_told(rows):
    table = switchboard_report.numbers(rows)
    assert (
        len(table) == 2 * 4 * 2
        and set(table.reading) == set(READINGS)
        and list(dict.fromkeys(table.name))
        == ["size", "guidance", "target: share of the effect", "target: target picked"]
    )
    assert table[table.name == "size"].value.tolist() == [0.3, 0.5] * 2 and np.allclose(
        table.value_high - table.value_low, 0.3
    )
    assert list(switchboard_report.readings(rows).index) == [
        "size",
        "guidance",
        "target",
        "by eye",
    ] and "values" not in switchboard_report.table(rows)


@pytest.mark.parametrize(
    "unit, drawn", [("points", [30.0, 20.0]), ("share", [0.3, 0.4, 0.1, 0.5, 0.6, 0.9])]
)
def test_a_figure_has_a_panel_for_each_model_and_the_switches_of_its_unit(rows, unit, drawn):
    figure = switchboard_report.figure(rows, unit, what="a value", title="both", scorer="a scorer")
    for ax, model in zip(figure.axes, ("one", "two"), strict=True):
        assert [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1] == drawn
        assert " ".join(ax.get_xlabel().split()).startswith(f"{model}: a value, n = 1")
    plt.close(figure)
