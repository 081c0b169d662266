"""Forest plots: every row at its place, and the table that is kept."""

import base64
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from locolib.figures import GREY, PALETTE, forest, kept


def table(**changes) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "name": ["LocoEdit", "TIME", "a random window"],
            "share": [0.9, 0.5, 0.1],
            "share_low": [0.8, 0.3, -0.1],
            "share_high": [1.0, 0.7, 0.2],
            "points": [30.0, 20.0, 1.0],
            "points_low": [25.0, 12.0, -4.0],
            "points_high": [35.0, 28.0, 5.0],
            "n": 24,
        }
    )
    return rows.assign(**changes)


def drawn(rows: pd.DataFrame, parts=("share",), **options):
    figure = forest(
        rows,
        parts={part: f"{part} (a unit)" for part in parts},
        title="what edits do",
        scorer="a scorer",
        **options,
    )
    figure.canvas.draw()
    axes = [ax for ax in figure.axes if ax.get_visible()]
    plt.close(figure)
    return figure, axes


def dots(ax) -> dict[float, float]:
    """y -> x of all dots."""
    return {
        float(line.get_ydata()[0]): float(line.get_xdata()[0])
        for line in ax.lines
        if len(line.get_xdata()) == 1
    }


def spans(ax) -> dict[float, tuple[float, float]]:
    """y -> ends of all bars."""
    return {
        float(line.get_ydata()[0]): tuple(map(float, line.get_xdata()))
        for line in ax.lines
        if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"
    }


def names(ax) -> list[str]:
    return [" ".join(tick.get_text().split()) for tick in ax.get_yticklabels()]


def said(figure) -> str:
    """All that is written in a figure."""
    texts = [
        figure.get_suptitle(),
        *(text.get_text() for legend in figure.legends for text in legend.get_texts()),
    ]
    return " ".join(
        " ".join([*texts, *(text.get_text() for ax in figure.axes for text in ax.texts)]).split()
    )


def test_each_row_is_a_dot_and_a_bar_at_its_value_and_ends():
    figure, (ax,) = drawn(table())
    places = sorted(dots(ax))
    assert names(ax) == ["LocoEdit", "TIME", "a random window"] and list(ax.get_yticks()) == places
    assert ax.yaxis_inverted()  # the first row is the highest
    assert [dots(ax)[y] for y in places] == [0.9, 0.5, 0.1]
    assert [spans(ax)[y] for y in places] == [(0.8, 1.0), (0.3, 0.7), (-0.1, 0.2)]
    assert (
        "what edits do; n = 24 images, 95% intervals, a scorer" in said(figure)
        and ax.get_xlabel() == "share (a unit)"
    )


def test_parts_are_panels_two_at_most_beside_each_other():
    rows = table(third=[1.0, 2.0, 3.0], third_low=0.0, third_high=4.0)
    figure, axes = drawn(rows, parts=("share", "points", "third"))
    assert [sorted(dots(ax).values()) for ax in axes] == [
        [0.1, 0.5, 0.9],
        [1.0, 20.0, 30.0],
        [1.0, 2.0, 3.0],
    ]
    boxes = [ax.get_position() for ax in axes]
    assert (
        boxes[0].y0 == pytest.approx(boxes[1].y0)
        and boxes[2].y1 < boxes[0].y0
        and figure.get_figwidth() == 6.5
    )
    assert axes[0].get_xlabel() == "share (a unit)" and axes[2].get_xlabel() == "third (a unit)"


def test_a_row_without_a_value_or_an_interval_is_said():
    rows = table(
        share=[0.9, np.nan, 0.1], share_low=[-np.inf, np.nan, 0.0], share_high=[np.inf, np.nan, 0.2]
    )
    figure, (ax,) = drawn(rows)
    assert (
        names(ax) == ["LocoEdit", "TIME", "a random window"]
        and list(dots(ax).values()) == [0.9, 0.1]
        and len(spans(ax)) == 1
    )
    assert said(figure).count("not defined") == 1 and said(figure).count("no interval") == 1


