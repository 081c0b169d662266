"""Every page of the built site on a phone and on a screen: nothing is cut, and no page scrolls sideways."""

from pathlib import Path

import pytest

from locolib.study.mending import mended

# What is folded away, and what a theme shows late, is looked at as well.
OPEN = """() => {
  document.querySelectorAll("details").forEach((box) => { box.open = true; });
  document.querySelectorAll(".toggle-hidden").forEach((box) => box.classList.remove("toggle-hidden"));
  document.querySelectorAll("img[loading=lazy]").forEach((image) => { image.loading = "eager"; });
}"""
FAULTS = r"""(screen) => {
  const found = [], article = document.querySelector("article") || document.body;
  const called = (one) => `${one.tagName.toLowerCase()}.${one.className} ${one.textContent.trim().slice(0, 60)}`;
  const past = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (past > 0) found.push(`the page scrolls sideways by ${past}`);
  for (const cell of article.querySelectorAll("td, th"))
    if (/^(\.\.\.|…)$/.test(cell.textContent.trim())) found.push(`cut to "...": ${called(cell.closest("table"))}`);
  const footer = article.textContent.match(/\d+ rows × \d+ columns/);
  if (footer) found.push(`a cut table: ${footer[0]}`);
  for (const table of article.querySelectorAll("table"))
    if (!table.closest(".pst-scrollable-table-container, .loco-ledger")) found.push(`a table in no box of its own: ${called(table)}`);
  const boxes = ".pst-scrollable-table-container, figure, .cell_output, .cell_output > .output, .loco-ledger, td, th";
  for (const box of screen ? article.querySelectorAll(boxes) : [])
    if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).display !== "inline") found.push(`wider than its box: ${called(box)}`);
  return found;
}"""


def faults(file: Path, context, *, screen: bool) -> list[str]:
    """What is cut, or too wide, on one page."""
    page = context.new_page()
    page.goto(file.as_uri())
    page.evaluate(OPEN)
    found = page.evaluate(FAULTS, screen)
    page.close()
    return found


@pytest.mark.parametrize(
    "written",
    ['<table border="1" class="dataframe">', '<table id="T_0a1">'],
    ids=["plain", "styled"],
)
def test_a_table_of_pandas_gets_a_box_of_its_own_once(written):
    made = mended(
        f"<p>a</p>{written}<tr><td>1</td></tr></table><p>b</p>{written}<tr><td>2</td></tr></table>"
    )
    assert (
        made == mended(made)
        and made.count(
            '<div class="pst-scrollable-table-container loco-table"><table class="dataframe"'
        )
        == 2
    )
    assert (
        made.startswith("<p>a</p><div")
        and made.endswith("<td>2</td></tr></table></div>")
        and made.count("</table></div><p>b</p>") == 1
    )


def test_a_head_without_words_is_no_head():
    written = '<table class="dataframe"><tr><th></th><th class="blank level0" >&nbsp;</th><th>a</th></tr></table>'
    assert "<tr><td></td><td></td><th>a</th></tr>" in mended(written)


def test_other_tables_stay_as_they_are():
    for text in (
        '<table class="table"><tr><td>1</td></tr></table>',
        '<table role="table"><tr><td>1</td></tr></table>',
    ):
        assert mended(text) == text


def test_a_table_of_many_columns_has_small_letters():
    few, many = (
        mended(f'<table class="dataframe"><tr>{"<td>1</td>" * count}</tr></table>')
        for count in (4, 12)
    )
    assert 'class="dataframe many"' in many and "many" not in few


def test_a_table_of_sources_may_break_them():
    cells = ("mini-sdxl@647b2b7959a702c5", "someone@example.org")
    hashes, plain = (
        mended(f'<table class="dataframe"><tr><td>{cell}</td></tr></table>') for cell in cells
    )
    assert 'class="dataframe hashes"' in hashes and "hashes" not in plain


@pytest.mark.slow
@pytest.mark.parametrize("width", [420, 1280])
def test_nothing_is_cut_and_no_page_scrolls_sideways(browser, site, width):
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.route(
        "http*://**", lambda route: route.abort()
    )  # the same with a network and without one
    files = [
        file
        for file in sorted(site.rglob("*.html"))
        if "_static" not in file.parts and 'http-equiv="Refresh"' not in file.read_text()
    ]
    found = {
        file.relative_to(site).as_posix(): faults(file, context, screen=width == 1280)
        for file in files
    }
    assert len(found) > 10 and {name: said for name, said in found.items() if said} == {}