def test_controls_are_hollow_grey_and_called_so():
    figure, (ax,) = drawn(table(), controls=["a random window"])
    plain, control = (
        line
        for line in ax.lines
        if len(line.get_xdata()) == 1 and line.get_xdata()[0] in (0.9, 0.1)
    )
    assert plain.get_markerfacecolor() == PALETTE["1"] and (
        control.get_markerfacecolor(),
        control.get_color(),
    ) == ("white", GREY)
    assert names(ax)[2] == "a random window (control)" and "control (hollow)" in said(figure)


def test_a_group_can_be_a_control():
    rows = pd.concat([table().assign(dropped="100"), table().assign(dropped="random 100")])
    figure, (ax,) = drawn(rows, group="dropped", controls=["random 100"])
    assert {
        line.get_marker(): line.get_markerfacecolor() == "white"
        for line in ax.lines
        if len(line.get_xdata()) == 1
    } == {"o": False, "s": True}
    assert "random 100 (control)" in said(figure) and "control (hollow)" not in said(figure)


def test_groups_share_a_line_and_differ_in_colour_and_mark():
    rows = pd.concat(
        [
            table().assign(attribute="style"),
            table(share=0.3, share_low=0.2, share_high=0.4).assign(attribute="fact", n=18),
        ]
    )
    figure, (ax,) = drawn(rows, group="attribute")
    kinds = {
        (line.get_color(), line.get_marker()) for line in ax.lines if len(line.get_xdata()) == 1
    }
    assert len(dots(ax)) == 6 and len(names(ax)) == 3 and len(kinds) == 2
    assert {colour for colour, _ in kinds} == {PALETTE["style"], PALETTE["fact"]} and len(
        {mark for _, mark in kinds}
    ) == 2
    assert "style, n = 24" in said(figure) and "fact, n = 18" in said(figure)


def test_n_stands_at_each_name_where_it_differs_and_notes_below():
    _, (ax,) = drawn(table(n=[24, 18, 24], told=["paper: 30.04", "", "paper: none"]), note="told")
    assert names(ax) == [
        "LocoEdit n = 24 paper: 30.04",
        "TIME n = 18",
        "a random window n = 24 paper: none",
    ]


def test_lines_and_limits():
    figure, (ax,) = drawn(
        table(), lines={"share": 0.8}, reference="the threshold", limits={"share": (0.2, 0.8)}
    )
    assert [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"] == [
        0.8
    ] and ax.get_xlim() == (0.2, 0.8)
    assert (
        list(dots(ax).values()) == [0.5]
        and "0.9 ▸" in said(figure)
        and "◂ 0.1" in said(figure)
        and "the threshold" in said(figure)
    )


def test_a_bar_that_goes_beyond_the_axis_ends_in_an_arrow():
    _, (ax,) = drawn(table(), limits={"share": (0.0, 0.95)})
    assert [tuple(map(float, one.get_offsets()[0])) for one in ax.collections] == [
        (0.95, ax.get_yticks()[0]),
        (0.0, ax.get_yticks()[2]),
    ]


def test_long_names_are_wrapped():
    _, (ax,) = drawn(table(name=["LocoEdit that spares by all tokens of the subject", "b", "c"]))
    first = ax.get_yticklabels()[0].get_text()
    assert "\n" in first and max(map(len, first.split("\n"))) <= 26


def test_letters_can_be_read_on_a_phone():
    """At a width of 420 pixels a letter's height is its points times 420 / (72 * the figure's inches)."""
    figure, (ax,) = drawn(table())
    sizes = [tick.get_fontsize() for tick in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    assert min(sizes) * 420 / (72 * figure.get_figwidth()) > 10.5


def test_the_kept_table_comes_back_from_its_link():
    rows = table(name=["Dalí", "a & b", "c"])
    shown = kept(rows, "edits").data
    found = re.search(
        r'<a download="edits.csv" href="data:text/csv;charset=utf-8;base64,([^"]+)">Download the table: edits.csv</a>',
        shown,
    )
    assert base64.b64decode(found[1]).decode("utf-8") == rows.to_csv(index=False)
    assert (
        "<summary>The figure's 3 rows as a table</summary>" in shown
        and "a &amp; b" in shown
        and "0.9" in shown
    )
